"""Recordings in, emotions out: the one way from sound to probabilities.

Every door, and every number in every table, comes through here.
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from seqcap.audio.source import Source
from seqcap.audio.spectrogram import FRAMES_PER_S, FloatArray, is_silent
from seqcap.errors import SettingsError
from seqcap.recognition.answers import Answer, Failure, decide
from seqcap.recognition.checkpoint import Checkpoint, load_checkpoint
from seqcap.recognition.prior_correction import adjust_logits, estimate_log_prior_shift
from seqcap.recognition.recordings import (
    Recording,
    batches_by_length,
    read_ahead,
    read_recording,
)

__all__ = ["Answer", "Failure", "Recognizer"]


class Recognizer:
    """A trained system, ready to recognise.

    Args:
        checkpoint: The system, its emotions and its normalisation.
        device: Where it runs, as PyTorch names it; "auto" takes a GPU if there is one.
        abstain_below: Answers less sure than this are "uncertain"; 0 never abstains.
        log_prior_shift: What `with_balanced_prior` has found, one for each emotion.

    Raises:
        SettingsError: The device cannot be used, `abstain_below` is no probability, or there are
            not as many log_prior_shift as emotions.

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
        checkpoint: Checkpoint,
        device: str = "auto",
        abstain_below: float = 0.0,
        log_prior_shift: Sequence[float] = (),
    ) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if not 0 <= abstain_below <= 1:
            raise SettingsError(f"abstain_below {abstain_below}; a probability is expected, 0 to 1")
        try:
            self.device = torch.device(device)
            self.system = checkpoint.system.eval().to(self.device)
        except (RuntimeError, AssertionError) as error:  # torch raises either
            reason = str(error).splitlines()[0]
            raise SettingsError(
                f"device '{device}' cannot be used ({reason}); 'cpu' always can"
            ) from error
        self.checkpoint = checkpoint
        self.abstain_below = abstain_below
        self.log_prior_shift = tuple(log_prior_shift)
        if self.log_prior_shift and len(self.log_prior_shift) != len(self.emotions):
            raise SettingsError(
                f"{len(self.log_prior_shift)} log prior shifts; one for each of "
                f"{', '.join(self.emotions)} is expected"
            )

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str] | None = None,
        device: str = "auto",
        abstain_below: float = 0.0,
    ) -> "Recognizer":
        """Loads a model: the one inside the package, or one's own.

        Args:
            model: Folder of a checkpoint; None or "-" takes the shipped model, without network.
            device: As for the class.
            abstain_below: As for the class.

        Raises:
            CheckpointError: The folder is not a model.
        """
        return cls(load_checkpoint(model), device, abstain_below)

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions told apart, in the order of the probabilities."""
        return self.checkpoint.emotions

    @property
    def is_speaker_adaptive(self) -> bool:
        """Whether `adapt_to_speaker` makes a difference."""
        return self.checkpoint.normalisation.settings.speaker_mean_norm > 0

    def adapt_to_speaker(self, sources: Iterable[Source]) -> "Recognizer":
        """The same system for one speaker, whose voice and microphone it gets to know.

        Args:
            sources: Recordings of the speaker, as for `recognize`, those to be recognised among
                them; what cannot be read is left out.

        Raises:
            SettingsError: The system was not trained to.
        """
        if not self.is_speaker_adaptive:
            raise SettingsError(
                f"{self.checkpoint.name} was not trained to adapt to a speaker; "
                "--set normalisation.speaker_mean_norm=1 trains one that does"
            )
        normalisation = self.checkpoint.normalisation
        blocks = (
            block
            for group in read_ahead(sources, normalisation, warn=False)
            for recording in group
            if isinstance(recording, Recording)
            for block in recording.blocks()
        )
        adapted = dataclasses.replace(
            self.checkpoint, normalisation=normalisation.adapt_to_speaker(blocks)
        )
        return Recognizer(adapted, str(self.device), self.abstain_below, self.log_prior_shift)

    def with_balanced_prior(self, sources: Iterable[Source]) -> "Recognizer":
        """The same system for one speaker whose emotions are roughly balanced.

        Shifts the class prior of its answers halfway to uniform. Works with any system; use
        `adapt_to_speaker` first where the system can. If a speaker is neutral nearly all the
        time, accuracy falls.

        Args:
            sources: Recordings of the speaker, as for `recognize`, eight or more, those to be
                recognised among them, which will be read again; what cannot be read is left out.
        """
        plain = Recognizer(self.checkpoint, str(self.device), self.abstain_below)
        answers = plain.recognize_many(sources, warn=False)
        rows = [list(each.probabilities.values()) for each in answers if isinstance(each, Answer)]
        log_prior_shift = estimate_log_prior_shift(np.reshape(rows, (-1, len(self.emotions))))
        return Recognizer(
            self.checkpoint, str(self.device), self.abstain_below, tuple(log_prior_shift.tolist())
        )

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
        recording = read_recording(
            source,
            self.checkpoint.normalisation,
            start_s=start_s,
            end_s=end_s,
            name=name,
        )
        (answer,) = self._answers([recording], timeline)
        return answer

    def recognize_many(
        self, sources: Iterable[Source], *, timeline: bool = False, warn: bool = True
    ) -> Iterator[Answer | Failure]:
        """Recognises many recordings, those of similar length together.

        Memory does not grow with their number: a thread reads a few ahead of the answers taken.

        Args:
            sources: As for `recognize`.
            timeline: Also answer for each 2-s piece.
            warn: Of silence and clipping.

        Yields:
            An answer, or a failure with its reason, for each source in its turn.
        """
        for group in read_ahead(sources, self.checkpoint.normalisation, warn):
            read = [entry for entry in group if isinstance(entry, Recording)]
            answers = iter(self._answers(read, timeline))
            for entry in group:
                yield entry if isinstance(entry, Failure) else next(answers)

    def _answers(self, recordings: Sequence[Recording], timeline: bool) -> list[Answer]:
        held = [r for r in recordings if r.is_held]
        spectrograms = [next(r.blocks()) for r in held]
        rows = self.probabilities(spectrograms)
        piece_rows = self._piece_rows(held, spectrograms, rows) if timeline else [None] * len(held)
        answers = iter(
            [self._answer(*answered) for answered in zip(held, rows, piece_rows, strict=True)]
        )
        return [next(answers) if r.is_held else self._long_answer(r, timeline) for r in recordings]

    def _piece_rows(
        self,
        recordings: Sequence[Recording],
        spectrograms: Sequence[FloatArray],
        rows: FloatArray,
    ) -> list[FloatArray]:
        """Probabilities ``(piece, emotion)`` of recordings whose own are known."""
        cut = [len(recording.bounds) > 1 for recording in recordings]  # one piece is the whole
        pieces = self.probabilities(
            [
                spectrogram[first:behind]
                for recording, spectrogram, several in zip(
                    recordings, spectrograms, cut, strict=True
                )
                for first, behind in recording.bounds
                if several
            ]
        )
        result, taken = [], 0
        for recording, row, several in zip(recordings, rows, cut, strict=True):
            count = len(recording.bounds) if several else 0
            result.append(pieces[taken : taken + count] if several else row[None])
            taken += count
        return result

    @torch.inference_mode()
    def _long_answer(self, recording: Recording, timeline: bool) -> Answer:
        """Reads a long recording block by block, once for the whole and its pieces."""
        piece_rows: list[FloatArray] = []
        silent = True
        lengths = iter([behind - first for first, behind in recording.bounds])

        def normalised() -> Iterator[Tensor]:
            nonlocal silent
            for block in recording.blocks():
                silent = silent and is_silent(block)
                if timeline:
                    pieces, first = [], 0
                    while first < len(block):
                        pieces.append(block[first : first + next(lengths)])
                        first += len(pieces[-1])
                    piece_rows.append(self.probabilities(pieces))
                yield torch.from_numpy(self.checkpoint.normalisation(block)).to(self.device)

        logits = self.system.forward_in_pieces(normalised())
        row = self._calibrated(logits)[0]
        if silent:
            row[:] = self._nothing_heard
        return self._answer(recording, row, np.concatenate(piece_rows) if timeline else None)

    def _answer(
        self, recording: Recording, row: FloatArray, piece_rows: FloatArray | None
    ) -> Answer:
        from_s, end_s = recording.trimmed_start_s, recording.end_s
        timeline = []
        if piece_rows is not None:
            for (first, behind), piece_row in zip(recording.bounds, piece_rows, strict=True):
                piece_end_s = min(from_s + behind / FRAMES_PER_S, end_s)
                piece = (recording.name, from_s + first / FRAMES_PER_S, piece_end_s)
                timeline.append(self._named(*piece, piece_row))
        return self._named(recording.name, recording.start_s, end_s, row, tuple(timeline))

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

    @torch.inference_mode()
    def probabilities(self, spectrograms: Sequence[FloatArray]) -> FloatArray:
        """Gives the emotions' probabilities for log spectrograms of any lengths.

        Args:
            spectrograms: Not normalised, each ``(frame, bin)``.

        Returns:
            Shape ``(recording, emotion)``, calibrated, in the order they came; all emotions
            alike for digital silence.
        """
        result = np.empty((len(spectrograms), len(self.emotions)), np.float32)
        for indices in batches_by_length([len(s) for s in spectrograms]):
            batch, counts = self._batch([spectrograms[i] for i in indices])
            result[indices] = self._calibrated(self.system(batch, counts))
        result[[is_silent(s) for s in spectrograms]] = self._nothing_heard
        return result

    @property
    def _nothing_heard(self) -> float:
        """The probability of each emotion in silence."""
        return 1 / len(self.emotions)

    def _calibrated(self, logits: Tensor) -> FloatArray:
        scaled = logits / self.checkpoint.temperature
        probabilities: FloatArray = self.system.probabilities(scaled).cpu().numpy()
        if not self.log_prior_shift:
            return probabilities
        return adjust_logits(probabilities, self.log_prior_shift).astype(np.float32)

    def _batch(self, spectrograms: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
        counts = [len(s) for s in spectrograms]
        padded = np.zeros((len(counts), max(counts), spectrograms[0].shape[1]), np.float32)
        for row, spectrogram in zip(padded, spectrograms, strict=True):
            row[: len(spectrogram)] = self.checkpoint.normalisation(spectrogram)
        return torch.from_numpy(padded).to(self.device), torch.tensor(counts, device=self.device)
