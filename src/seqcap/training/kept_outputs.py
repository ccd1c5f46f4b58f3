"""An engine that stores its outputs, so that several temperatures need one pass."""

from collections.abc import Sequence
from typing import Any

from seqcap.audio.spectrogram import FloatArray
from seqcap.recognition.engine import Chunking, Engine, IntArray, Output


class KeptOutputs:
    """Stores all outputs of an engine, and returns them again after `rewind`.

    After `rewind`, the same recordings must come in the same order.

    Args:
        engine: The engine that runs the network.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: list[Any] = []
        self._place = 0

    def rewind(self) -> None:
        """Returns to the first output."""
        self._place = 0

    @property
    def name(self) -> str:
        """The same as the wrapped engine's."""
        return self._engine.name

    @property
    def device(self) -> str:
        """The same as the wrapped engine's."""
        return self._engine.device

    @property
    def chunking(self) -> Chunking:
        """The same as the wrapped engine's."""
        return self._engine.chunking

    worker_count = 1  # one after the other, so that the order is known

    def worker(self) -> "KeptOutputs":
        """Itself."""
        return self

    def run(self, frames: FloatArray, counts: IntArray) -> Output:
        """Runs the network, as `Engine.run`."""
        return self._next(lambda: self._engine.run(frames, counts))

    def encode(
        self,
        frames: FloatArray,
        skipped_steps: int,
        kept_steps: int,
        previous: Sequence[FloatArray] | None,
    ) -> list[FloatArray]:
        """Computes features, as `Engine.encode`."""
        return self._next(lambda: self._engine.encode(frames, skipped_steps, kept_steps, previous))

    def decide(self, features: Sequence[FloatArray], step_count: int) -> Output:
        """Computes logits of features, as `Engine.decide`."""
        return self._next(lambda: self._engine.decide(features, step_count))

    def _next(self, compute: Any) -> Any:
        if self._place == len(self._kept):
            self._kept.append(compute())
        self._place += 1
        return self._kept[self._place - 1]
