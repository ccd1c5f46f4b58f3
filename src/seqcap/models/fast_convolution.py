"""The first convolutions and their pooling, fast. A reader of the paper may skip this file.

The numbers are those of `ConvolutionStack.run_plain`: a test compares both. The spectrogram has one
channel and the largest maps of all. A convolution over one channel runs at a tenth of a matrix
product's rate, and pooling, concatenation and ReLU would each read and write maps of 100 MB. So
neighbouring bins are taken as channels, and the rest happens in one pass.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqcap.models.convolution import Convolution


def block_bins(convolution: Convolution) -> int:
    """Bins taken together as channels: about half the kernel's width was measured fastest.

    Args:
        convolution: Of the first layer.
    """
    return 2 if convolution.kernel_size[1] <= 4 else 4


def convolve_in_blocks(spectrograms: Tensor, convolution: Convolution) -> Tensor:
    """Convolves maps of one channel, with blocks of neighbouring bins as channels.

    Args:
        spectrograms: Shape ``(batch, frame, bin)``; the bins are a multiple of ``block_bins``.
        convolution: From one channel to several.

    Returns:
        What ``convolution`` gives, but shaped ``(batch, frame, bin, channel)`` and contiguous.
    """
    block = block_bins(convolution)
    bins = spectrograms.shape[2]
    before, _, above, below = convolution.margins
    weight = blocked_weight(convolution.weight, block)  # (bin x channel, bin, time, block)
    after = block * (weight.shape[3] - 1) - before
    padded = F.pad(spectrograms, (before, after, above, below))
    blocks = padded.reshape(*padded.shape[:2], -1, block).permute(0, 3, 1, 2)
    bias = None if convolution.bias is None else convolution.bias.repeat(block)
    maps = F.conv2d(blocks, weight, bias)  # (batch, bin x channel, frame, block)
    return maps.permute(0, 2, 3, 1).reshape(*spectrograms.shape[:2], bins, -1)


def blocked_weight(weight: Tensor, block: int) -> Tensor:
    """Spreads a kernel over one channel to kernels over blocks of bins.

    Args:
        weight: Shape ``(channel, 1, time, bin)``.
        block: Bins of a block.

    Returns:
        Shape ``(bin of the block x channel, bin of the block, time, block)``: the kernel moved by
        0, 1, ... bins, cut into blocks, zero where it does not reach.
    """
    channels, _, times, width = weight.shape
    block_count = -(-(width + block - 1) // block)
    room = block * block_count - width
    moved = [F.pad(weight[:, 0], (bin_, room - bin_)) for bin_ in range(block)]
    cut = torch.stack(moved).reshape(block * channels, times, block_count, block)
    return cut.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def pool_pairs(maps: list[Tensor], row_counts: list[int]) -> Tensor:
    """Joins maps and takes the larger of every two bins, then ReLU, blind to the padding.

    Args:
        maps: What the kernels gave, each of shape ``(batch, row, bin, channel)``.
        row_counts: Rows that count in each utterance.

    Returns:
        Shape ``(batch, row, bin / 2, channels of all)``.
    """
    joined: Tensor = _PoolPairs.apply(row_counts, *maps)  # type: ignore[no-untyped-call]
    return joined


def rectify(maps: Tensor, row_counts: list[int]) -> Tensor:
    """ReLU in place, blind to the padding, on maps that nothing else needs.

    Args:
        maps: Shape ``(batch, channel, row, bin)``.
        row_counts: Rows that count in each utterance.

    Returns:
        The same memory, zero where it was below and behind ``row_counts``.
    """
    rectified: Tensor = _Rectify.apply(row_counts, maps)  # type: ignore[no-untyped-call]
    return rectified


class _PoolPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, row_counts: list[int], *maps: Tensor) -> Tensor:
        ctx.channels = [part.shape[3] for part in maps]
        batch, rows, bins, _ = maps[0].shape
        joined = maps[0].new_empty(batch, rows, bins // 2, sum(ctx.channels))
        first_wins = torch.empty_like(joined)  # 1 where the lower bin of a pair is the larger
        places = torch.split(joined, ctx.channels, dim=3)
        winners = torch.split(first_wins, ctx.channels, dim=3)
        for part, place, winner in zip(maps, places, winners, strict=True):
            even, odd = part[:, :, 0::2], part[:, :, 1::2]
            torch.maximum(even, odd, out=place)
            if any(ctx.needs_input_grad):
                torch.ge(even, odd, out=winner)
        _blank(joined.relu_(), row_counts, dim=1)
        ctx.save_for_backward(joined, first_wins)
        return joined

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        joined, first_wins = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, joined, 0)
        # Arithmetic on whole maps, then copies: both on runs of a few channels would be slow.
        lower = gradient * first_wins
        upper = gradient.sub_(lower)
        gradients = []
        for low, high in zip(
            torch.split(lower, ctx.channels, dim=3),
            torch.split(upper, ctx.channels, dim=3),
            strict=True,
        ):
            spread = low.new_empty(*low.shape[:3], 2, low.shape[3])
            for side, part in zip(spread.unbind(3), (low, high), strict=True):
                _in_16_bytes(side).copy_(_in_16_bytes(part))
            gradients.append(spread.flatten(2, 3))
        return None, *gradients


def _in_16_bytes(maps: Tensor) -> Tensor:
    """Sees the same memory as fewer, larger numbers, where that can be: they are copied faster."""
    run = 16 // maps.element_size()
    sizes = (maps.shape[-1], maps.storage_offset(), *maps.stride()[:-1])
    fits = all(size % run == 0 for size in sizes)
    return maps.view(torch.complex128) if fits and maps.device.type == "cpu" else maps


class _Rectify(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, row_counts: list[int], maps: Tensor) -> Tensor:
        ctx.mark_dirty(maps)
        _blank(maps.relu_(), row_counts, dim=2)
        ctx.save_for_backward(maps)
        return maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        (maps,) = ctx.saved_tensors
        return None, torch.ops.aten.threshold_backward(gradient, maps, 0)


def _blank(maps: Tensor, row_counts: list[int], dim: int) -> None:
    """Zeroes what stands behind each utterance's rows, in place."""
    for utterance, row_count in zip(maps, row_counts, strict=True):
        if row_count < maps.shape[dim]:
            utterance.narrow(dim - 1, row_count, maps.shape[dim] - row_count).zero_()
