"""Weights at the start of training, Sec. V-E."""

import math

import torch
from torch import Tensor, nn


def initialise(system: nn.Module, generator: torch.Generator) -> None:
    """Xavier initialisation of all weights, zeros for all biases, Sec. V-E.

    Choice: uniform; a vote's fan is that of its own matrix W_ij, a recurrent gate's that of its
    own matrix.

    Args:
        system: What is initialised, in place.
        generator: Where the numbers come from.
    """
    for module in system.modules():
        for name, weight in module.named_parameters(recurse=False):
            if "bias" in name:
                nn.init.zeros_(weight)
            else:
                bound = math.sqrt(6 / sum(fans(module, weight)))
                nn.init.uniform_(weight, -bound, bound, generator=generator)


def fans(module: nn.Module, weight: Tensor) -> tuple[int, int]:
    """Values that go into and come out of one unit of a weight, for Xavier's formula."""
    if isinstance(module, (nn.Conv1d, nn.Conv2d)):
        kernel = weight[0, 0].numel()
        return weight.shape[1] * kernel, weight.shape[0] * kernel
    if isinstance(module, nn.RNNBase):
        return weight.shape[1], module.hidden_size
    return weight.shape[-1], weight.shape[-2]
