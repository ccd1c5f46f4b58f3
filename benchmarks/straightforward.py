"""CNN_SeqCap and CNN_RecCap as one would write them from the paper, line by line.

The same numbers from the same weights (``training_step.py`` checks it), without any arrangement for
speed: maps in PyTorch's usual order, ReLU before pooling, all votes kept.
"""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqcap.models.capsules import CapsuleBranch
from seqcap.models.routing import squash
from seqcap.models.system import System


class Straightforward(nn.Module):
    """A finished capsule system of one branch, computed the plain way, for segments in full."""

    def __init__(self, system: System) -> None:
        super().__init__()
        self.system = copy.deepcopy(system)
        for parameter in self.system.parameters():
            parameter.data = parameter.data.contiguous()

    def forward(self, spectrograms: Tensor, frame_counts: Tensor) -> Tensor:
        """Turns segments ``(batch, frame, bin)``, a multiple of 20 frames, into logits."""
        layers: Any = self.system.cnn.layers  # of modules, which have no types
        (wide, tall), (third,), (fourth,) = layers
        branches: Any = self.system.branches
        (branch,) = branches
        maps = spectrograms.unsqueeze(1)
        maps = torch.cat([F.relu(wide(maps)), F.relu(tall(maps))], 1)
        maps = F.max_pool2d(maps, (1, 2))
        maps = F.max_pool2d(F.relu(third(maps)), 2)
        maps = F.max_pool2d(F.max_pool2d(F.relu(fourth(maps)), 2), (1, 4))
        windows = maps.unfold(2, 10, 5).permute(0, 2, 1, 4, 3)  # (batch, window, 16, step, bin)
        features = branch.primary.convolutions(windows.flatten(0, 1))
        primary = squash(features.permute(0, 2, 3, 1).reshape(*windows.shape[:2], 1280, 8))
        outputs = self.window_outputs(branch, primary)
        votes = torch.einsum("kdf,bwf->bwkd", branch.utterance_weight, outputs)
        capsules = route(votes + branch.utterance_bias)
        return branch.head(with_lengths(capsules)).unsqueeze(0)

    def window_outputs(self, branch: CapsuleBranch, primary: Tensor) -> Tensor:
        """Routes the windows, all at once or, recurrent, one after the other."""
        votes = torch.einsum("iudk,bwik->bwiud", branch.votes.weight, primary)
        votes = votes + branch.votes.bias
        if branch.recurrent_weight is None:
            capsules = route(votes.flatten(0, 1))
            return with_lengths(capsules).reshape(*votes.shape[:2], 72)
        output, outputs = primary.new_zeros(len(primary), 72), []
        for window in range(votes.shape[1]):
            context = torch.einsum("udf,bf->bud", branch.recurrent_weight, output)
            output = with_lengths(route(votes[:, window] + context.unsqueeze(1)))
            outputs.append(output)
        return torch.stack(outputs, 1)


def route(votes: Tensor) -> Tensor:
    """Three iterations over votes ``(batch, lower, upper, dim)``."""
    logits = votes.new_zeros(votes.shape[:-1])
    for iteration in range(3):
        upper = squash(torch.einsum("biu,biud->bud", logits.softmax(-1), votes))
        if iteration < 2:
            logits = logits + torch.einsum("biud,bud->biu", votes, upper)
    return upper


def with_lengths(capsules: Tensor) -> Tensor:
    """All vectors, then all lengths."""
    return torch.cat([capsules.flatten(-2), capsules.norm(dim=-1)], -1)
