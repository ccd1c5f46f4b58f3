"""Recordings in, emotions out: the one way from sound to probabilities.

Every door, and every number in every table, comes through here.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seqcap.audio.source import Source, source_name
from seqcap.audio.spectrogram import FRAMES_PER_S, SHIFT_SAMPLES, FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.errors import AudioError
from seqcap.recognition.checkpoint import Checkpoint, load_checkpoint

PRETRAINED_FOLDER = Path(__file__).parent / "pretrained"
PIECE_S = 2.0  # of a timeline; the length of a training segment, Sec. VI-A
SHORTEST_PIECE_S = 0.5  # a shorter rest joins the piece before it
UNCERTAIN = "uncertain"
_FILES_AT_ONCE = 64
_FRAMES_AT_ONCE = 6000  # of a batch, padding included: a minute of sound


@dataclass(frozen=True)
class Answer:
    """What was heard in a recording or in a piece of one.

    Attributes:
        file: Name of the recording.
        start: First second that counts.
        end: Where it ends, in seconds.
        probabilities: One per emotion, summing to one, in the model's order.
        predicted: The most probable emotion, or "uncertain".
        timeline: Answers for pieces of 2 s one after the other, if asked for.
    """

    file: str
    start: float
    end: float
    probabilities: dict[str, float]
    predicted: str
    timeline: tuple["Answer", ...] = ()

    @property
    def confidence(self) -> float:
        """The probability of the most probable emotion."""
        return max(self.probabilities.values())


@dataclass(frozen=True)
class Failure:
    """A recording that could not be read, and why, in one line."""

    file: str
    reason: str


class Recognizer:
    """A trained system, ready to recognise.

    Args:
        checkpoint: The system, its emotions and its normalisation.
        device: Where it runs, as PyTorch names it; "auto" takes a GPU if there is one.
        abstain_below: Answers less sure than this are "uncertain"; 0 never abstains.

    Example:
        >>> recognizer = Recognizer.from_pretrained()
        >>> recognizer.emotions
        ('neutral', 'anger', 'happiness', 'sadness')
        >>> answer = recognizer.recognize((np.sin(np.arange(16000) / 9).astype("float32"), 16000))
        >>> answer.end, len(answer.timeline)
        (1.0, 1)
    """

    def __init__(
        self, checkpoint: Checkpoint, device: str = "auto", abstain_below: float = 0.0
    ) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        self.abstain_below = abstain_below
        self.system = checkpoint.system.eval().to(self.device)

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str] | None = None,
        device: str = "auto",
        abstain_below: float = 0.0,
    ) -> "Recognizer":
        """Loads a model: the one inside the package, or one's own.

        Args:
            model: Folder of a checkpoint; None takes the shipped model, without network.
            device: As for the class.
            abstain_below: As for the class.

        Raises:
            CheckpointError: The folder is not a model.
        """
        return cls(load_checkpoint(model or PRETRAINED_FOLDER), device, abstain_below)

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions told apart, in the order of the probabilities."""
        return self.checkpoint.emotions

    def recognize(
        self,
        source: Source,
        *,
        start_s: float = 0.0,
        end_s: float | None = None,
        name: str | None = None,
        timeline: bool = True,
    ) -> Answer:
        """Recognises one recording.

        Args:
            source: Path, bytes, file object, or an array with its sampling rate.
            start_s: Where to begin, in seconds.
            end_s: Where to end; None for the end of the recording.
            name: What it is called in the answer and in errors; the source's own name if None.
            timeline: Also answer for each 2-s piece.

        Raises:
            AudioError: It cannot be read, or is too short or not made of numbers.
        """
        waveform = load_waveform(source, start_s=start_s, end_s=end_s, name=name)
        title = source_name(source, name)
        (answer,) = self._answers([(title, start_s, waveform)], timeline)
        return answer

    def recognize_many(
        self, sources: Iterable[Source], *, timeline: bool = False
    ) -> Iterator[Answer | Failure]:
        """Recognises many recordings, those of similar length together.

        Args:
            sources: As for `recognize`; read as the answers are taken.
            timeline: Also answer for each 2-s piece.

        Yields:
            An answer, or a failure with its reason, for each source in its turn.
        """
        remaining = iter(sources)
        while group := list(islice(remaining, _FILES_AT_ONCE)):
            loaded: list[tuple[str, float, FloatArray]] = []
            results: list[Failure | None] = []
            for source in group:
                title = source_name(source, None)
                try:
                    loaded.append((title, 0.0, load_waveform(source)))
                    results.append(None)
                except AudioError as error:
                    results.append(Failure(title, str(error)))
            answers = iter(self._answers(loaded, timeline))
            for result in results:
                yield next(answers) if result is None else result

    def _answers(
        self, recordings: Sequence[tuple[str, float, FloatArray]], timeline: bool
    ) -> list[Answer]:
        measure = self.checkpoint.normalisation.spectrogram
        spectrograms = [measure(waveform) for _, _, waveform in recordings]
        whole = self.probabilities(spectrograms)
        answers = []
        for (title, start, waveform), spectrogram, row in zip(
            recordings, spectrograms, whole, strict=True
        ):
            duration = len(waveform) / SAMPLE_RATE_HZ
            pieces: tuple[Answer, ...] = ()
            if timeline:
                cuts = piece_bounds(len(spectrogram))
                rows = (
                    self.probabilities([spectrogram[a:b] for a, b in cuts])
                    if len(cuts) > 1
                    else row[None]
                )
                pieces = tuple(
                    self._answer(
                        title,
                        start + a / FRAMES_PER_S,
                        start + min(b * SHIFT_SAMPLES / SAMPLE_RATE_HZ, duration),
                        piece_row,
                    )
                    for (a, b), piece_row in zip(cuts, rows, strict=True)
                )
            answers.append(self._answer(title, start, start + duration, row, pieces))
        return answers

    def _answer(
        self,
        title: str,
        start: float,
        end: float,
        row: FloatArray,
        timeline: tuple[Answer, ...] = (),
    ) -> Answer:
        best = int(row.argmax())
        sure = row[best] >= self.abstain_below
        return Answer(
            file=title,
            start=round(start, 3),
            end=round(end, 3),
            probabilities=dict(zip(self.emotions, row.tolist(), strict=True)),
            predicted=self.emotions[best] if sure else UNCERTAIN,
            timeline=timeline,
        )

    @torch.inference_mode()
    def probabilities(self, spectrograms: Sequence[FloatArray]) -> FloatArray:
        """Gives the emotions' probabilities for log spectrograms of any lengths.

        Args:
            spectrograms: Not normalised, each ``(frame, bin)``.

        Returns:
            Shape ``(recording, emotion)``, calibrated, in the order they came.
        """
        result = np.empty((len(spectrograms), len(self.emotions)), np.float32)
        for indices in batches_by_length([len(s) for s in spectrograms]):
            batch, counts = self._batch([spectrograms[i] for i in indices])
            logits = self.system(batch, counts) / self.checkpoint.temperature
            result[indices] = self.system.probabilities(logits).cpu().numpy()
        return result

    def _batch(self, spectrograms: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
        counts = [len(s) for s in spectrograms]
        padded = np.zeros((len(counts), max(counts), spectrograms[0].shape[1]), np.float32)
        for row, spectrogram in zip(padded, spectrograms, strict=True):
            row[: len(spectrogram)] = self.checkpoint.normalisation(spectrogram)
        return torch.from_numpy(padded).to(self.device), torch.tensor(counts, device=self.device)


def piece_bounds(frame_count: int) -> list[tuple[int, int]]:
    """Cuts a recording into pieces of 2 s; a rest under half a second joins the last.

    Returns:
        First frame and the frame behind the last one, of each piece.

    Example:
        >>> piece_bounds(520)
        [(0, 200), (200, 400), (400, 520)]
        >>> piece_bounds(430), piece_bounds(30)
        ([(0, 200), (200, 430)], [(0, 30)])
    """
    size, shortest = int(PIECE_S * FRAMES_PER_S), int(SHORTEST_PIECE_S * FRAMES_PER_S)
    starts = [s for s in range(0, frame_count, size) if s == 0 or frame_count - s >= shortest]
    return list(zip(starts, [*starts[1:], frame_count], strict=True))


def batches_by_length(frame_counts: Sequence[int]) -> Iterator[list[int]]:
    """Puts recordings of similar length together, as many as a minute of frames holds.

    Yields:
        Indices into `frame_counts`.

    Example:
        >>> list(batches_by_length([5000, 100, 6000, 90]))
        [[3, 1], [0], [2]]
    """
    batch: list[int] = []
    for index in sorted(range(len(frame_counts)), key=lambda i: frame_counts[i]):
        if batch and (len(batch) + 1) * frame_counts[index] > _FRAMES_AT_ONCE:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
