"""The order of segments in an epoch: shuffled, by length, or balanced."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

from seqcap.training.batches import Segments


class SegmentBatchSampler(Sampler[list[tuple[int, int]]]):
    """Puts segments into batches, anew in each epoch: shuffled, by length, or balanced.

    Args:
        segments: The training part.
        batch_size: Segments of a batch.
        curriculum: First epoch by increasing length of the utterance (Sec. IV-D).
        balance: 0 draws every segment once an epoch. 1 draws as many, but each corpus and emotion
            equally often. Values between interpolate.
        seed: Random seed of the shuffling.
        bucket_size_batches: So many batches' worth of shuffled segments are sorted by length before
            they are cut into batches, which saves padding; 1 sorts none.

    Example:
        >>> from seqcap.audio.normalisation import Normalisation
        >>> from seqcap.training.batches import Utterance
        >>> speech = [Utterance(np.ones(n, np.float32), 0, "mine") for n in (8000, 4800, 6400)]
        >>> unchanged = Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32))
        >>> segments = Segments(speech, unchanged, None, seed=0)
        >>> list(SegmentBatchSampler(segments, 2, curriculum=True, balance=0, seed=0))
        [[(0, 1), (0, 2)], [(0, 0)]]
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
        self.bucket_size = batch_size * bucket_size_batches
        self.lengths = segments.lengths
        self.curriculum = curriculum
        self.seed = seed
        self.epoch = 0
        indices = [index for index, _ in segments.starts]
        self.durations = np.array([len(segments.waveforms[index]) for index in indices])
        utterances = [segments.utterances[index] for index in indices]
        self.weights = _weights([f"{each.corpus} {each.label}" for each in utterances], balance)

    @property
    def sampler(self) -> "SegmentBatchSampler":
        """Itself: pytorch-lightning looks here for ``set_epoch``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch; the trainer calls it before each one.

        Args:
            epoch: From 0; part of the random seed.

        Example:
            >>> from seqcap.audio.normalisation import Normalisation
            >>> from seqcap.training.batches import Utterance
            >>> unchanged = Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32))
            >>> speech = [Utterance(np.ones(4800, np.float32), 0, "mine")]
            >>> one = Segments(speech, unchanged, None, seed=0)
            >>> sampler = SegmentBatchSampler(one, 2, curriculum=True, balance=0, seed=0)
            >>> sampler.set_epoch(3)
            >>> list(sampler)
            [[(3, 0)]]
        """
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.durations) // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        generator = np.random.default_rng((self.seed, self.epoch))
        count = len(self.durations)
        by_duration = self.curriculum and self.epoch == 0
        if by_duration:
            order = np.argsort(self.durations, kind="stable")
        elif self.weights is None:
            order = generator.permutation(count)
        else:
            order = generator.choice(count, count, p=self.weights)
        if self.bucket_size > self.batch_size and not by_duration:
            order = self._sort_buckets(order, generator)
        for start in range(0, count, self.batch_size):
            batch = shard(order[start : start + self.batch_size])
            yield [(self.epoch, int(segment)) for segment in batch]

    def _sort_buckets(
        self, order: NDArray[np.int64], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        """Sorts each bucket by length, and shuffles its batches."""
        batches = []
        for start in range(0, len(order), self.bucket_size):
            bucket = order[start : start + self.bucket_size]
            bucket = bucket[np.argsort(self.lengths[bucket], kind="stable")]
            cut = [bucket[i : i + self.batch_size] for i in range(0, len(bucket), self.batch_size)]
            # Only the very last batch may be smaller, so it stays last.
            last = cut.pop() if len(cut[-1]) < self.batch_size else bucket[:0]
            batches += [cut[place] for place in generator.permutation(len(cut))] + [last]
        return np.concatenate(batches)


def _weights(groups: list[str], balance: float) -> NDArray[np.float64] | None:
    """Gives each segment its probability to be drawn; None: each is drawn once."""
    if balance == 0:
        return None
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = counts[inverse].astype(float) ** -balance
    weights /= weights.sum()
    return weights


def shard(batch: NDArray[np.int64]) -> NDArray[np.int64]:
    """Takes this process's shard of a batch; the whole batch if only one process trains.

    Args:
        batch: Segments, at least one, shape ``(segment,)``.

    Returns:
        Shards have sizes as equal as possible, in order. None is empty, since all processes must
        take the same number of steps.

    Example:
        >>> shard(np.array([3, 1, 2])).tolist()
        [3, 1, 2]
    """
    if not torch.distributed.is_initialized():
        return batch
    rank, processes = torch.distributed.get_rank(), torch.distributed.get_world_size()
    own: NDArray[np.int64] = np.array_split(batch, processes)[rank]
    return own if len(own) else batch[:1]
