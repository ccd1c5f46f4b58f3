"""The answer of all sound or speech so far, carried on sample by sample, by any engine.

A push costs what is new. Steps that no later sample can change are encoded once: of each window
only its 72 output values stay, about 5 MB an hour. What later samples can still change is worked
out again at each answer.

Axis order: frames ``(frame, bin)``, features ``(1, unit, feature)``.
"""

import math

import numpy as np

from seqcap.audio.high_pass import HighPass
from seqcap.audio.live_speech import LiveSpeech, LiveSpeechDetector
from seqcap.audio.spectrogram import (
    BIN_COUNT,
    SHIFT_SAMPLES,
    WINDOW_SAMPLES,
    FloatArray,
    is_silent,
    log_spectrogram,
)
from seqcap.errors import SettingsError
from seqcap.recognition.engine import ALL_STEPS, Engine, Rows, merge_branches
from seqcap.recognition.model_description import ModelDescription

# Systems that go forward only, known without torch: those that stream in `models.systems.SYSTEMS`.
STREAMING_SYSTEMS = ("CNN", "CNN_SeqCap", "CNN_RecCap")

# Choice: at least .4 s of steps are encoded at a time. `CNN` keeps 256 values each time, and so no
# more when samples come one by one.
_LEAST_STEPS = 10


def check_running(model: ModelDescription) -> None:
    """Refuses models whose answer so far needs sound that is still to come.

    Args:
        model: Any.

    Raises:
        SettingsError: The system looks back over the whole recording, or its normalisation does.
    """
    settings = model.normalisation.settings
    looks_ahead = [
        f"{name} {value}"
        for name, value in (
            ("normalisation.target_rms", settings.target_rms),
            ("normalisation.trim_db", settings.trim_db),
            ("normalisation.utterance_mean_norm", settings.utterance_mean_norm),
        )
        if value
    ]
    if model.system_name not in STREAMING_SYSTEMS:
        looks_ahead.insert(0, f"system {model.system_name}")
    if looks_ahead:
        raise SettingsError(
            f"{model.name} needs whole recordings ({'; '.join(looks_ahead)}), so it has no running "
            f"answer; take the model 'stream' or another of {', '.join(STREAMING_SYSTEMS)} that "
            "keeps the level, or answers of the last seconds (horizon_s)"
        )


class RunningAnswer:
    """Takes samples and knows at any moment the probabilities of all so far.

    Where the model keeps speech only, they are those of the speech so far.

    Args:
        model: One that `check_running` lets pass.
        engine: Runs its network.

    Raises:
        SettingsError: The model needs whole recordings.
    """

    def __init__(self, model: ModelDescription, engine: Engine) -> None:
        check_running(model)
        self._model = model
        self._engine = engine
        chunking = engine.chunking
        self._per_step = chunking.frames_per_step
        self._context_steps = chunking.context_steps
        together = math.lcm(*chunking.shift_steps)
        self._chunk_steps = -(-_LEAST_STEPS // together) * together
        # A chunk is not the last one only if there are steps beyond all that it looks at.
        self._seen_steps = self._chunk_steps + max(chunking.overlap_steps) + self._context_steps
        cutoff_hz = model.normalisation.settings.high_pass_hz
        self._high_pass = HighPass(cutoff_hz) if cutoff_hz else None
        self._detector = LiveSpeechDetector()
        speech_only = model.normalisation.settings.speech_only
        self._speech = LiveSpeech(self._detector) if speech_only else None
        self._samples = np.empty(0, np.float32)  # from the first frame that is not final
        self._frames = np.empty((0, BIN_COUNT), np.float32)  # final ones, from step `_first` on
        self._loudest = np.empty((0, BIN_COUNT), np.float32)  # of all final frames, bin by bin
        self._first = 0
        self._done = 0  # the step up to which everything is encoded
        self._features: list[Rows] = []

    def push(self, samples: FloatArray) -> list[tuple[bool, float]]:
        """Takes the next samples, of any number.

        Args:
            samples: 16 kHz mono, shape ``(samples,)``.

        Returns:
            Whether speech started, else ended, and when, in seconds, for each time that it did.
        """
        filtered = samples if self._high_pass is None else self._high_pass(samples)
        if self._speech is None:
            turns = list(self._detector.push(samples))
            self._take(filtered)
        else:
            speech, turns = self._speech.push(samples, filtered)
            self._take(speech)
        return turns

    def finish(self) -> list[tuple[bool, float]]:
        """Ends speech that goes on; as `push`."""
        return list(self._detector.finish())

    def _take(self, samples: FloatArray) -> None:
        self._samples = np.concatenate((self._samples, samples))
        ready = max(0, (len(self._samples) - WINDOW_SAMPLES) // SHIFT_SAMPLES + 1)
        if ready == 0:
            return
        seen = (ready - 1) * SHIFT_SAMPLES + WINDOW_SAMPLES
        final = log_spectrogram(self._samples[:seen])[:ready]
        self._samples = self._samples[ready * SHIFT_SAMPLES :]
        self._loudest = np.concatenate((self._loudest, final)).max(0, keepdims=True)
        self._frames = np.concatenate((self._frames, self._model.normalisation(final)))
        while len(self._frames) > self._seen_frames:
            self._commit()

    @property
    def _seen_frames(self) -> int:
        return (self._done - self._first + self._seen_steps) * self._per_step

    def _commit(self) -> None:
        """Encodes a chunk that nothing can change any more, and forgets what made it."""
        units = self._encode(self._frames[: self._seen_frames], self._chunk_steps)
        if not self._features:
            self._features = [Rows(found.shape[2]) for found in units]
        for rows, found in zip(self._features, units, strict=True):
            rows.add(found)
        self._done += self._chunk_steps
        first = max(0, self._done - self._context_steps)
        self._frames = self._frames[(first - self._first) * self._per_step :].copy()
        self._first = first

    def _encode(self, frames: FloatArray, kept_steps: int) -> list[FloatArray]:
        previous = [rows.last for rows in self._features] or None
        return self._engine.encode(frames[None], self._done - self._first, kept_steps, previous)

    def probabilities(self) -> FloatArray:
        """The probabilities of all so far, ``(emotion,)``, in the model's order.

        They are NaN without speech, where the model keeps speech only. Otherwise at least 640
        samples are needed.
        """
        if not len(self._samples) and self._speech is not None:
            return np.full(len(self._model.emotions), np.nan, np.float32)
        tail = log_spectrogram(self._samples)
        if is_silent(np.concatenate((self._loudest, tail))):
            count = len(self._model.emotions)
            return np.full(count, 1 / count, np.float32)
        frames = np.concatenate((self._frames, self._model.normalisation(tail)))
        units = self._encode(frames, ALL_STEPS)
        if self._features:
            finished = [rows.all for rows in self._features]
            units = [np.concatenate(both, 1) for both in zip(finished, units, strict=True)]
        step_count = self._first + -(-len(frames) // self._per_step)
        logits = self._engine.decide(units, step_count).logits
        shares = self._engine.chunking.branch_shares
        return merge_branches(logits, shares, self._model.temperature)[0]
