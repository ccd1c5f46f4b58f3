"""From prepared recordings to the answers of one model: batches, pieces, calibration."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqcap.audio.spectrogram import FRAMES_PER_S, FloatArray, is_silent
from seqcap.recognition.answers import Answer, decide
from seqcap.recognition.engine import Engine, IntArray, Output, merge_branches, run_in_chunks
from seqcap.recognition.model_description import ModelDescription
from seqcap.recognition.recordings import (
    BLOCK_PIECES,
    PreparedRecording,
    batches_by_length,
    pieces_of,
)


@dataclass(frozen=True)
class Answering:
    """Answers of one model.

    Attributes:
        model: Its emotions, normalisation and temperature.
        engine: Runs its network.
        abstain_below: Answers less sure than this are "uncertain".
    """

    model: ModelDescription
    engine: Engine
    abstain_below: float = 0.0

    def answer(self, prepared: Sequence[PreparedRecording], timeline: bool) -> list[Answer]:
        """Answers recordings, short ones in batches.

        Args:
            prepared: As `prepare` gives them for this model.
            timeline: Also answer for each 2-s piece.

        Returns:
            Answers in the order of the recordings.
        """
        short = [each for each in prepared if each.recording.is_short]
        answers = iter(self._short_answers(short, timeline))
        return [
            next(answers) if each.recording.is_short else self._long_answer(each, timeline)
            for each in prepared
        ]

    def probabilities(self, spectrograms: Sequence[FloatArray]) -> FloatArray:
        """Computes calibrated probabilities, as `Recognizer.probabilities`.

        Args:
            spectrograms: Log magnitudes, each of shape ``(frame, bin)``.

        Returns:
            Shape ``(spectrogram, emotion)``.
        """
        result = self._nowhere(len(spectrograms))
        spoken = [place for place, each in enumerate(spectrograms) if len(each)]
        for chosen in batches_by_length([len(spectrograms[place]) for place in spoken]):
            indices = [spoken[place] for place in chosen]
            batch, counts = self._batch([spectrograms[i] for i in indices])
            result[indices] = self._calibrated(self.engine.run(batch, counts))
        silent = [place for place in spoken if is_silent(spectrograms[place])]
        result[silent] = self._in_silence
        return result

    def _short_answers(self, short: Sequence[PreparedRecording], timeline: bool) -> list[Answer]:
        spectrograms = [next(each.blocks()) for each in short]
        rows = self.probabilities(spectrograms)
        piece_rows = (
            self._piece_rows(short, spectrograms, rows) if timeline else [None] * len(short)
        )
        return [self._answer(*each) for each in zip(short, rows, piece_rows, strict=True)]

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
                    yield self.model.normalisation(block)

        if not any(recording.sizes):
            pieces = self._nowhere(len(recording.sizes)) if timeline else None
            return self._answer(recording, self._nowhere(1)[0], pieces)
        row = self._calibrated(run_in_chunks(self.engine, normalised()))[0]
        if silent:
            row[:] = self._in_silence
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
        answer = self._named(whole.name, whole.start_s, whole.end_s, row)
        return dataclasses.replace(answer, timeline=tuple(timeline), warnings=whole.issues)

    def _named(self, name: str, start_s: float, end_s: float, row: FloatArray) -> Answer:
        probabilities = dict(zip(self.model.emotions, row.tolist(), strict=True))
        return Answer(
            file=name,
            start=round(start_s, 3),
            end=round(end_s, 3),
            probabilities=probabilities,
            predicted=decide(probabilities, self.abstain_below),
        )

    def _nowhere(self, count: int) -> FloatArray:
        """Probabilities where there is no speech."""
        return np.full((count, len(self.model.emotions)), np.nan, np.float32)

    @property
    def _in_silence(self) -> float:
        """The probability of each emotion in digital silence."""
        return 1 / len(self.model.emotions)

    def _calibrated(self, output: Output) -> FloatArray:
        shares = self.engine.chunking.branch_shares
        return merge_branches(output.logits, shares, self.model.temperature)

    def _batch(self, spectrograms: Sequence[FloatArray]) -> tuple[FloatArray, IntArray]:
        counts = [len(s) for s in spectrograms]
        padded = np.zeros((len(counts), max(counts), spectrograms[0].shape[1]), np.float32)
        for row, spectrogram in zip(padded, spectrograms, strict=True):
            row[: len(spectrogram)] = self.model.normalisation(spectrogram)
        return padded, np.array(counts)
