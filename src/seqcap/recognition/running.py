"""The answer of all sound so far, carried on sample by sample.

A push costs what is new. Frames, steps and windows that no later sample can change are committed:
of each window only its 72 output values stay, about 5 MB an hour. What later samples can still
change is worked out again at each answer.

Axis order: frames ``(frame, bin)``, maps ``(1, channel, step, bin)``.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqcap.audio.high_pass import HighPass
from seqcap.audio.spectrogram import (
    BIN_COUNT,
    SHIFT_SAMPLES,
    WINDOW_SAMPLES,
    FloatArray,
    is_silent,
    log_spectrogram,
)
from seqcap.errors import SettingsError
from seqcap.models.branch import Branch
from seqcap.models.systems import SYSTEMS
from seqcap.recognition.checkpoint import Checkpoint

# Choice: steps are committed .4 s at a time. `CNN` keeps 256 values each time, and so no more
# when samples come one by one.
_STEPS_AT_ONCE = 10


def check_running(checkpoint: Checkpoint) -> None:
    """Refuses models whose answer so far needs sound that is still to come.

    Raises:
        SettingsError: The system looks back over the whole recording, or its normalisation does.
    """
    known = SYSTEMS.get(checkpoint.system_name)
    settings = checkpoint.normalisation.settings
    looks_ahead = [
        f"{name} {value}"
        for name, value in (
            ("normalisation.target_rms", settings.target_rms),
            ("normalisation.trim_db", settings.trim_db),
            ("normalisation.speech_only", settings.speech_only),
            ("normalisation.utterance_mean_norm", settings.utterance_mean_norm),
        )
        if value
    ]
    if known is None or not known.streams:
        looks_ahead.insert(0, f"system {checkpoint.system_name}")
    if looks_ahead:
        streaming = ", ".join(name for name, spec in SYSTEMS.items() if spec.streams)
        raise SettingsError(
            f"{checkpoint.name} needs whole recordings ({'; '.join(looks_ahead)}), so it has no "
            f"running answer; take a model of {streaming} whose level, trimming and own mean are "
            "0, or the last seconds (horizon_s)"
        )


@dataclass
class _Units:
    """What a branch keeps: finished units, and the map behind the last of them."""

    branch: Branch
    features: Tensor  # (1, room, feature); the first `count` are in use
    maps: Tensor  # from step `step_count` to the last committed one
    count: int = 0
    step_count: int = 0  # that finished units begin with
    carry: Tensor | None = None

    @property
    def finished(self) -> Tensor:
        """Features of finished units, ``(1, unit, feature)``."""
        return self.features[:, : self.count]

    def add(self, units: Tensor) -> None:
        while self.count + units.shape[1] > self.features.shape[1]:
            self.features = torch.cat((self.features, torch.empty_like(self.features)), 1)
        self.features[:, self.count : self.count + units.shape[1]] = units
        self.count += units.shape[1]


class RunningAnswer:
    """Takes samples and knows at any moment the probabilities of all so far.

    Args:
        checkpoint: A model that `check_running` lets pass.

    Raises:
        SettingsError: The model needs whole recordings.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        check_running(checkpoint)
        self.checkpoint = checkpoint
        self.system = checkpoint.system
        self._device = self.system.branch_shares.device
        cutoff_hz = checkpoint.normalisation.settings.high_pass_hz
        self._high_pass = HighPass(cutoff_hz) if cutoff_hz else None
        self._samples = np.empty(0, np.float32)  # from the first frame that is not final
        self._frames = np.empty((0, BIN_COUNT), np.float32)  # final ones, from step `_first` on
        self._final_count = 0
        self._first = 0
        self._committed = 0  # steps that no later sample changes
        self._loudest = np.empty((0, BIN_COUNT), np.float32)  # of all final frames, bin by bin
        self._branches: list[_Units] = []

    @torch.inference_mode()
    def push(self, samples: FloatArray) -> None:
        """Takes the next samples, 16 kHz mono, shape ``(samples,)``, of any number."""
        if self._high_pass is not None:
            samples = self._high_pass(samples)
        self._samples = np.concatenate((self._samples, samples))
        ready = max(0, (len(self._samples) - WINDOW_SAMPLES) // SHIFT_SAMPLES + 1)
        if ready == 0:
            return
        seen = (ready - 1) * SHIFT_SAMPLES + WINDOW_SAMPLES
        final = log_spectrogram(self._samples[:seen])[:ready]
        self._samples = self._samples[ready * SHIFT_SAMPLES :]
        self._loudest = np.concatenate((self._loudest, final)).max(0, keepdims=True)
        self._frames = np.concatenate((self._frames, self.checkpoint.normalisation(final)))
        self._final_count += ready
        self._commit()

    def _commit(self) -> None:
        """Encodes the units that nothing can change any more, and forgets what made them."""
        cnn = self.system.cnn
        until = self._final_count // cnn.frames_per_step - cnn.context_steps
        if until < self._committed + _STEPS_AT_ONCE:
            return
        maps = self._maps(self._frames)[:, :, : until - self._committed]
        for units in self._units(maps):
            branch = units.branch
            units.maps = torch.cat((units.maps, maps), 2)
            ready = (until - branch.overlap_steps - units.step_count) // branch.shift_steps
            if ready > 0:
                steps = ready * branch.shift_steps
                piece = units.maps[:, :, : steps + branch.overlap_steps]
                found, units.carry = branch.encode(piece, self._counts(piece), units.carry)
                units.add(found)
                units.step_count += steps
                units.maps = units.maps[:, :, steps:].clone()
        first = max(0, until - cnn.context_steps)
        self._frames = self._frames[(first - self._first) * cnn.frames_per_step :].copy()
        self._first, self._committed = first, until

    @torch.inference_mode()
    def probabilities(self) -> FloatArray:
        """The probabilities of all samples so far, ``(emotion,)``, in the model's order.

        Raises:
            ValueError: No sample came yet.
        """
        tail = log_spectrogram(self._samples)
        if is_silent(np.concatenate((self._loudest, tail))):
            count = len(self.checkpoint.emotions)
            return np.full(count, 1 / count, np.float32)
        frames = np.concatenate((self._frames, self.checkpoint.normalisation(tail)))
        maps = self._maps(frames)
        step_count = torch.tensor([self._committed + maps.shape[2]], device=self._device)
        logits = []
        for units in self._units(maps):
            features = torch.cat((units.finished, self._open(units, maps)), 1)
            logits.append(units.branch.decide(features, step_count))
        scaled = torch.stack(logits) / self.checkpoint.temperature
        return self.system.probabilities(scaled)[0].cpu().numpy()

    def _open(self, units: _Units, maps: Tensor) -> Tensor:
        """Units that reach into what may still change."""
        branch = units.branch
        steps = torch.cat((units.maps, maps), 2)
        # An overlap alone makes no unit: the one before it has those steps already.
        if units.count and steps.shape[2] <= branch.overlap_steps:
            return units.features[:, :0]
        return branch.encode(steps, self._counts(steps), units.carry)[0]

    def _maps(self, frames: FloatArray) -> Tensor:
        """The map of the steps from the first that is not committed."""
        batch = torch.from_numpy(frames)[None].to(self._device)
        maps, _ = self.system.cnn(batch, torch.tensor([len(frames)], device=self._device))
        return maps[:, :, self._committed - self._first :]

    def _units(self, maps: Tensor) -> list[_Units]:
        """What each branch keeps; laid out when the first map shows how large it is."""
        if not self._branches:
            for branch in self.system.branches:
                if isinstance(branch, Branch):
                    found, _ = branch.encode(maps, self._counts(maps))
                    room = found.new_empty(1, 256, found.shape[2])
                    self._branches.append(_Units(branch, room, maps[:, :, :0]))
        return self._branches

    def _counts(self, maps: Tensor) -> Tensor:
        return torch.tensor([maps.shape[2]], device=self._device)
