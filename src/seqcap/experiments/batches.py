"""Utterances of a corpus table to batches of segments, for training, and of whole utterances.

Axis order: spectrograms ``(batch, frame, bin)``.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from seqcap.audio.spectrogram import (
    BIN_COUNT,
    FloatArray,
    Normalisation,
    log_spectrogram,
)
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.experiments.augmentation import (
    Augmentation,
    augment_spectrogram,
    augment_waveform,
    change_speed,
    draw_speed,
)

SEGMENT_S = 2.0  # Sec. VI-A


class Utterance(NamedTuple):
    """What training knows of one row of the table: sound, emotion, and what it is balanced by."""

    waveform: FloatArray
    label: int
    corpus: str


class Batch(NamedTuple):
    """Spectrograms ``(batch, frame, bin)``, their frame counts and labels ``(batch,)``."""

    spectrograms: Tensor
    frame_counts: Tensor
    labels: Tensor


def measure_normalisation(
    utterances: Sequence[Utterance], per_bin: bool, level: float, trim_db: float = 0.0
) -> Normalisation:
    """Mean and deviation of the training part's log magnitudes.

    Args:
        utterances: The training part, nothing else.
        per_bin: Each bin by its own statistics, or all by one.
        level: See `Normalisation`.
        trim_db: See `Normalisation`.
    """
    nothing = np.zeros(BIN_COUNT, np.float32)
    unmeasured = Normalisation(nothing, nothing, level, trim_db)
    total, squares, frames = np.zeros(BIN_COUNT), np.zeros(BIN_COUNT), 0
    for utterance in utterances:
        spectrogram = unmeasured.spectrogram(utterance.waveform)
        total += spectrogram.sum(0, dtype=float)
        squares += np.square(spectrogram, dtype=float).sum(0)
        frames += len(spectrogram)
    mean, mean_square = total / frames, squares / frames
    if not per_bin:
        mean, mean_square = np.full(BIN_COUNT, mean.mean()), np.full(BIN_COUNT, mean_square.mean())
    deviation = np.sqrt(np.maximum(mean_square - mean**2, 1e-6))
    return dataclasses.replace(
        unmeasured, mean=mean.astype(np.float32), deviation=deviation.astype(np.float32)
    )


class Segments(Dataset[tuple[FloatArray, int]]):
    """Pieces of utterances, anew in each epoch if they are cropped at random.

    An index is an epoch and a piece, so that what is drawn depends on nothing else.

    Args:
        utterances: The training part.
        normalisation: Measured on it.
        augmentation: How far pieces are changed; None: fixed pieces one after the other, as
            they are (Sec. VI-A), instead of random ones.
        seed: Of everything that is drawn.
        segment_s: Longest piece.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        normalisation: Normalisation,
        augmentation: Augmentation | None,
        seed: int,
        segment_s: float = SEGMENT_S,
    ) -> None:
        self.utterances = utterances
        self.waveforms = [normalisation.prepare(utterance.waveform) for utterance in utterances]
        self.normalisation = normalisation
        self.augmentation = augmentation
        self.seed = seed
        self.samples = round(segment_s * SAMPLE_RATE_HZ)
        self.pieces = [
            (index, start)
            for index, waveform in enumerate(self.waveforms)
            for start in range(0, len(waveform), self.samples)
        ]
        # A random piece may begin anywhere, so only short utterances give short ones.
        self.lengths = np.array(
            [
                min(self.samples, len(self.waveforms[index]) - (0 if augmentation else start))
                for index, start in self.pieces
            ]
        )

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, key: tuple[int, int]) -> tuple[FloatArray, int]:
        """Gives a normalised spectrogram ``(frame, bin)`` and its label."""
        epoch, piece = key
        index, start = self.pieces[piece]
        waveform, label = self.waveforms[index], self.utterances[index].label
        if self.augmentation is None:
            cut = waveform[start : start + self.samples]
            return self.normalisation(log_spectrogram(cut)), label
        generator = np.random.default_rng((self.seed, epoch, piece))
        speed = draw_speed(self.augmentation, generator)
        size = int(self.samples * speed)
        start = int(generator.integers(0, max(0, len(waveform) - size) + 1))
        cut = change_speed(waveform[start : start + size], speed)[: self.samples]
        cut = augment_waveform(cut, self.augmentation, generator)
        spectrogram = self.normalisation(log_spectrogram(cut))
        return augment_spectrogram(spectrogram, self.augmentation, generator), label


