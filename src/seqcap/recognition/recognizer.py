"""Recordings in, emotions out: the one way from sound to probabilities.

Every door, and every number in every table, comes through here.
"""

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seqcap.audio.source import Source
from seqcap.audio.spectrogram import FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.errors import AudioError, SettingsError
from seqcap.recognition.answering import Answering
from seqcap.recognition.answers import Answer, Failure
from seqcap.recognition.engine import Engine, Output, run_in_chunks
from seqcap.recognition.engine_choice import choose_engine, torch_engine
from seqcap.recognition.groups import GroupRecognizer
from seqcap.recognition.model_description import ModelDescription, load_description
from seqcap.recognition.recordings import (
    LoadedRecording,
    prepare,
    read_recording,
)

if TYPE_CHECKING:
    from seqcap.recognition.explanation import Explanation
    from seqcap.recognition.stream import Stream

__all__ = ["Answer", "Failure", "Recognizer"]


class Recognizer(GroupRecognizer):
    """A trained system, ready to recognise.

    Args:
        checkpoint: The model: its emotions and its normalisation, and its network if `engine` is
            None.
        device: Where torch runs it, as PyTorch names it; "auto" takes a GPU if there is one.
        abstain_below: Answers less sure than this are "uncertain"; 0 never abstains.
        engine: What runs the network; None: torch, on `device`.

    Raises:
        SettingsError: The device cannot be used, or `abstain_below` is no probability.

    Example:
        >>> import numpy as np
        >>> recognizer = Recognizer.from_pretrained()
        >>> recognizer.emotions
        ('neutral', 'anger', 'happiness', 'sadness')
        >>> answer = recognizer.recognize((np.sin(np.arange(16000) / 9).astype("float32"), 16000))
        >>> answer.end, len(answer.timeline)
        (1.0, 1)
    """

    def __init__(
        self,
        checkpoint: ModelDescription,
        device: str = "auto",
        abstain_below: float = 0.0,
        engine: Engine | None = None,
    ) -> None:
        if not 0 <= abstain_below <= 1:
            raise SettingsError(f"abstain_below {abstain_below}; a probability is expected, 0 to 1")
        self.checkpoint = checkpoint
        self.abstain_below = abstain_below
        self.engine = torch_engine(checkpoint, device)[1] if engine is None else engine

    def __repr__(self) -> str:
        return (
            f"Recognizer({self.checkpoint.name!r}, {self.checkpoint.system_name}, "
            f"emotions={', '.join(self.emotions)}; {self.engine.name} on {self.engine.device})"
        )

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str] | None = None,
        device: str = "auto",
        abstain_below: float = 0.0,
        engine: str = "auto",
    ) -> "Recognizer":
        """Loads a model: the one inside the package, or your own.

        Args:
            model: Folder of a model; None or "-" takes the included model, without network.
            device: As for the class; any but "auto" and "cpu" needs torch.
            abstain_below: As for the class.
            engine: "onnx" runs the network by onnxruntime, which starts in a fraction of the time,
                and needs the graphs that `seqcap export` writes. "torch" runs any system. "auto"
                takes onnxruntime where there are graphs and `device` allows it.

        Raises:
            CheckpointError: The folder is not a model, or has no graphs and `engine` is "onnx".
            SettingsError: As for the class, or an unknown engine.

        Example:
            >>> Recognizer.from_pretrained(device="cpu", abstain_below=0.5).abstain_below
            0.5
        """
        description, chosen = choose_engine(load_description(model), device, engine)
        return cls(description, device, abstain_below, chosen)

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions of the model, in the order of the probabilities."""
        return self.checkpoint.emotions

    @property
    def is_speaker_adaptive(self) -> bool:
        """Whether `adapt_to_speaker` makes a difference."""
        return self.checkpoint.normalisation.is_speaker_adaptive

    @property
    def worker_count(self) -> int:
        """How many groups of recordings are answered at the same time."""
        return self.engine.worker_count

    def worker(self) -> "Recognizer":
        """The same model for one group among several, with its share of the cores.

        Example:
            >>> Recognizer.from_pretrained().worker().emotions
            ('neutral', 'anger', 'happiness', 'sadness')
        """
        return Recognizer(
            self.checkpoint, abstain_below=self.abstain_below, engine=self.engine.worker()
        )

    def check_adaptive(self) -> None:
        """Refuses models that do not adapt to speakers.

        Raises:
            SettingsError: The model was not trained to adapt.

        Example:
            >>> Recognizer.from_pretrained("adaptive").check_adaptive()
        """
        if not self.is_speaker_adaptive:
            raise SettingsError(
                f"{self.checkpoint.name} was not trained to adapt to a speaker; "
                "--model adaptive does, and --set normalisation.speaker_mean_norm=1 trains one, "
                "or speaker_feature_norm with a speech encoder"
            )

    def adapt_to_recordings(self, recordings: Iterable[LoadedRecording]) -> "Recognizer":
        """As `adapt_to_speaker`, for recordings that were decoded already.

        Args:
            recordings: Of the speaker, as `read_recording` gives them.

        Raises:
            SettingsError: The model was not trained to adapt.

        Example:
            >>> Recognizer.from_pretrained().is_speaker_adaptive  # so it would refuse
            False
        """
        self.check_adaptive()
        normalisation = self.checkpoint.normalisation
        blocks = (
            block
            for recording in recordings
            for block in prepare([recording], normalisation)[0].blocks()
        )
        if normalisation.settings.speaker_feature_norm:
            return self._adapt_features(blocks)
        adapted = dataclasses.replace(
            self.checkpoint, normalisation=normalisation.adapt_to_speaker(blocks)
        )
        return Recognizer(adapted, abstain_below=self.abstain_below, engine=self.engine)

    def _adapt_features(self, blocks: Iterable[FloatArray]) -> "Recognizer":
        normalisation = self.checkpoint.normalisation
        means: list[FloatArray] = []
        counts: list[int] = []
        for block in blocks:
            if len(block):
                counts.append(len(block))
                alone = normalisation(block)[None]
                means.extend(self.engine.mean_features(alone, np.array([len(block)])))
        if not counts:
            return self
        total = np.array(counts, float) @ np.array(means)
        engine = self.engine.adapted(normalisation.features_to_subtract(total, sum(counts)))
        return Recognizer(self.checkpoint, abstain_below=self.abstain_below, engine=engine)

    def explain(
        self,
        source: Source,
        *,
        emotion: str | None = None,
        start_s: float = 0.0,
        end_s: float | None = None,
        name: str | None = None,
    ) -> "Explanation":
        """Explains an answer: which windows and which part of the spectrogram it rests on.

        Args:
            source: As for `recognize`, up to a minute long.
            emotion: The emotion whose logit is explained; the most probable one if None.
            start_s: As for `recognize`.
            end_s: As for `recognize`.
            name: As for `recognize`.

        Raises:
            AudioError: It cannot be read, or is longer than a minute.
            SettingsError: The model does not know the emotion.

        Example:
            >>> found = Recognizer.from_pretrained().explain("samples/emodb/16a01Wb.wav")
            >>> found.emotion
            'anger'
        """
        from seqcap.recognition.explanation import explain

        return explain(self, source, emotion=emotion, start_s=start_s, end_s=end_s, name=name)

    def stream(
        self,
        rate_hz: float = SAMPLE_RATE_HZ,
        *,
        channel_count: int = 1,
        horizon_s: float | None = 5.0,
        refresh_s: float = 0.5,
        name: str = "<stream>",
    ) -> "Stream":
        """Answers live sound.

        Args:
            rate_hz: Sampling rate of the samples to come, Hz.
            channel_count: Channels of them; they are averaged.
            horizon_s: Each answer is that of the last so many seconds; None for all so far, which
                the model "stream" and other models that do not look ahead can do.
            refresh_s: Seconds of sound from one answer to the next, at least 0.01.
            name: Name of the stream in answers and errors.

        Raises:
            SettingsError: A number out of range, or `horizon_s=None` with a model that needs whole
                recordings.

        Example:
            >>> import numpy as np
            >>> stream = Recognizer.from_pretrained().stream(8000, horizon_s=2.0, refresh_s=1.0)
            >>> found = stream.push(np.sin(np.arange(8000) / 9)) + stream.finish()
            >>> [each.end for each in found if isinstance(each, Answer)]
            [1.0]
        """
        from seqcap.recognition.stream import Stream

        return Stream(
            self,
            rate_hz,
            channel_count=channel_count,
            horizon_s=horizon_s,
            refresh_s=refresh_s,
            name=name,
        )

    def embed(self, source: Source) -> FloatArray:
        """Gives a recording's utterance capsules, one vector for each emotion.

        Their lengths, 0 to 1, tell how strongly each emotion is there; their directions differ
        between ways to show it. Of use as features for a classifier of your own.

        Args:
            source: As for `recognize`.

        Returns:
            Shape ``(emotion, dim)``, in the order of `emotions`.

        Raises:
            AudioError: As `recognize`.
            SettingsError: The system has no capsules.

        Example:
            >>> Recognizer.from_pretrained().embed("samples/emodb/15b09Wb.wav").shape
            (4, 16)
        """
        capsules = self.run(read_recording(source)).capsules
        if capsules is None:
            raise SettingsError(
                f"{self.checkpoint.name} is a {self.checkpoint.system_name}, which has no "
                "capsules; a model of a capsule system is needed"
            )
        return capsules[0]

    def run(self, recording: LoadedRecording) -> Output:
        """Runs the network on one recording: logits, utterance capsules and their couplings.

        Args:
            recording: As `read_recording` gives it.

        Returns:
            Logits ``(branch, 1, emotion)`` and, if the system has capsules, capsules and couplings.

        Raises:
            AudioError: It has no speech, and the model uses speech only.

        Example:
            >>> recording = read_recording("samples/emodb/15b09Wb.wav")
            >>> Recognizer.from_pretrained().run(recording).logits.shape
            (2, 1, 4)
        """
        (prepared,) = prepare([recording], self.checkpoint.normalisation)
        if not any(prepared.sizes):
            raise AudioError(
                f"{recording.name}: no speech in it; {self.checkpoint.name} needs speech"
            )
        blocks = (block for block in prepared.blocks() if len(block))
        normalised = (self.checkpoint.normalisation(block) for block in blocks)
        return run_in_chunks(self.engine, normalised)

    def answer(self, recordings: Sequence[LoadedRecording], timeline: bool) -> list[Answer]:
        """Answers recordings that were decoded already, in their order.

        Args:
            recordings: As `read_recording` gives them.
            timeline: Also answer for each 2-s piece.

        Example:
            >>> recording = read_recording("samples/emodb/15b09Wb.wav")
            >>> Recognizer.from_pretrained().answer([recording], timeline=False)[0].predicted
            'anger'
        """
        prepared = prepare(recordings, self.checkpoint.normalisation)
        return self._answering.answer(prepared, timeline)

    def probabilities(self, spectrograms: Sequence[FloatArray]) -> FloatArray:
        """Gives the emotions' probabilities for log spectrograms of any lengths.

        Args:
            spectrograms: Not normalised, each ``(frame, bin)``.

        Returns:
            Shape ``(recording, emotion)``, calibrated, in the order they came; all emotions
            alike for digital silence, NaN where there are no frames.

        Example:
            >>> import numpy as np
            >>> silence = np.full((100, 512), -10.0, np.float32)
            >>> Recognizer.from_pretrained().probabilities([silence, silence]).shape
            (2, 4)
        """
        return self._answering.probabilities(spectrograms)

    @property
    def _answering(self) -> Answering:
        return Answering(self.checkpoint, self.engine, self.abstain_below)
