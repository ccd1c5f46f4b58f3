r"""Sequential and recurrent capsules, Secs. IV-B, IV-C and V-C, and two plain capsule baselines.

Axis order: lower capsules ``(batch, lower, dim)``, votes ``(batch, lower, upper, dim)``, output
vectors of windows ``(batch, window, feature)``.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqcap.models.cnn import first_ones
from seqcap.models.convolution import Convolution
from seqcap.models.recurrent import DenseHead, freeze_second_bias, run_padded
from seqcap.models.routing import route, squash

PRIMARY_CONVOLUTIONS = 8
PRIMARY_DIM = 8
WINDOW_CAPSULES = 8
WINDOW_DIM = 8
OUTPUT_FEATURES = WINDOW_CAPSULES * (WINDOW_DIM + 1)  # 72, Eq. (8)
UTTERANCE_DIM = 16


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


def output_vectors(capsules: Tensor) -> Tensor:
    r"""Lays capsules and their lengths side by side, Eqs. (8) and (10).

    Args:
        capsules: :math:`v_1 ... v_m`, shape ``(..., capsule, dim)``.

    Returns:
        :math:`o`, shape ``(..., capsule x (dim + 1))``: all vectors, then all lengths.
    """
    return torch.cat((capsules.flatten(-2), lengths(capsules)), dim=-1)


def lengths(capsules: Tensor) -> Tensor:
    """The lengths of capsules ``(..., dim)``, with a finite gradient at zero.

    Example:
        >>> lengths(torch.tensor([3.0, 4.0])).item()
        5.0
    """
    return capsules.square().sum(-1).clamp(min=1e-30).sqrt()


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
        self.convolutions = Convolution(channels, PRIMARY_CONVOLUTIONS * PRIMARY_DIM, (5, 5))
        self.convolutions.stride = (settings.primary_stride, settings.primary_stride)
        self.rows = -(-settings.window_steps // settings.primary_stride)
        self.per_row = -(-bins // settings.primary_stride) * PRIMARY_CONVOLUTIONS
        self.per_window = self.rows * self.per_row

    def forward(self, maps: Tensor, step_counts: Tensor) -> tuple[Tensor, Tensor]:
        """Turns maps ``(batch, channel, step, bin)`` into primary capsules.

        Returns:
            Capsules ``(batch, window, lower, dim)``, and True where one stands on a step that
            counts, ``(batch, window, lower)``.
        """
        size, shift = self.settings.window_steps, self.settings.shift_steps
        window_count = 1 + max(0, -(-(maps.shape[2] - size) // shift))
        maps = F.pad(maps, (0, 0, 0, (window_count - 1) * shift + size - maps.shape[2]))
        windows = maps.unfold(2, size, shift)  # (batch, channel, window, bin, step)
        windows = windows.permute(0, 2, 1, 4, 3).flatten(0, 1)
        windows = windows.contiguous(memory_format=torch.channels_last)
        features = self.convolutions(windows)  # (batch x window, 64, row, column)
        # Choice: primary capsules are squashed, as in Sabour et al. [23].
        capsules = squash(features.permute(0, 2, 3, 1).unflatten(-1, (-1, PRIMARY_DIM)))
        starts = torch.arange(window_count, device=maps.device) * shift
        rows = torch.arange(self.rows, device=maps.device) * self.settings.primary_stride
        counted = starts[:, None] + rows < step_counts[:, None, None]  # (batch, window, row)
        return (
            capsules.reshape(-1, window_count, self.per_window, PRIMARY_DIM),
            counted.repeat_interleave(self.per_row, dim=2),
        )


class Votes(nn.Module):
    r"""Position-aware votes of lower for upper capsules, Eq. (3): :math:`W_{ij} u_i + b_j`.

    Args:
        lower: How many lower capsules.
        lower_dim: Their size.
        upper: How many upper capsules.
        upper_dim: Their size.
    """

    def __init__(self, lower: int, lower_dim: int, upper: int, upper_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(lower, upper, upper_dim, lower_dim))  # W_ij
        # Choice: Table II leaves room for one bias per upper capsule, not for one per pair.
        self.bias = nn.Parameter(torch.zeros(upper, upper_dim))  # b_j

    def forward(self, capsules: Tensor) -> Tensor:
        """Turns ``(batch, lower, dim)`` into votes ``(batch, lower, upper, dim)``, without bias.

        The bias does not depend on the lower capsule: who routes adds it (Eq. 9 adds the
        recurrent term to it first).
        """
        # One matrix product per lower capsule; fewer capsules than weights: the utterance is short.
        weight = self.weight[: capsules.shape[1]]
        flat = torch.bmm(capsules.transpose(0, 1), weight.flatten(1, 2).transpose(1, 2))
        return flat.transpose(0, 1).unflatten(2, self.weight.shape[1:3])


class CapsuleBranch(nn.Module):
    """Primary, window and utterance capsules and the dense layers behind them, Sec. V-C.

    Args:
        channels: Channels of the CNN component's map.
        bins: Bins of that map.
        emotion_count: Emotions told apart, each with an utterance capsule.
        recurrent: RecCap: a window's votes also hear the window before, Eq. (9).
        settings: Windows and routing.
    """

    def __init__(
        self,
        channels: int,
        bins: int,
        emotion_count: int,
        recurrent: bool,
        settings: CapsuleSettings,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.primary = PrimaryCapsules(channels, bins, settings)
        self.votes = Votes(self.primary.per_window, PRIMARY_DIM, WINDOW_CAPSULES, WINDOW_DIM)
        # Choice: W^o of Eq. (9) is one matrix for all lower capsules, as Table II counts.
        self.recurrent_weight = (  # W^o_j
            nn.Parameter(torch.empty(WINDOW_CAPSULES, WINDOW_DIM, OUTPUT_FEATURES))
            if recurrent
            else None
        )
        self.utterance_weight = nn.Parameter(  # W_j, the same for all windows
            torch.empty(emotion_count, UTTERANCE_DIM, OUTPUT_FEATURES)
        )
        self.utterance_bias = nn.Parameter(torch.zeros(emotion_count, UTTERANCE_DIM))
        self.head = DenseHead(emotion_count * (UTTERANCE_DIM + 1), emotion_count, settings.dropout)

    def forward(
        self, maps: Tensor, step_counts: Tensor, trace: dict[str, Tensor] | None = None
    ) -> Tensor:
        """Turns maps ``(batch, channel, step, bin)`` into logits ``(batch, emotion)``.

        Args:
            maps: The CNN component's output.
            step_counts: Steps that count in each, shape ``(batch,)``.
            trace: Takes the capsules and couplings on the way, if given.
        """
        primary, counted = self.primary(maps, step_counts)
        outputs, couplings = self.route_windows(primary, counted)
        mask = first_ones(window_counts(step_counts, self.settings), outputs.shape[1])
        capsules, utterance_couplings = self.route_utterance(outputs, mask)
        if trace is not None:
            trace["window_couplings"] = couplings
            trace["window_outputs"] = outputs
            trace["utterance_couplings"] = utterance_couplings
            trace["utterance_capsules"] = capsules
            trace["window_mask"] = mask
        return self.head(output_vectors(capsules))

    def route_windows(self, primary: Tensor, counted: Tensor | None) -> tuple[Tensor, Tensor]:
        """Routes primary to window capsules, Eqs. (3)-(10).

        Args:
            primary: Primary capsules, shape ``(batch, window, lower, dim)``.
            counted: Which of them count, shape ``(batch, window, lower)``.

        Returns:
            Output vectors of the windows, ``(batch, window, 72)``, and the couplings,
            ``(batch, window, lower, upper)``.
        """
        iterations = self.settings.routing_iterations
        batch, window_count = primary.shape[:2]
        votes = self.votes(primary.flatten(0, 1)).unflatten(0, (batch, window_count))
        if self.recurrent_weight is None:
            capsules, couplings = route(
                (votes + self.votes.bias).flatten(0, 1),
                iterations,
                None if counted is None else counted.flatten(0, 1),
            )
            outputs = output_vectors(capsules).unflatten(0, (batch, window_count))
            return outputs, couplings.unflatten(0, (batch, window_count))
        all_outputs, all_couplings = [], []
        output = primary.new_zeros(batch, OUTPUT_FEATURES)  # o_0
        for window in range(window_count):
            heard = torch.einsum("udf,bf->bud", self.recurrent_weight, output)  # W^o o_{t-1}
            offset = (self.votes.bias + heard).unsqueeze(1)
            capsules, couplings = route(
                votes[:, window] + offset,
                iterations,
                None if counted is None else counted[:, window],
            )
            output = output_vectors(capsules)
            all_outputs.append(output)
            all_couplings.append(couplings)
        return torch.stack(all_outputs, 1), torch.stack(all_couplings, 1)

    def route_utterance(self, outputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Routes all windows of an utterance to one capsule per emotion, Sec. IV-B.

        Args:
            outputs: Output vectors of the windows, shape ``(batch, window, 72)``.
            mask: True where a window counts, shape ``(batch, window)``.

        Returns:
            Capsules ``(batch, emotion, 16)`` and couplings ``(batch, window, emotion)``.
        """
        votes = torch.einsum("kdf,bwf->bwkd", self.utterance_weight, outputs)
        return route(votes + self.utterance_bias, self.settings.routing_iterations, mask)


