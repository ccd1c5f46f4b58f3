"""The convolutional layers: the paper's CNN component (Table I) and what the baselines need.

Maps are held as ``(batch, channel, time, frequency)``: time before frequency, so that an
utterance's padding is one block of memory. The paper writes kernels and pooling as frequency x
time, and so do the constructors here.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


class Convolution(nn.Conv2d):
    """A convolution whose output has the size of its input, also for kernels of even size.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        kernel: Size as frequency x time.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: tuple[int, int]) -> None:
        frequency, time = kernel
        super().__init__(in_channels, out_channels, (time, frequency))
        # Choice: an even kernel looks one step further ahead than back.
        self.margins = (
            (frequency - 1) // 2,
            frequency // 2,
            (time - 1) // 2,
            time // 2,
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Convolves ``(batch, channel, time, frequency)``, zeros around it."""
        before, after, above, below = self.margins
        if before == after and above == below:
            return F.conv2d(maps, self.weight, self.bias, padding=(above, before))
        return F.conv2d(F.pad(maps, self.margins), self.weight, self.bias)


def first_ones(counts: Tensor, length: int) -> Tensor:
    """Says which places of padded sequences count.

    Args:
        counts: Places that count in each sequence, shape ``(batch,)``.
        length: Places in all of them, padding included.

    Returns:
        True for the first ``counts[n]`` places of sequence n, shape ``(batch, length)``.

    Example:
        >>> first_ones(torch.tensor([1, 3]), 3).tolist()
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

    def __init__(self, stages: tuple[Stage, ...], bins: int = 512) -> None:
        super().__init__()
        self.poolings = [stage.pooling for stage in stages]
        self.layers = nn.ModuleList()
        channels = 1
        self.frames_per_step = 1
        for stage in stages:
            self.layers.append(
                nn.ModuleList(Convolution(channels, stage.channels, size) for size in stage.kernels)
            )
            channels = stage.channels * len(stage.kernels)
            bins //= stage.pooling[0]
            self.frames_per_step *= stage.pooling[1]
        self.channels = channels
        self.bins = bins

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
        counted = first_ones(frame_counts, spectrograms.shape[1]).unsqueeze(-1)
        maps = torch.where(counted, spectrograms, 0)
        maps = F.pad(maps, (0, 0, 0, -maps.shape[1] % self.frames_per_step)).unsqueeze(1)
        rows_per_step = self.frames_per_step
        for convolutions, (frequency, time) in zip(self.layers, self.poolings, strict=True):
            rows_per_step //= time
            # Pooling before concatenation and ReLU: they commute, and fewer values are touched.
            maps = torch.cat([F.max_pool2d(c(maps), (time, frequency)) for c in convolutions], 1)
            counted = first_ones(step_counts * rows_per_step, maps.shape[2])
            maps = F.relu(maps) * counted[:, None, :, None]
        return maps, step_counts
