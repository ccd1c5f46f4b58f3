"""The order in which a training hears its segments: shuffled, by length, or balanced."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

from seqcap.training.batches import Segments


class SegmentBatchSampler(Sampler[list[tuple[int, int]]]):
    """Which pieces stand in which batch of an epoch.

    Args:
        segments: What is put in order.
        batch_size: Pieces of a batch.
        curriculum: First epoch by increasing length of the utterance (Sec. IV-D).
        balance: 0 draws every piece once an epoch; 1 draws as many pieces, but each corpus and
            emotion as often as any other; between them is between.
        seed: Of the shuffling.
        bucket_size_batches: So many batches' worth of shuffled pieces are sorted by length before
            they are cut into batches, so that less is computed on padding; 1 sorts none.
    """

    def __init__(
        self,
        segments: Segments,
        batch_size: int,
        curriculum: bool,
        balance: float,
        seed: int,
        bucket_size_batches: int = 1,
    ) -> None:
        self.batch_size = batch_size
        self.sorted_pieces = batch_size * bucket_size_batches
        self.lengths = segments.lengths
        self.curriculum = curriculum
        self.seed = seed
        self.epoch = 0
        owners = [segments.utterances[index] for index, _ in segments.pieces]
        self.durations = np.array([len(segments.waveforms[index]) for index, _ in segments.pieces])
        self.shares = _shares([f"{o.corpus} {o.label}" for o in owners], balance)

    @property
    def sampler(self) -> "SegmentBatchSampler":
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
            yield [
                (self.epoch, int(piece)) for piece in share(order[start : start + self.batch_size])
            ]

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


def share(batch: NDArray[np.int64]) -> NDArray[np.int64]:
    """Takes this process's share of a batch; all of it where no others train too.

    Args:
        batch: Pieces, at least one.

    Returns:
        Shares of sizes as equal as can be, in order; never nothing, since all processes must take
        the same number of steps.
    """
    if not torch.distributed.is_initialized():
        return batch
    rank, processes = torch.distributed.get_rank(), torch.distributed.get_world_size()
    mine: NDArray[np.int64] = np.array_split(batch, processes)[rank]
    return mine if len(mine) else batch[:1]