class Order(Sampler[list[tuple[int, int]]]):
    """Which pieces stand in which batch of an epoch.

    Args:
        segments: What is put in order.
        batch_size: Pieces of a batch.
        curriculum: First epoch by increasing length of the utterance (Sec. IV-D).
        balance: 0 draws every piece once an epoch; 1 draws as many pieces, but each corpus and
            emotion as often as any other; between them is between.
        seed: Of the shuffling.
        sorted_batches: So many batches' worth of shuffled pieces are sorted by length before
            they are cut into batches, so that less is computed on padding; 1 sorts none.
    """

    def __init__(
        self,
        segments: Segments,
        batch_size: int,
        curriculum: bool,
        balance: float,
        seed: int,
        sorted_batches: int = 1,
    ) -> None:
        self.batch_size = batch_size
        self.sorted_pieces = batch_size * sorted_batches
        self.lengths = segments.lengths
        self.curriculum = curriculum
        self.seed = seed
        self.epoch = 0
        owners = [segments.utterances[index] for index, _ in segments.pieces]
        self.durations = np.array([len(segments.waveforms[index]) for index, _ in segments.pieces])
        self.shares = _shares([f"{o.corpus} {o.label}" for o in owners], balance)

    @property
    def sampler(self) -> "Order":
        """Where pytorch-lightning looks for ``set_epoch``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch comes; the trainer calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.durations) // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        generator = np.random.default_rng((self.seed, self.epoch))
        count = len(self.durations)
        in_order = self.curriculum and self.epoch == 0
        if in_order:
            order = np.argsort(self.durations, kind="stable")
        elif self.shares is None:
            order = generator.permutation(count)
        else:
            order = generator.choice(count, count, p=self.shares)
        if self.sorted_pieces > self.batch_size and not in_order:
            order = self._by_length(order, generator)
        for start in range(0, count, self.batch_size):
            yield [(self.epoch, int(piece)) for piece in order[start : start + self.batch_size]]

    def _by_length(
        self, order: NDArray[np.int64], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        chunks = []
        for start in range(0, len(order), self.sorted_pieces):
            chunk = order[start : start + self.sorted_pieces]
            chunk = chunk[np.argsort(self.lengths[chunk], kind="stable")]
            batches = [
                chunk[i : i + self.batch_size] for i in range(0, len(chunk), self.batch_size)
            ]
            # Only the very last batch may be smaller, so it stays last.
            last = batches.pop() if len(batches[-1]) < self.batch_size else chunk[:0]
            chunks += [batches[place] for place in generator.permutation(len(batches))] + [last]
        return np.concatenate(chunks)


def _shares(groups: list[str], balance: float) -> NDArray[np.float64] | None:
    if balance == 0:
        return None
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = counts[inverse].astype(float) ** -balance
    weights /= weights.sum()
    return weights


class WholeUtterances(Dataset[tuple[FloatArray, int]]):
    """Whole utterances as they are, for validation and test (Sec. VI-A)."""

    def __init__(self, utterances: Sequence[Utterance], normalisation: Normalisation) -> None:
        self.utterances = utterances
        self.normalisation = normalisation

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> tuple[FloatArray, int]:
        """Gives a normalised spectrogram ``(frame, bin)`` and its label."""
        waveform, label, _ = self.utterances[index]
        return self.normalisation(self.normalisation.spectrogram(waveform)), label


def by_length(utterances: Sequence[Utterance], batch_size: int) -> list[list[int]]:
    """Batches of utterances of similar length, so that little is computed on padding."""
    order = np.argsort([len(u.waveform) for u in utterances], kind="stable")
    return [order[i : i + batch_size].tolist() for i in range(0, len(order), batch_size)]


def collate(items: Sequence[tuple[FloatArray, int]]) -> Batch:
    """Pads spectrograms to the longest of them."""
    counts = [len(spectrogram) for spectrogram, _ in items]
    padded = np.zeros((len(items), max(counts), items[0][0].shape[1]), np.float32)
    for row, (spectrogram, _) in zip(padded, items, strict=True):
        row[: len(spectrogram)] = spectrogram
    return Batch(
        torch.from_numpy(padded),
        torch.tensor(counts),
        torch.tensor([label for _, label in items]),
    )
