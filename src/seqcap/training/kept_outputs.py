"""An engine that stores its outputs, so that several temperatures need one pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from seqcap.audio.spectrogram import FloatArray
from seqcap.recognition.engine import Chunking, Engine, IntArray, Output


@dataclass
class _Tape:
    outputs: list[Any] = field(default_factory=list)
    place: int = 0


class KeptOutputs:
    """Stores all outputs of an engine, and returns them again after `rewind`.

    After `rewind`, the same recordings must come in the same order.

    Args:
        engine: The engine that runs the network.
        tape: Shared with the engine that this one is an adapted copy of; None for a new one.
    """

    def __init__(self, engine: Engine, tape: _Tape | None = None) -> None:
        self._engine = engine
        self._tape = tape or _Tape()

    def rewind(self) -> None:
        """Returns to the first output."""
        self._tape.place = 0

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

    @property
    def feature_mean(self) -> FloatArray | None:
        """The same as the wrapped engine's."""
        return self._engine.feature_mean

    def adapted(self, feature_mean: FloatArray) -> "KeptOutputs":
        """The same for one speaker, as `Engine.adapted`; outputs are kept in one row."""
        return KeptOutputs(self._engine.adapted(feature_mean), self._tape)

    def mean_features(self, frames: FloatArray, counts: IntArray) -> FloatArray:
        """Computes mean features, as `Engine.mean_features`."""
        return self._next(lambda: self._engine.mean_features(frames, counts))

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
        tape = self._tape
        if tape.place == len(tape.outputs):
            tape.outputs.append(compute())
        tape.place += 1
        return tape.outputs[tape.place - 1]
