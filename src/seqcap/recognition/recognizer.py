"""Recordings in, emotions out: the one way from sound to probabilities.

Every door, and every number in every table, comes through here.
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from seqcap.audio.channels import MIX
from seqcap.audio.source import Source
from seqcap.audio.spectrogram import FRAMES_PER_S, FloatArray, is_silent
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.errors import AudioError, CheckpointError, MissingExtraError, SettingsError
from seqcap.recognition.answers import Answer, Failure, decide
from seqcap.recognition.engine import Engine, IntArray, Output, merge_branches, run_in_chunks
from seqcap.recognition.groups import recognize_groups, recognize_one_speaker
from seqcap.recognition.model_description import ModelDescription, load_description
from seqcap.recognition.model_folder import check_model_folder, has_graphs
from seqcap.recognition.recordings import (
    BLOCK_PIECES,
    LoadedRecording,
    PreparedRecording,
    Segment,
    batches_by_length,
    pieces_of,
    prepare,
    read_ahead,
    read_recording,
)

if TYPE_CHECKING:
    from seqcap.recognition.explanation import Explanation
    from seqcap.recognition.stream import Stream

__all__ = ["Answer", "Failure", "Recognizer"]


class Recognizer:
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
        self.engine = _torch_engine(checkpoint, device) if engine is None else engine

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
        """Loads a model: the one inside the package, or one's own.

        Args:
            model: Folder of a model; None or "-" takes the shipped model, without network.
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
        if engine not in ("auto", "onnx", "torch"):
            raise SettingsError(f"engine '{engine}'; auto, onnx or torch is expected")
        description = load_description(model)
        graphs = has_graphs(check_model_folder(model))
        can_run = device in ("auto", "cpu")
        if engine == "onnx" and not graphs:
            raise CheckpointError(
                f"{description.folder}: no graphs here; 'seqcap export' writes a folder with them"
            )
        if engine == "onnx" and not can_run:
            raise SettingsError(f"device '{device}' came; engine 'onnx' runs on 'cpu'")
        if engine == "torch" or not (graphs and can_run):
            return cls(_with_network(description), device, abstain_below)
        return cls(description, device, abstain_below, _onnx_engine(description))

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions told apart, in the order of the probabilities."""
        return self.checkpoint.emotions

    @property
    def is_speaker_adaptive(self) -> bool:
        """Whether `adapt_to_speaker` makes a difference."""
        return self.checkpoint.normalisation.settings.speaker_mean_norm > 0

    def adapt_to_speaker(self, sources: Iterable[Source | Segment]) -> "Recognizer":
        """Adapts to one speaker's voice and microphone, without labels.

        Args:
            sources: Recordings of the speaker, as for `recognize`; what cannot be read is left
                out. To recognise these same recordings, use `recognize_speaker`.

        Raises:
            SettingsError: The model was not trained to adapt.

        Example:
            >>> Recognizer.from_pretrained().is_speaker_adaptive  # so it would refuse
            False
        """
        groups = read_ahead(sources, warn=False)
        return self.adapt_to_recordings(
            entry for group in groups for entry in group if isinstance(entry, LoadedRecording)
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
        if not self.is_speaker_adaptive:
            raise SettingsError(
                f"{self.checkpoint.name} was not trained to adapt to a speaker; "
                "--set normalisation.speaker_mean_norm=1 trains one that does"
            )
        normalisation = self.checkpoint.normalisation
        blocks = (
            block
            for recording in recordings
            for block in prepare([recording], normalisation)[0].blocks()
        )
        adapted = dataclasses.replace(
            self.checkpoint, normalisation=normalisation.adapt_to_speaker(blocks)
        )
        return Recognizer(adapted, abstain_below=self.abstain_below, engine=self.engine)

    def recognize(
        self,
        source: Source,
        *,
        start_s: float = 0.0,
        end_s: float | None = None,
        name: str | None = None,
        channel: str | int = MIX,
        timeline: bool = True,
    ) -> Answer:
        """Recognises one recording.

        Args:
            source: Path, bytes, file object, or an array with its sampling rate.
            start_s: Where to begin, in seconds.
            end_s: Where to end; None for the end of the recording.
            name: What it is called in the answer and in errors; the source's own name if None.
            channel: ``mix``, the mean of all, ``left``, ``right``, or a number from 1 on.
            timeline: Also answer for each 2-s piece.

        Raises:
            AudioError: It cannot be read, or is too short or not made of numbers.

        Example:
            >>> recognizer = Recognizer.from_pretrained()
            >>> recognizer.recognize("samples/emodb/15b09Wb.wav", end_s=2.0).predicted
            'anger'
        """
        recording = read_recording(source, start_s=start_s, end_s=end_s, name=name, channel=channel)
        (answer,) = self.answer([recording], timeline)
        return answer

    def recognize_many(
        self, sources: Iterable[Source | Segment], *, timeline: bool = False, warn: bool = True
    ) -> Iterator[Answer | Failure]:
        """Recognises many recordings, those of similar length together.

        Memory does not grow with their number: a thread reads a few ahead of the answers taken.

        Args:
            sources: As for `recognize`, or a `Segment` for a part of one.
            timeline: Also answer for each 2-s piece.
            warn: Of silence and clipping.

        Yields:
            An answer, or a failure with its reason, for each source in its turn.

        Example:
            >>> paths = ["samples/emodb/15b09Wb.wav", "absent.wav"]
            >>> for result in Recognizer.from_pretrained().recognize_many(paths):
            ...     print(result.reason if isinstance(result, Failure) else result.predicted)
            anger
            absent.wav: no such file; check the path
        """
        yield from recognize_groups(self, read_ahead(sources, warn), timeline)

    def recognize_speaker(
        self,
        sources: Iterable[Source | Segment],
        *,
        adapt: bool | None = None,
        balanced_prior: bool = False,
        timeline: bool = False,
        warn: bool = True,
    ) -> Iterator[Answer | Failure]:
        """Recognises all recordings of one speaker, using what they have in common.

        Args:
            sources: All recordings of the speaker, as for `recognize`.
            adapt: Adapt to the speaker first; None: if the model was trained to.
            balanced_prior: Shift the class prior of the answers halfway to uniform. For a speaker
                whose emotions are roughly balanced, eight recordings or more. If a speaker is
                neutral nearly all the time, accuracy falls.
            timeline: Also answer for each 2-s piece.
            warn: Of silence and clipping.

        Yields:
            As `recognize_many`; the first answer comes after the last recording was read.

        Raises:
            SettingsError: `adapt` is set, and the model was not trained to adapt.

        Example:
            >>> paths = ["samples/emodb/15b09Wb.wav", "samples/emodb/15b09Ta.wav"]
            >>> recognizer = Recognizer.from_pretrained()
            >>> answers = recognizer.recognize_speaker(paths, balanced_prior=True)
            >>> [answer.predicted for answer in answers]
            ['anger', 'sadness']
        """
        yield from recognize_one_speaker(
            self,
            sources,
            adapt=self.is_speaker_adaptive if adapt is None else adapt,
            balanced_prior=balanced_prior,
            timeline=timeline,
            warn=warn,
        )

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
            horizon_s: Each answer is that of the last so many seconds; None for all sound so far.
            refresh_s: Seconds of sound from one answer to the next, at least 0.01.
            name: Name of the stream in answers and errors.

        Raises:
            SettingsError: A number out of range, or `horizon_s=None` with a model that needs whole
                recordings.

        Example:
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
        between ways to show it. Of use as features for a classifier of one's own.

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
            AudioError: Nobody speaks in it, and the model hears speech only.

        Example:
            >>> recording = read_recording("samples/emodb/15b09Wb.wav")
            >>> Recognizer.from_pretrained().run(recording).logits.shape
            (2, 1, 4)
        """
        (prepared,) = prepare([recording], self.checkpoint.normalisation)
        if not any(prepared.sizes):
            raise AudioError(
                f"{recording.name}: nobody speaks in it; {self.checkpoint.name} needs speech"
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
        short = [each for each in prepared if each.recording.is_short]
        spectrograms = [next(each.blocks()) for each in short]
        rows = self.probabilities(spectrograms)
        piece_rows = (
            self._piece_rows(short, spectrograms, rows) if timeline else [None] * len(short)
        )
        answers = iter(
            [self._answer(*answered) for answered in zip(short, rows, piece_rows, strict=True)]
        )
        return [
            next(answers) if each.recording.is_short else self._long_answer(each, timeline)
            for each in prepared
        ]

    def _piece_rows(
        self,
        recordings: Sequence[PreparedRecording],
        spectrograms: Sequence[FloatArray],
        rows: FloatArray,
    ) -> list[FloatArray]:
        """Probabilities ``(piece, emotion)`` of recordings whose own are known."""
        cut = [len(recording.bounds) > 1 for recording in recordings]  # one piece is the whole
        pieces = [
            piece
            for recording, spectrogram, several in zip(recordings, spectrograms, cut, strict=True)
            if several
            for piece in pieces_of(spectrogram, recording.sizes)
        ]
        found = self.probabilities(pieces)
        result, taken = [], 0
        for recording, row, several in zip(recordings, rows, cut, strict=True):
            count = len(recording.bounds) if several else 0
            result.append(found[taken : taken + count] if several else row[None])
            taken += count
        return result

    def _long_answer(self, recording: PreparedRecording, timeline: bool) -> Answer:
        """Reads a long recording block by block, once for the whole and its pieces."""
        piece_rows: list[FloatArray] = []
        silent = True
        starts = range(0, len(recording.sizes), BLOCK_PIECES)
        sizes = [recording.sizes[start : start + BLOCK_PIECES] for start in starts]

        def normalised() -> Iterator[FloatArray]:
            nonlocal silent
            for block, own in zip(recording.blocks(), sizes, strict=True):
                silent = silent and (not len(block) or is_silent(block))
                if timeline:
                    piece_rows.append(self.probabilities(pieces_of(block, own)))
                if len(block):
                    yield self.checkpoint.normalisation(block)

        if not any(recording.sizes):
            nothing = np.full(len(self.emotions), np.nan, np.float32)
            pieces = np.tile(nothing, (len(recording.sizes), 1)) if timeline else None
            return self._answer(recording, nothing, pieces)
        row = self._calibrated(run_in_chunks(self.engine, normalised()))[0]
        if silent:
            row[:] = self._nothing_heard
        return self._answer(recording, row, np.concatenate(piece_rows) if timeline else None)

    def _answer(
        self, recording: PreparedRecording, row: FloatArray, piece_rows: FloatArray | None
    ) -> Answer:
        whole = recording.recording
        timeline = []
        if piece_rows is not None:
            for (first, behind), piece_row in zip(recording.bounds, piece_rows, strict=True):
                piece_end_s = min(whole.start_s + behind / FRAMES_PER_S, whole.end_s)
                piece = (whole.name, whole.start_s + first / FRAMES_PER_S, piece_end_s)
                timeline.append(self._named(*piece, piece_row))
        answer = self._named(whole.name, whole.start_s, whole.end_s, row, tuple(timeline))
        return dataclasses.replace(answer, warnings=whole.issues)

    def _named(
        self,
        title: str,
        start: float,
        end: float,
        row: FloatArray,
        timeline: tuple[Answer, ...] = (),
    ) -> Answer:
        probabilities = dict(zip(self.emotions, row.tolist(), strict=True))
        return Answer(
            file=title,
            start=round(start, 3),
            end=round(end, 3),
            probabilities=probabilities,
            predicted=decide(probabilities, self.abstain_below),
            timeline=timeline,
        )

    def probabilities(self, spectrograms: Sequence[FloatArray]) -> FloatArray:
        """Gives the emotions' probabilities for log spectrograms of any lengths.

        Args:
            spectrograms: Not normalised, each ``(frame, bin)``.

        Returns:
            Shape ``(recording, emotion)``, calibrated, in the order they came; all emotions
            alike for digital silence, NaN where there are no frames.

        Example:
            >>> silence = np.full((100, 512), -10.0, np.float32)
            >>> Recognizer.from_pretrained().probabilities([silence, silence]).shape
            (2, 4)
        """
        result = np.full((len(spectrograms), len(self.emotions)), np.nan, np.float32)
        spoken = [place for place, each in enumerate(spectrograms) if len(each)]
        for chosen in batches_by_length([len(spectrograms[place]) for place in spoken]):
            indices = [spoken[place] for place in chosen]
            batch, counts = self._batch([spectrograms[i] for i in indices])
            result[indices] = self._calibrated(self.engine.run(batch, counts))
        silent = [place for place in spoken if is_silent(spectrograms[place])]
        result[silent] = self._nothing_heard
        return result

    @property
    def _nothing_heard(self) -> float:
        """The probability of each emotion in silence."""
        return 1 / len(self.emotions)

    def _calibrated(self, output: Output) -> FloatArray:
        shares = self.engine.chunking.branch_shares
        return merge_branches(output.logits, shares, self.checkpoint.temperature)

    def _batch(self, spectrograms: Sequence[FloatArray]) -> tuple[FloatArray, IntArray]:
        counts = [len(s) for s in spectrograms]
        padded = np.zeros((len(counts), max(counts), spectrograms[0].shape[1]), np.float32)
        for row, spectrogram in zip(padded, spectrograms, strict=True):
            row[: len(spectrogram)] = self.checkpoint.normalisation(spectrogram)
        return padded, np.array(counts)


def _torch_engine(checkpoint: ModelDescription, device: str) -> Engine:
    with _torch_needed():
        from seqcap.recognition.torch_engine import TorchEngine, with_network

    return TorchEngine(with_network(checkpoint).system, device)


def _with_network(model: ModelDescription) -> ModelDescription:
    with _torch_needed():
        from seqcap.recognition.torch_engine import with_network

    return with_network(model)


@contextmanager
def _torch_needed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError(
            "a model without graphs, or engine 'torch', needs PyTorch; pip install 'seqcap[train]',"
            " or run 'seqcap export' where it is installed"
        ) from error


def _onnx_engine(model: ModelDescription) -> Engine:
    from seqcap.recognition.onnx_engine import OnnxEngine

    return OnnxEngine(check_model_folder(model.folder))
