"""Convolutions that keep the size of their map, also with the paper's even kernels.

Axis order: ``(batch, channel, time, frequency)``; the constructor takes the paper's frequency x
time.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class Convolution(nn.Conv2d):
    """A convolution whose output has the size of its input, also for kernels of even size.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        kernel: Size as frequency x time.
        stride: Shift of the kernel in both directions; above 1 the output is smaller.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: tuple[int, int], stride: int = 1
    ) -> None:
        frequency, time = kernel
        super().__init__(in_channels, out_channels, (time, frequency), stride)
        # Choice: an even kernel looks one step further ahead than back.
        self.margins = (
            (frequency - 1) // 2,
            frequency // 2,
            (time - 1) // 2,
            time // 2,
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Convolves ``(batch, channel, time, frequency)``, zeros around it.

        Args:
            maps: Shape ``(batch, channel, time, frequency)``.
        """
        before, after, above, below = self.margins
        if before == after and above == below:
            return F.conv2d(maps, self.weight, self.bias, self.stride, (above, before))
        return F.conv2d(F.pad(maps, self.margins), self.weight, self.bias, self.stride)
