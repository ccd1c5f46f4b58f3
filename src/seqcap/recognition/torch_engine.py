"""A model's network run by torch: any system, on any device."""

import copy
import dataclasses
import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from seqcap.audio.spectrogram import FloatArray
from seqcap.errors import SettingsError
from seqcap.models.branch import Branch, Trace
from seqcap.models.speech_encoder import SpeechEncoder
from seqcap.models.system import System
from seqcap.recognition.checkpoint import Checkpoint, load_checkpoint
from seqcap.recognition.engine import Chunking, IntArray, Output
from seqcap.recognition.forking import compute_alone_after_fork
from seqcap.recognition.model_description import ModelDescription

compute_alone_after_fork()


class TorchEngine:
    """Runs a system on one of torch's devices.

    Args:
        system: The network; it moves to the device and to evaluation mode.
        device: As PyTorch names it; "auto" takes a GPU if there is one.

    Raises:
        SettingsError: The device cannot be used.
    """

    name = "torch"
    worker_count = 1
    feature_mean: FloatArray | None = None

    def __init__(self, system: System, device: str = "auto") -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._device = torch.device(device)
            self.system = system.eval().to(self._device)
        except (RuntimeError, AssertionError) as error:  # torch raises either
            reason = str(error).splitlines()[0]
            raise SettingsError(
                f"device '{device}' cannot be used ({reason}); 'cpu' always can"
            ) from error
        self.device = str(self._device)
        self._branches = [each for each in system.branches if isinstance(each, Branch)]
        self.chunking = Chunking(
            frames_per_step=system.cnn.frames_per_step,
            context_steps=system.cnn.context_steps,
            shift_steps=[math.lcm(b.shift_steps, system.cnn.block_steps) for b in self._branches],
            overlap_steps=[branch.overlap_steps for branch in self._branches],
            branch_shares=system.branch_shares.tolist(),
            before_steps=system.cnn.before_steps,
        )

    def worker(self) -> "TorchEngine":
        """Itself: torch shares the cores out."""
        return self

    def adapted(self, feature_mean: FloatArray) -> "TorchEngine":
        """The same network, whose encoder's features lose a speaker's mean.

        Args:
            feature_mean: As for `Engine.adapted`.
        """
        engine = TorchEngine(adapt_system(self.system, feature_mean), self.device)
        engine.feature_mean = feature_mean
        return engine

    @torch.inference_mode()
    def mean_features(self, frames: FloatArray, counts: IntArray) -> FloatArray:
        """Computes the mean of the encoder's features over each recording.

        Args:
            frames: As for `Engine.run`, shape ``(batch, frame, bin)``.
            counts: As for `Engine.run`, shape ``(batch,)``.
        """
        encoder = cast("SpeechEncoder", self.system.cnn)
        return _array(encoder.mean_features(self._tensor(frames), self._tensor(counts)))

    @torch.inference_mode()
    def run(self, frames: FloatArray, counts: IntArray) -> Output:
        """Runs the network on whole recordings.

        Args:
            frames: As for `Engine.run`, shape ``(batch, frame, bin)``.
            counts: As for `Engine.run`, shape ``(batch,)``.
        """
        trace: Trace = {}
        logits = self.system(self._tensor(frames), self._tensor(counts), trace)
        return _output(logits, trace)

    @torch.inference_mode()
    def encode(
        self,
        frames: FloatArray,
        skipped_steps: int,
        kept_steps: int,
        previous: Sequence[FloatArray] | None,
    ) -> list[FloatArray]:
        """Computes the features of one chunk.

        Args:
            frames: As for `Engine.encode`, shape ``(1, frame, bin)``.
            skipped_steps: As for `Engine.encode`.
            kept_steps: As for `Engine.encode`.
            previous: As for `Engine.encode`.
        """
        counts = torch.tensor([frames.shape[1]], device=self._device)
        maps, _ = self.system.cnn(self._tensor(frames), counts)
        maps = maps[:, :, skipped_steps:]
        features = []
        for index, branch in enumerate(self._branches):
            seen = maps[:, :, : kept_steps + branch.overlap_steps]
            steps = torch.tensor([seen.shape[2]], device=self._device)
            last = None if previous is None else self._tensor(previous[index])
            features.append(_array(branch.encode(seen, steps, last)[0]))
        return features

    @torch.inference_mode()
    def decide(self, features: Sequence[FloatArray], step_count: int) -> Output:
        """Computes the logits of one recording.

        Args:
            features: As for `Engine.decide`, each of shape ``(1, unit, feature)``.
            step_count: As for `Engine.decide`.
        """
        trace: Trace = {}
        steps = torch.tensor([step_count], device=self._device)
        logits = [
            branch.decide(self._tensor(each), steps, trace)
            for branch, each in zip(self._branches, features, strict=True)
        ]
        return _output(torch.stack(logits), trace)

    def _tensor(self, array: FloatArray | IntArray) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def adapt_system(system: System, feature_mean: FloatArray) -> System:
    """Gives a copy of a system whose encoder's features lose a speaker's mean.

    Args:
        system: With a speech encoder; it stays as it is.
        feature_mean: Shape ``(feature,)``.
    """
    adapted = copy.deepcopy(system)
    encoder = cast("SpeechEncoder", adapted.cnn)
    encoder.feature_mean = torch.from_numpy(feature_mean).to(encoder.feature_mean.device)
    return adapted


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.float().cpu().numpy().astype(np.float32, copy=False)
    return array


def _output(logits: Tensor, trace: Trace) -> Output:
    capsules, couplings = trace.get("utterance_capsules"), trace.get("utterance_couplings")
    return Output(
        _array(logits),
        None if capsules is None else _array(capsules),
        None if couplings is None else _array(couplings),
    )


def with_network(model: ModelDescription) -> Checkpoint:
    """Gives a model its network: the one it has, or that of its folder.

    Args:
        model: Any.
    """
    if isinstance(model, Checkpoint):
        return model
    return dataclasses.replace(load_checkpoint(model.folder), normalisation=model.normalisation)
