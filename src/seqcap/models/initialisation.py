"""Weights at the start of training, Sec. V-E."""

import math
from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqcap.models.capsules import PRIMARY_DIM, CapsuleBranch, output_vectors, window_counts
from seqcap.models.cnn import ConvolutionStack, length_mask
from seqcap.models.convolution import Convolution
from seqcap.models.speech_encoder import SpeechEncoder
from seqcap.models.system import System


def initialise(system: nn.Module, generator: torch.Generator) -> None:
    """Xavier initialisation of all weights, zeros for all biases, Sec. V-E.

    Choice: uniform; a vote's fan is that of its own matrix W_ij, a recurrent gate's that of its own
    matrix.

    Args:
        system: What is initialised, in place.
        generator: Source of the random numbers.

    Example:
        >>> layer = nn.Linear(4, 2)
        >>> initialise(layer, torch.Generator().manual_seed(0))
        >>> bool(layer.weight.abs().max() <= 1), layer.bias.tolist()  # sqrt(6 / (4 + 2))
        (True, [0.0, 0.0])
    """
    for module in system.modules():
        for name, weight in module.named_parameters(recurse=False):
            if "bias" in name:
                nn.init.zeros_(weight)
            else:
                bound = math.sqrt(6 / sum(fans(module, weight)))
                nn.init.uniform_(weight, -bound, bound, generator=generator)


def fans(module: nn.Module, weight: Tensor) -> tuple[int, int]:
    """Values that go into and come out of one unit of a weight, for Xavier's formula.

    Args:
        module: That has the weight.
        weight: Any shape with two axes at least.
    """
    if isinstance(module, (nn.Conv1d, nn.Conv2d)):
        kernel = weight[0, 0].numel()
        return weight.shape[1] * kernel, weight.shape[0] * kernel
    if isinstance(module, nn.RNNBase):
        return weight.shape[1], module.hidden_size
    return weight.shape[-1], weight.shape[-2]


@torch.no_grad()
def lsuv_init(system: System, spectrograms: Tensor, frame_counts: Tensor) -> None:
    """Layer-sequential unit-variance initialisation by a batch of training data, in place.

    With Xavier's weights alone, all utterances' capsules point the same way at first, because what
    ReLU lets through has a mean larger than the differences between utterances. So learning starts
    slowly. Here each layer's values get zero mean and medium size on one batch. After Mishkin and
    Matas, "All you need is a good init", ICLR 2016. Not the paper's: a recipe may set it.

    Args:
        system: Its convolutions, and its capsule branches, are scaled; other branches stay.
        spectrograms: Normalised, shape ``(batch, frame, bin)``.
        frame_counts: Frames that count, shape ``(batch,)``.
    """
    if isinstance(system.cnn, SpeechEncoder):
        _scale_encoder(system.cnn, spectrograms, frame_counts)
    else:
        _scale_convolutions(system.cnn, spectrograms, frame_counts)
    maps, step_counts = system.cnn(spectrograms, frame_counts)
    for branch in system.branches:
        if isinstance(branch, CapsuleBranch):
            _scale_capsules(branch, maps, step_counts)


def _scale_convolutions(cnn: ConvolutionStack, spectrograms: Tensor, counts: Tensor) -> None:
    counted = length_mask(counts, spectrograms.shape[1])
    maps = torch.where(counted.unsqueeze(-1), spectrograms, 0).unsqueeze(1)
    for layer, stage in zip(cnn.layers, cnn.stages, strict=True):
        pooled = []
        for convolution in cast("Iterable[Convolution]", layer):
            _standardise(convolution, maps, deviation=1.0)
            pooled.append(F.max_pool2d(convolution(maps), stage.pooling[::-1]))
        maps = F.relu(torch.cat(pooled, 1))


def _scale_encoder(encoder: SpeechEncoder, spectrograms: Tensor, counts: Tensor) -> None:
    features, counted = encoder.features(spectrograms, counts)
    values = encoder.to_map(features)[counted]
    scale = 1 / values.std(dim=0).clamp(min=1e-6)
    encoder.to_map.weight.mul_(scale[:, None])
    encoder.to_map.bias.sub_(values.mean(dim=0)).mul_(scale)


def _standardise(convolution: Convolution, maps: Tensor, deviation: float) -> None:
    """Gives each output channel zero mean and this deviation on these maps."""
    values = convolution(maps).transpose(0, 1).flatten(1)
    scale = deviation / values.std(dim=1).clamp(min=1e-6)
    convolution.weight.mul_(scale[:, None, None, None])
    cast("Tensor", convolution.bias).sub_(values.mean(dim=1)).mul_(scale)


def _scale_capsules(branch: CapsuleBranch, maps: Tensor, step_counts: Tensor) -> None:
    # Lengths |s| around one: squash gives capsules of length one half.
    _standardise(branch.primary.convolutions, maps, deviation=PRIMARY_DIM**-0.5)
    primary, counted = branch.primary(maps, step_counts)
    mask = length_mask(window_counts(step_counts, branch.settings), primary.shape[1])

    # s_j of the first iteration, where all couplings are 1 / upper, Eq. (5), without bias.
    upper = len(branch.votes.bias)
    voters = torch.where(counted.unsqueeze(-1), primary, 0)[mask]  # (window, lower, dim)
    sums = torch.einsum("wle,ljde->wjd", voters, branch.votes.weight) / upper
    voter_share = counted[mask].sum(-1).float().mean() / upper
    scale = _inverse_rms(sums)
    branch.votes.weight.mul_(scale)
    branch.votes.bias.copy_(-sums.mean(0) * scale / voter_share)

    outputs, _ = branch.route_windows(primary, counted)
    votes = torch.einsum("kdf,bwf->bwkd", branch.utterance_weight, outputs)
    branch.utterance_bias.copy_(-votes[mask].mean(0))
    centred = (votes + branch.utterance_bias) * mask[:, :, None, None]
    scale = _inverse_rms(centred.sum(1) / len(branch.utterance_bias))
    branch.utterance_weight.mul_(scale)
    branch.utterance_bias.mul_(scale)

    # The dense layer: what differs between utterances gets deviation one, the rest is taken away.
    capsules, _ = branch.route_utterance(outputs, mask)
    hidden = branch.head.hidden(output_vectors(capsules))
    scale = 1 / hidden.std(0).clamp(min=1e-6)
    branch.head.hidden.weight.mul_(scale[:, None])
    branch.head.hidden.bias.sub_(hidden.mean(0)).mul_(scale)


def _inverse_rms(sums: Tensor) -> Tensor:
    """The factor that makes capsules ``(example, capsule, dim)`` one long around their mean."""
    squared_lengths = (sums - sums.mean(0)).square().sum(-1)
    return squared_lengths.mean().clamp(min=1e-12).rsqrt()
