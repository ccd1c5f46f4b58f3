"""The convolutional layers: the paper's CNN component (Table I) and what the baselines need.

Maps are held as ``(batch, channel, time, frequency)``: time before frequency, so that an
utterance's padding is one block of memory. The paper writes kernels and pooling as frequency x
time, and so do the constructors here.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqcap.models.convolution import Convolution
from seqcap.models.fast_convolution import block_bins, convolve_in_blocks, pool_pairs, rectify


@dataclass(frozen=True)
class Stage:
    """One convolution and the max-pooling behind it, sizes as frequency x time.

    Attributes:
        channels: Channels that each kernel gives.
        kernels: One size, or several that work side by side and are concatenated.
        pooling: Pooling window, equal to its shift.
    """

    channels: int
    kernels: tuple[tuple[int, int], ...]
    pooling: tuple[int, int]


# Table I. The last two poolings, 2x2 and 4x1, follow one another and so are one of 8x2.
CNN_COMPONENT = (
    Stage(8, kernels=((2, 8), (8, 2)), pooling=(2, 1)),
    Stage(16, kernels=((5, 5),), pooling=(2, 2)),
    Stage(16, kernels=((5, 5),), pooling=(8, 2)),
)


def length_mask(counts: Tensor, length: int) -> Tensor:
    """Says which places of padded sequences count.

    Args:
        counts: Places that count in each sequence, shape ``(batch,)``.
        length: Places in all of them, padding included.

    Returns:
        True for the first ``counts[n]`` places of sequence n, shape ``(batch, length)``.

    Example:
        >>> length_mask(torch.tensor([1, 3]), 3).tolist()
        [[True, False, False], [True, True, True]]
    """
    return torch.arange(length, device=counts.device) < counts.unsqueeze(1)


class ConvolutionStack(nn.Module):
    """Stages of convolution, max-pooling and ReLU, blind to an utterance's padding.

    An utterance counts up to its last started step; behind that, every stage's map is zero, so
    that its answer does not depend on how far it was padded.

    Args:
        stages: The layers, first to last.
        bins: Bins of the spectrograms.
    """

    block_steps = 1  # chunks of a map may begin at any step

    def __init__(self, stages: tuple[Stage, ...], bins: int = 512) -> None:
        super().__init__()
        self.stages = stages
        self.layers = nn.ModuleList()
        self.channels, self.bins = 1, bins
        for stage in stages:
            kernels = [Convolution(self.channels, stage.channels, size) for size in stage.kernels]
            self.layers.append(nn.ModuleList(kernels))
            self.channels = stage.channels * len(stage.kernels)
            self.bins //= stage.pooling[0]
        self.frames_per_step = math.prod(stage.pooling[1] for stage in stages)

    @property
    def before_steps(self) -> int:
        """Steps before a step in its receptive field.

        Example:
            >>> ConvolutionStack(CNN_COMPONENT).before_steps
            3
        """
        return self.context_steps

    @property
    def context_steps(self) -> int:
        """Steps on either side in the receptive field of a step.

        Example:
            >>> ConvolutionStack(CNN_COMPONENT).context_steps
            3
        """
        frames, frames_per_row = 0, 1
        for stage in self.stages:
            frames += max(time for _, time in stage.kernels) // 2 * frames_per_row
            frames_per_row *= stage.pooling[1]
        return -(-frames // self.frames_per_step)

    def forward(self, spectrograms: Tensor, frame_counts: Tensor) -> tuple[Tensor, Tensor]:
        """Turns spectrograms into feature maps.

        Args:
            spectrograms: Normalised log magnitudes, shape ``(batch, frame, bin)``; what stands
                behind an utterance's end is not looked at.
            frame_counts: Frames that count in each, shape ``(batch,)``.

        Returns:
            Maps ``(batch, channel, step, bin)``, zero behind each utterance's end, and the steps
            that count in each, ``(batch,)``.
        """
        step_counts = -(-frame_counts // self.frames_per_step)
        # where, not a product: padding may hold anything, NaN included.
        counted = length_mask(frame_counts, spectrograms.shape[1]).unsqueeze(-1)
        frames = torch.where(counted, spectrograms, 0)
        frames = F.pad(frames, (0, 0, 0, -frames.shape[1] % self.frames_per_step))
        # What goes through torch.compile or an exporter is the plain version; it fuses by itself.
        run = self.run_plain if torch.compiler.is_compiling() else self.run
        return run(frames, step_counts), step_counts

    def run_plain(self, frames: Tensor, step_counts: Tensor) -> Tensor:
        """Runs the stages as Table I writes them: the reference of ``run``.

        Args:
            frames: Shape ``(batch, frame, bin)``.
            step_counts: Steps that count in each, shape ``(batch,)``.
        """
        maps = frames.unsqueeze(1)
        rows_per_step = self.frames_per_step
        for convolutions, (frequency, time) in self._pooled_layers():
            rows_per_step //= time
            # Pooling before concatenation and ReLU: they commute, and fewer values are touched.
            maps = torch.cat([F.max_pool2d(c(maps), (time, frequency)) for c in convolutions], 1)
            counted = length_mask(step_counts * rows_per_step, maps.shape[2])
            maps = F.relu(maps) * counted[:, None, :, None]
        return maps

    def run(self, frames: Tensor, step_counts: Tensor) -> Tensor:
        """Runs the stages with as few passes over the maps as possible; equal to ``run_plain``.

        Args:
            frames: Shape ``(batch, frame, bin)``.
            step_counts: Steps that count in each, shape ``(batch,)``.
        """
        maps = frames.unsqueeze(1)
        rows_per_step = self.frames_per_step
        counts = step_counts.tolist()
        for convolutions, (frequency, time) in self._pooled_layers():
            rows_per_step //= time
            row_counts = [count * rows_per_step for count in counts]
            convolved = [_convolve(maps, convolution) for convolution in convolutions]
            if (frequency, time) == (2, 1):
                maps = pool_pairs([c.permute(0, 2, 3, 1) for c in convolved], row_counts)
                maps = maps.permute(0, 3, 1, 2)
            else:
                pooled = [F.max_pool2d(c, (time, frequency)) for c in convolved]
                maps = rectify(torch.cat(pooled, 1) if len(pooled) > 1 else pooled[0], row_counts)
        return maps

    def _pooled_layers(self) -> Iterator[tuple[list[Convolution], tuple[int, int]]]:
        for layer, stage in zip(self.layers, self.stages, strict=True):
            yield list(cast("Iterable[Convolution]", layer)), stage.pooling


def _convolve(maps: Tensor, convolution: Convolution) -> Tensor:
    if convolution.in_channels == 1 and maps.shape[3] % block_bins(convolution) == 0:
        return convolve_in_blocks(maps[:, 0], convolution).permute(0, 3, 1, 2)
    convolved: Tensor = convolution(maps)
    return convolved
