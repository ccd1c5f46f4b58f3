"""What runs a model's network: the interface of engines, and long recordings in chunks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqcap.audio.spectrogram import FloatArray

IntArray = NDArray[np.int64]

CHUNK_FRAMES = 1000  # about 10 s: long against what chunks share, small in memory
ALL_STEPS = 2**40  # of a map that is not cut


@dataclass(frozen=True)
class Chunking:
    """How a system goes through a recording in chunks.

    Attributes:
        frames_per_step: Frames of the spectrogram in a step of the map.
        context_steps: Steps on either side whose frames a step depends on.
        before_steps: Steps before a chunk that it depends on; `context_steps` if None. An encoder
            in blocks needs none, since chunks begin with a block.
        shift_steps: By branch: chunks start at multiples of these.
        overlap_steps: By branch: so far its units reach into the next chunk.
        branch_shares: Each branch's share in the answer; they sum to one.
    """

    frames_per_step: int
    context_steps: int
    shift_steps: Sequence[int]
    overlap_steps: Sequence[int]
    branch_shares: Sequence[float]
    before_steps: int | None = None

    @property
    def chunk_steps(self) -> int:
        """Steps of a chunk: about 10 s, whole units of all branches."""
        together = math.lcm(*self.shift_steps)
        return max(1, CHUNK_FRAMES // self.frames_per_step // together) * together


@dataclass(frozen=True)
class Output:
    """What a network gives for a batch of recordings.

    Attributes:
        logits: Shape ``(branch, batch, emotion)``.
        capsules: Utterance capsules, ``(batch, emotion, dim)``; None without capsules.
        couplings: Of each window with each utterance capsule, ``(batch, window, emotion)``; zero
            where a window does not count. None without capsules.

    Example:
        >>> Output(np.zeros((1, 2, 4), np.float32), None, None).logits.shape
        (1, 2, 4)
    """

    logits: FloatArray
    capsules: FloatArray | None = None
    couplings: FloatArray | None = None


class Engine(Protocol):
    """Runs one model's network on arrays: by onnxruntime or by torch."""

    @property
    def name(self) -> str:
        """Its name in `Recognizer.from_pretrained`."""

    @property
    def device(self) -> str:
        """The device that it runs on."""

    @property
    def chunking(self) -> Chunking:
        """How its system divides a recording into chunks."""

    @property
    def worker_count(self) -> int:
        """How many workers, run side by side, are fastest on this machine; at least 1."""

    def worker(self) -> "Engine":
        """The same network for one worker, with its share of the cores."""

    @property
    def feature_mean(self) -> FloatArray | None:
        """What features lose, shape ``(feature,)``; None: nothing, or there is no encoder."""

    def adapted(self, feature_mean: FloatArray) -> "Engine":
        """The same network, whose encoder's features lose a speaker's mean.

        Args:
            feature_mean: Shape ``(feature,)``.
        """

    def mean_features(self, frames: FloatArray, counts: IntArray) -> FloatArray:
        """Gives the mean of the encoder's features over each recording, ``(batch, feature)``.

        Args:
            frames: As for `run`.
            counts: As for `run`.
        """

    def run(self, frames: FloatArray, counts: IntArray) -> Output:
        """Runs the network on whole recordings.

        Args:
            frames: Normalised log magnitudes, shape ``(batch, frame, bin)``; padding is ignored.
            counts: Frames that count in each, at least 1, shape ``(batch,)``.
        """

    def encode(
        self,
        frames: FloatArray,
        skipped_steps: int,
        kept_steps: int,
        previous: Sequence[FloatArray] | None,
    ) -> list[FloatArray]:
        """Gives every branch's features of one chunk, each ``(1, unit, feature)``.

        Args:
            frames: Shape ``(1, frame, bin)``, with the context around the chunk.
            skipped_steps: Steps of the map before the chunk.
            kept_steps: Steps of the chunk; branches also see their overlap behind it.
            previous: Every branch's last features so far, ``(1, feature)``; None at the start.
        """

    def decide(self, features: Sequence[FloatArray], step_count: int) -> Output:
        """Computes the logits of one recording.

        Args:
            features: Every branch's features of all chunks, each ``(1, unit, feature)``.
            step_count: Steps of the recording.
        """