class WholeCapsuleBranch(nn.Module):
    """``CNN_Cap``: all windows' primary capsules routed at once, without sequence, Sec. V-D.

    The votes' weights know the window, so there is a greatest length.

    Args:
        channels: Channels of the CNN component's map.
        bins: Bins of that map.
        emotion_count: Emotions told apart, each with a capsule of 16.
        settings: Windows and routing.
    """

    greatest_window_count = 200

    def __init__(
        self, channels: int, bins: int, emotion_count: int, settings: CapsuleSettings
    ) -> None:
        super().__init__()
        self.settings = settings
        self.primary = PrimaryCapsules(channels, bins, settings)
        lower = self.greatest_window_count * self.primary.per_window
        self.votes = Votes(lower, PRIMARY_DIM, emotion_count, UTTERANCE_DIM)

    @property
    def greatest_steps(self) -> int:
        """The longest map that the weights cover, in steps."""
        return (
            self.greatest_window_count - 1
        ) * self.settings.shift_steps + self.settings.window_steps

    def forward(
        self, maps: Tensor, step_counts: Tensor, trace: dict[str, Tensor] | None = None
    ) -> Tensor:
        """Turns maps ``(batch, channel, step, bin)`` of bounded length into logits."""
        primary, counted = self.primary(maps, step_counts)
        votes = self.votes(primary.flatten(1, 2)) + self.votes.bias
        capsules, couplings = route(votes, self.settings.routing_iterations, counted.flatten(1, 2))
        if trace is not None:
            trace["utterance_couplings"] = couplings
            trace["utterance_capsules"] = capsules
        return length_logits(capsules)


