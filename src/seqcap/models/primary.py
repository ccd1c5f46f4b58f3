r"""Windows of the map and their primary capsules, Sec. V-C.

Axis order: maps ``(batch, channel, step, bin)``, capsules ``(batch, window, lower, dim)``.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqcap.errors import SettingsError
from seqcap.models.cnn import length_mask
from seqcap.models.convolution import Convolution
from seqcap.models.routing import squash

_KERNEL = 5
PRIMARY_CONVOLUTIONS = 8
PRIMARY_DIM = 8


@dataclass(frozen=True)
class CapsuleSettings:
    """What the text leaves open, or varies, about the capsules.

    Attributes:
        window_steps: Steps of a window.
        shift_steps: Steps from one window to the next.
        primary_stride: Stride of the primary convolutions, in both directions.
        routing_iterations: Iterations of Eqs. (4)-(7), on both levels (Fig. 7 varies them).
        dropout: Share of the dense layer's units dropped in training.
    """

    # Choice: "40 input steps with shift of 20" are taken as frames, 10 and 5 steps of the map.
    # Windows of 40 map steps, shift 20, stride 2 meet Table II as well.
    window_steps: int = 10
    shift_steps: int = 5
    primary_stride: int = 1
    routing_iterations: int = 3
    dropout: float = 0.5

    def __post_init__(self) -> None:
        """Refuses what no capsules can be made with."""
        least = {"window_steps": _KERNEL, "shift_steps": 1, "primary_stride": 1}
        least["routing_iterations"] = 1
        for name, value in least.items():
            if getattr(self, name) < value:
                raise SettingsError(
                    f"setting 'capsules.{name}': {getattr(self, name)} came, {value} is the least"
                )
        if not 0 <= self.dropout < 1:
            raise SettingsError(
                f"setting 'capsules.dropout': {self.dropout} came, 0 or more and less than 1 is "
                "expected"
            )


def window_counts(step_counts: Tensor, settings: CapsuleSettings) -> Tensor:
    """How many windows cover so many steps; the last may reach over the end.

    Example:
        >>> window_counts(torch.tensor([1, 10, 11, 50]), CapsuleSettings()).tolist()
        [1, 1, 2, 9]
    """
    return 1 + (-(-(step_counts - settings.window_steps) // settings.shift_steps)).clamp(min=0)


class PrimaryCapsules(nn.Module):
    """Cuts the map into windows and finds the primary capsules of each, Sec. V-C.

    Args:
        channels: Channels of the map.
        bins: Bins of the map.
        settings: Size and shift of the windows, stride of the convolutions.
    """

    def __init__(self, channels: int, bins: int, settings: CapsuleSettings) -> None:
        super().__init__()
        self.settings = settings
        # Eight convolutions of eight channels each, side by side, are one of 64.
        self.convolutions = Convolution(
            channels,
            PRIMARY_CONVOLUTIONS * PRIMARY_DIM,
            (_KERNEL, _KERNEL),
            settings.primary_stride,
        )
        self.rows = -(-settings.window_steps // settings.primary_stride)
        self.per_row = -(-bins // settings.primary_stride) * PRIMARY_CONVOLUTIONS
        self.per_window = self.rows * self.per_row

    def forward(self, maps: Tensor, step_counts: Tensor) -> tuple[Tensor, Tensor]:
        """Turns maps ``(batch, channel, step, bin)`` into primary capsules.

        Returns:
            Capsules ``(batch, window, lower, dim)``, and True where one stands on a step that
            counts in a window that counts, ``(batch, window, lower)``.
        """
        size, shift = self.settings.window_steps, self.settings.shift_steps
        window_count = 1 + max(0, -(-(maps.shape[2] - size) // shift))
        maps = F.pad(maps, (0, 0, 0, (window_count - 1) * shift + size - maps.shape[2]))
        windows = maps.unfold(2, size, shift)  # (batch, channel, window, bin, step)
        windows = windows.permute(0, 2, 1, 4, 3).flatten(0, 1)
        windows = windows.contiguous(memory_format=torch.channels_last)
        features: Tensor = self.convolutions(windows)  # (batch x window, 64, row, column)
        # Positions first and windows last, as routing wants them in memory.
        by_position = features.permute(2, 3, 1, 0).reshape(self.per_window, PRIMARY_DIM, -1)
        # Choice: primary capsules are squashed, as in Sabour et al. [23].
        capsules = squash(by_position, dim=1).permute(2, 0, 1)
        starts = torch.arange(window_count, device=maps.device) * shift
        rows = torch.arange(self.rows, device=maps.device) * self.settings.primary_stride
        counted = starts[:, None] + rows < step_counts[:, None, None]  # (batch, window, row)
        # Overlap alone makes no window: its steps are in the window before.
        counted &= length_mask(window_counts(step_counts, self.settings), window_count)[:, :, None]
        return (
            capsules.reshape(-1, window_count, self.per_window, PRIMARY_DIM),
            counted.repeat_interleave(self.per_row, dim=2),
        )