def merge_branches(logits: FloatArray, shares: Sequence[float], temperature: float) -> FloatArray:
    r"""Merges the branches: :math:`\lambda p_{capsule} + (1 - \lambda) p_{GRU}`, Sec. V-C.

    Args:
        logits: Shape ``(branch, batch, emotion)``.
        shares: Each branch's share; they sum to one.
        temperature: What logits are divided by.

    Returns:
        Probabilities, shape ``(batch, emotion)``.

    Example:
        >>> merge_branches(np.zeros((2, 1, 4), np.float32), [0.4, 0.6], 1.0).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    scaled = logits / np.float32(temperature)
    exponentials = np.exp(scaled - scaled.max(-1, keepdims=True))
    softmax = exponentials / exponentials.sum(-1, keepdims=True)
    return np.einsum("r,rbk->bk", np.asarray(shares, np.float32), softmax)


def run_in_chunks(engine: Engine, blocks: Iterable[FloatArray]) -> Output:
    """Runs the network on one recording that comes in blocks.

    The answer is that of `Engine.run` on all of it, up to rounding. The memory is that of about
    ten seconds, and what branches keep of each unit: 72 values per window of a capsule branch, and
    per 0.32 s of a GRU branch 384 by onnxruntime, 2,048 by torch.

    Args:
        engine: What runs it.
        blocks: Normalised log magnitudes, each of shape ``(frame, bin)``, of any lengths, one
            after the other; at least one frame in all.

    Raises:
        ValueError: No frames came.
    """
    reading = _Reading(engine)
    for block in blocks:
        reading.take(block)
    return reading.finish()


class _Reading:
    """A recording on its way through the first half of the network."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        chunking = engine.chunking
        self.per_step = chunking.frames_per_step
        before = chunking.before_steps
        self.before_steps = chunking.context_steps if before is None else before
        self.chunk_steps = chunking.chunk_steps
        # A chunk is not the last one only if there are steps beyond all that it looks at.
        self.seen_steps = self.chunk_steps + max(chunking.overlap_steps) + chunking.context_steps
        self.blocks: list[FloatArray] = []  # frames from step `first` on
        self.frame_count = 0
        self.first = 0  # the step where what is kept starts
        self.done = 0  # the step up to which everything is encoded
        self.features: list[Rows] = []

    def take(self, block: FloatArray) -> None:
        self.blocks.append(block)
        self.frame_count += len(block)
        while self.frame_count > (self.done - self.first + self.seen_steps) * self.per_step:
            kept = np.concatenate(self.blocks)
            seen = (self.done - self.first + self.seen_steps) * self.per_step
            self._encode(kept[:seen], self.chunk_steps)
            self.done += self.chunk_steps
            first = max(0, self.done - self.before_steps)
            kept = kept[(first - self.first) * self.per_step :].copy()
            self.first, self.blocks, self.frame_count = first, [kept], len(kept)

    def finish(self) -> Output:
        if self.frame_count == 0:
            raise ValueError("0 frames came; at least 1 is needed")
        self._encode(np.concatenate(self.blocks), ALL_STEPS)
        step_count = self.first + -(-self.frame_count // self.per_step)
        return self.engine.decide([rows.all for rows in self.features], step_count)

    def _encode(self, frames: FloatArray, kept_steps: int) -> None:
        previous = [rows.last for rows in self.features] or None
        units = self.engine.encode(frames[None], self.done - self.first, kept_steps, previous)
        if not self.features:
            self.features = [Rows(found.shape[2]) for found in units]
        for rows, found in zip(self.features, units, strict=True):
            rows.add(found)


class Rows:
    """Features of a growing number of units, in one block of memory that doubles.

    Args:
        size: Features a unit.
    """

    def __init__(self, size: int) -> None:
        self.room: FloatArray = np.empty((1, 0, size), np.float32)
        self.count = 0

    @property
    def all(self) -> FloatArray:
        """Shape ``(1, unit, feature)``."""
        return self.room[:, : self.count]

    @property
    def last(self) -> FloatArray:
        """Shape ``(1, feature)``."""
        return self.room[:, self.count - 1]

    def add(self, units: FloatArray) -> None:
        """Takes the next units, ``(1, unit, feature)``.

        Args:
            units: Shape ``(1, unit, feature)``.
        """
        needed = self.count + units.shape[1]
        if needed > self.room.shape[1]:
            grown = np.empty((1, max(needed, 2 * self.count), units.shape[2]), np.float32)
            grown[:, : self.count] = self.all
            self.room = grown
        self.room[:, self.count : needed] = units
        self.count = needed