def length_logits(capsules: Tensor) -> Tensor:
    r"""Reads capsule lengths as probabilities and gives their log odds.

    Choice: a softmax over lengths themselves could never be surer than e : 1. The length says how
    probable it is that the entity exists (Sec. IV-A), so its log odds are the logit; by Eq. (6)
    they are :math:`2 \log |s|`.

    Args:
        capsules: Shape ``(batch, emotion, dim)``.

    Returns:
        Logits, shape ``(batch, emotion)``.
    """
    probabilities = lengths(capsules.float())
    return probabilities.clamp(1e-6, 1 - 1e-6).logit()


class FrameCapsuleBranch(nn.Module):
    """``LSTM_Cap``: BLSTM, one capsule a frame, one routing, after Jalal et al. [43], Sec. V-B.

    Args:
        bins: Bins of the spectrograms.
        emotion_count: Emotions told apart, each with a capsule of 32.
        settings: Routing iterations and dropout.
    """

    greatest_frames = 1000
    dim = 32

    def __init__(self, bins: int, emotion_count: int, settings: CapsuleSettings) -> None:
        super().__init__()
        self.iterations = settings.routing_iterations
        self.lstm = nn.LSTM(bins, 128, num_layers=2, batch_first=True, bidirectional=True)
        freeze_second_bias(self.lstm)
        # Four 1-D convolutions of 32 filters, side by side, are one of 128.
        self.convolutions = nn.Conv1d(256, 4 * 32, kernel_size=5, padding=2)
        self.votes = Votes(self.greatest_frames, 4 * 32, emotion_count, self.dim)
        self.head = DenseHead(emotion_count * (self.dim + 1), emotion_count, settings.dropout)

    def forward(
        self,
        spectrograms: Tensor,
        frame_counts: Tensor,
        trace: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """Turns spectrograms ``(batch, frame, bin)`` of at most 1,000 frames into logits."""
        states, _ = run_padded(self.lstm, spectrograms, frame_counts)
        primary = squash(self.convolutions(states.transpose(1, 2)).transpose(1, 2))
        votes = self.votes(primary) + self.votes.bias
        mask = first_ones(frame_counts, primary.shape[1])
        capsules, couplings = route(votes, self.iterations, mask)
        if trace is not None:
            trace["utterance_couplings"] = couplings
            trace["utterance_capsules"] = capsules
        return self.head(output_vectors(capsules))
