"""The answer of all sound or speech so far, carried on sample by sample, by any engine.

A push costs what is new. Steps that no later sample can change are encoded once: of each window
only its 72 output values stay, about 5 MB an hour. What later samples can still change is worked
out again at each answer.

Axis order: frames ``(frame, bin)``, features ``(1, unit, feature)``.
"""

import math
from collections import deque

import numpy as np

from seqcap.audio.high_pass import HighPass
from seqcap.audio.live_speech import LiveSpeech, LiveSpeechDetector
from seqcap.audio.normalisation import block_powers
from seqcap.audio.spectrogram import (
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
# Choice: 30 s, so that the level follows a speaker who turns away, and one loud word means little.
_LEVEL_FRAMES = 3000


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
            f"answer; take the model 'stream' or another of {', '.join(STREAMING_SYSTEMS)}, or "
            "answers of the last seconds (horizon_s)"
        )


class RunningAnswer:
    """Takes samples and knows at any moment the probabilities of all so far.

    Where the model keeps speech only, they are those of the speech so far. Where it brings
    recordings to one level, the level of the last 30 s so far decides; what is encoded stays at the
    level that was known then.

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
        seen_steps = self._chunk_steps + max(chunking.overlap_steps) + self._context_steps
        self._seen_frames = seen_steps * self._per_step
        cutoff_hz = model.normalisation.settings.high_pass_hz
        self._high_pass = HighPass(cutoff_hz) if cutoff_hz else None
        self._detector = LiveSpeechDetector()
        speech_only = model.normalisation.settings.speech_only
        self._speech = LiveSpeech(self._detector) if speech_only else None
        self._samples = np.empty(0, np.float32)  # from step `_first` on
        self._powers: deque[float] = deque(maxlen=_LEVEL_FRAMES)
        self._measured = 0  # frames of `_samples` that are in `_powers`
        self._is_silent = True  # everything that is encoded
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
        else:
            filtered, turns = self._speech.push(samples, filtered)
        self._samples = np.concatenate((self._samples, filtered))
        while len(self._samples) >= self._until(self._seen_end):
            self._commit()
        self._samples = self._samples.copy()  # what is behind it can be forgotten
        return turns

    def finish(self) -> list[tuple[bool, float]]:
        """Ends speech that goes on; as `push`."""
        return list(self._detector.finish())

    @property
    def _seen_end(self) -> int:
        """The frame of `_samples` behind all that the next chunk looks at."""
        return (self._done - self._first) * self._per_step + self._seen_frames

    @staticmethod
    def _until(frame: int) -> int:
        """Samples that the frames before this one reach over."""
        return (frame - 1) * SHIFT_SAMPLES + WINDOW_SAMPLES

    def _log_magnitudes(self, samples: FloatArray) -> FloatArray:
        """Those of the first samples that wait, at the level that was known when these had come."""
        whole = len(samples) // SHIFT_SAMPLES
        if whole > self._measured:
            fresh = samples[self._measured * SHIFT_SAMPLES : whole * SHIFT_SAMPLES]
            self._powers.extend(block_powers(fresh))
            self._measured = whole
        gain, _ = self._model.normalisation.measure(np.array(self._powers))
        return log_spectrogram(samples * gain)

    def _commit(self) -> None:
        """Encodes a chunk that nothing can change any more, and forgets what made it."""
        end = self._seen_end
        magnitudes = self._log_magnitudes(self._samples[: self._until(end)])[:end]
        self._is_silent = self._is_silent and is_silent(magnitudes)
        units = self._encode(magnitudes, self._chunk_steps)
        if not self._features:
            self._features = [Rows(found.shape[2]) for found in units]
        for rows, found in zip(self._features, units, strict=True):
            rows.add(found)
        self._done += self._chunk_steps
        first = max(0, self._done - self._context_steps)
        gone = (first - self._first) * self._per_step
        self._samples = self._samples[gone * SHIFT_SAMPLES :]
        self._measured -= gone
        self._first = first

    def _encode(self, magnitudes: FloatArray, kept_steps: int) -> list[FloatArray]:
        frames = self._model.normalisation(magnitudes)
        previous = [rows.last for rows in self._features] or None
        return self._engine.encode(frames[None], self._done - self._first, kept_steps, previous)

    def probabilities(self) -> FloatArray:
        """The probabilities of all so far, ``(emotion,)``, in the model's order.

        They are NaN without speech, where the model keeps speech only. Otherwise at least 640
        samples are needed.
        """
        if not len(self._samples) and self._speech is not None:
            return np.full(len(self._model.emotions), np.nan, np.float32)
        magnitudes = self._log_magnitudes(self._samples)
        if self._is_silent and is_silent(magnitudes):
            count = len(self._model.emotions)
            return np.full(count, 1 / count, np.float32)
        units = self._encode(magnitudes, ALL_STEPS)
        if self._features:
            finished = [rows.all for rows in self._features]
            units = [np.concatenate(both, 1) for both in zip(finished, units, strict=True)]
        step_count = self._first + -(-len(magnitudes) // self._per_step)
        logits = self._engine.decide(units, step_count).logits
        shares = self._engine.chunking.branch_shares
        return merge_branches(logits, shares, self._model.temperature)[0]
