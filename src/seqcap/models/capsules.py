r"""Sequential and recurrent capsules, Sec. IV: from the map to the logits.

    map (B, C, T, F) -> windows -> primary capsules u (B, N, I, 8)         Sec. V-C
                     -> window capsules v -> outputs o_t (B, N, 72)        Eqs. (3)-(10)
                     -> utterance capsules (B, K, 16) -> logits (B, K)     Sec. IV-B

B utterances; T steps and F bins of the map; N windows; I = 1,280 primary capsules and J = 8 window
capsules in each; K emotions. Eqs. (3)-(7) are in `seqcap.models.routing`.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqcap.errors import SettingsError
from seqcap.models.branch import Branch, Trace
from seqcap.models.cnn import length_mask
from seqcap.models.convolution import Convolution
from seqcap.models.fast_routing import vote_and_sum
from seqcap.models.recurrent import DenseHead
from seqcap.models.routing import route, squash

KERNEL = 5  # of the primary convolutions
PRIMARY_CONVOLUTIONS, PRIMARY_DIM = 8, 8
WINDOW_CAPSULES, WINDOW_DIM = 8, 8
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

    Raises:
        SettingsError: No capsules can be made with these values.

    Example:
        >>> CapsuleSettings(routing_iterations=1).window_steps
        10
    """

    # Choice: "40 input steps with shift of 20" are taken as frames, 10 and 5 steps of the map.
    # Windows of 40 map steps, shift 20, stride 2 meet Table II as well.
    window_steps: int = 10
    shift_steps: int = 5
    primary_stride: int = 1
    routing_iterations: int = 3
    dropout: float = 0.5

    def __post_init__(self) -> None:
        least = {"window_steps": KERNEL, "shift_steps": 1, "primary_stride": 1}
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
    """Counts the windows that cover so many steps; the last may reach over the end.

    Args:
        step_counts: Steps of each utterance, at least 1, shape ``(batch,)``.
        settings: Size and shift of the windows.

    Returns:
        Shape ``(batch,)``.

    Example:
        >>> window_counts(torch.tensor([1, 10, 11, 50]), CapsuleSettings()).tolist()
        [1, 1, 2, 9]
    """
    return 1 + (-(-(step_counts - settings.window_steps) // settings.shift_steps)).clamp(min=0)


def lengths(capsules: Tensor) -> Tensor:
    """The lengths of capsules, with a finite gradient at zero.

    Args:
        capsules: Shape ``(..., dim)``.

    Returns:
        Shape ``(...)``, above zero.

    Example:
        >>> lengths(torch.tensor([3.0, 4.0])).item()
        5.0
    """
    return capsules.square().sum(-1).clamp(min=1e-30).sqrt()


def output_vectors(capsules: Tensor) -> Tensor:
    r"""Lays capsules and their lengths side by side, Eqs. (8) and (10).

    Args:
        capsules: :math:`v_1 ... v_m`, shape ``(..., capsule, dim)``.

    Returns:
        :math:`o`, shape ``(..., capsule x (dim + 1))``: all vectors, then all lengths.

    Example:
        >>> output_vectors(torch.tensor([[3.0, 4.0], [0.0, 2.0]])).tolist()
        [3.0, 4.0, 0.0, 2.0, 5.0, 2.0]
    """
    return torch.cat((capsules.flatten(-2), lengths(capsules)), dim=-1)


def output_places(count: int, size: int) -> Tensor:
    """Finds each capsule's values among those of `output_vectors`.

    Args:
        count: Capsules.
        size: Values of all of them together.

    Returns:
        Shape ``(capsule, dim + 1)``.

    Example:
        >>> output_places(2, 6).tolist()
        [[0, 1, 4], [2, 3, 5]]
    """
    capsules, its_lengths = torch.arange(size).split([size - count, count])
    return torch.cat((capsules.reshape(count, -1), its_lengths[:, None]), dim=1)


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
        features, stride = PRIMARY_CONVOLUTIONS * PRIMARY_DIM, settings.primary_stride
        self.convolutions = Convolution(channels, features, (KERNEL, KERNEL), stride)
        self.rows = -(-settings.window_steps // stride)
        self.per_row = -(-bins // stride) * PRIMARY_CONVOLUTIONS
        self.per_window = self.rows * self.per_row  # I

    def forward(self, maps: Tensor, step_counts: Tensor) -> tuple[Tensor, Tensor]:
        """Turns maps into primary capsules.

        Args:
            maps: Shape ``(batch, channel, step, bin)``, zero behind each end.
            step_counts: Steps that count in each, shape ``(batch,)``.

        Returns:
            Capsules ``(batch, window, lower, dim)``, and True where one stands on a step that
            counts in a window that counts, ``(batch, window, lower)``.
        """
        size, shift = self.settings.window_steps, self.settings.shift_steps
        count = 1 + max(0, -(-(maps.shape[2] - size) // shift))  # N
        maps = F.pad(maps, (0, 0, 0, (count - 1) * shift + size - maps.shape[2]))
        windows = maps.unfold(2, size, shift).permute(0, 2, 1, 4, 3)  # (B, N, C, step, F)
        windows = windows.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.convolutions(windows)  # (B x N, 64, row, column)
        # Positions first and windows last, as routing wants them in memory.
        u = features.permute(2, 3, 1, 0).reshape(self.per_window, PRIMARY_DIM, -1)  # (I, 8, B x N)
        # Choice: primary capsules are squashed, as in Sabour et al. [23].
        u = squash(u, dim=1).permute(2, 0, 1)  # (B x N, I, 8)
        starts = torch.arange(count, device=maps.device) * shift
        rows = torch.arange(self.rows, device=maps.device) * self.settings.primary_stride
        mask = starts[:, None] + rows < step_counts[:, None, None]  # (B, N, row)
        # Overlap alone makes no window: its steps are in the window before.
        mask &= length_mask(window_counts(step_counts, self.settings), count)[:, :, None]
        return (
            u.reshape(-1, count, self.per_window, PRIMARY_DIM),  # (B, N, I, 8)
            mask.repeat_interleave(self.per_row, dim=2),  # (B, N, I)
        )


class Votes(nn.Module):
    r"""The weights of position-aware votes, Eq. (3): :math:`\hat u_{j|i} = W_{ij} u_i + b_j`.

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

    def forward(
        self,
        capsules: Tensor,
        iterations: int,
        mask: Tensor | None = None,
        context: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Lets lower capsules vote and sums their votes by agreement, Eqs. (3)-(7).

        Args:
            capsules: Shape ``(batch, lower, dim)``; fewer than there are weights for if the
                utterance is short.
            iterations: As in `route`.
            mask: As in `route`.
            context: What Eq. (9) adds to every vote, shape ``(batch, upper, dim)``.

        Returns:
            The sums s_j ``(batch, upper, dim)`` and the couplings ``(batch, lower, upper)``.
        """
        bias = self.bias if context is None else self.bias + context
        return vote_and_sum(capsules, self.weight[: capsules.shape[1]], bias, iterations, mask)


class CapsuleBranch(Branch):
    """Primary, window and utterance capsules and the dense layers behind them, Sec. V-C.

    Args:
        channels: Channels of the CNN component's map.
        bins: Bins of that map.
        emotion_count: Number of emotions, each with an utterance capsule.
        recurrent: RecCap: the output of the window before adds to a window's votes, Eq. (9).
        settings: Windows and routing.

    Example:
        >>> branch = CapsuleBranch(16, 16, 4, recurrent=False, settings=CapsuleSettings())
        >>> branch.primary.per_window  # I: 10 steps x 16 bins x 8 capsules
        1280
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
        self.shift_steps = settings.shift_steps
        self.overlap_steps = max(0, settings.window_steps - settings.shift_steps)
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

    def encode(
        self,
        maps: Tensor,
        step_counts: Tensor,
        previous: Tensor | None = None,
        trace: Trace | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Turns maps into the windows' output vectors, Eqs. (3)-(10).

        Args:
            maps: Shape ``(batch, channel, step, bin)``, zero behind each end.
            step_counts: Steps that count in each, at least 1, shape ``(batch,)``.
            previous: RecCap: o of the window before the first, ``(batch, 72)``; None for zeros.
            trace: Takes the window couplings, if given.

        Returns:
            Output vectors ``(batch, window, 72)``; and for RecCap the last of them, ``(batch,
            72)``.

        Example:
            >>> branch = CapsuleBranch(16, 16, 4, recurrent=False, settings=CapsuleSettings())
            >>> branch.encode(torch.zeros(1, 16, 20, 16), torch.tensor([20]))[0].shape
            torch.Size([1, 3, 72])
        """
        u, mask = self.primary(maps, step_counts)
        outputs, couplings = self.route_windows(u, mask, previous)
        if trace is not None:
            trace["window_couplings"] = couplings
        return outputs, None if self.recurrent_weight is None else outputs[:, -1]

    def decide(self, features: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns the windows' output vectors into logits, Sec. IV-B.

        Args:
            features: Output vectors of all windows, shape ``(batch, window, 72)``.
            step_counts: Steps that count in each utterance, shape ``(batch,)``.
            trace: Takes output vectors, mask, couplings and capsules of the utterance, if given.

        Returns:
            Logits, shape ``(batch, emotion)``.

        Example:
            >>> branch = CapsuleBranch(16, 16, 4, recurrent=False, settings=CapsuleSettings())
            >>> branch.decide(torch.zeros(1, 3, 72), torch.tensor([20])).shape
            torch.Size([1, 4])
        """
        mask = length_mask(window_counts(step_counts, self.settings), features.shape[1])
        capsules, couplings = self.route_utterance(features, mask)
        if trace is not None:
            trace["window_outputs"] = features
            trace["window_mask"] = mask
            trace["utterance_couplings"] = couplings
            trace["utterance_capsules"] = capsules
        logits: Tensor = self.head(output_vectors(capsules))  # (B, K)
        return logits

    def route_windows(
        self, primary: Tensor, mask: Tensor | None, previous: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Routes primary to window capsules, Eqs. (3)-(10).

        Args:
            primary: Primary capsules u, shape ``(batch, window, lower, dim)``.
            mask: True where one counts, shape ``(batch, window, lower)``; all count if None.
            previous: Output vectors of the windows before, o_0, ``(batch, 72)``; zeros if None.

        Returns:
            Output vectors of the windows, ``(batch, window, 72)``, and the couplings,
            ``(batch, window, lower, upper)``.

        Example:
            >>> branch = CapsuleBranch(16, 16, 4, recurrent=True, settings=CapsuleSettings())
            >>> outputs, couplings = branch.route_windows(torch.zeros(1, 3, 1280, 8), mask=None)
            >>> outputs.shape, couplings.shape
            (torch.Size([1, 3, 72]), torch.Size([1, 3, 1280, 8]))
        """
        iterations = self.settings.routing_iterations
        if self.recurrent_weight is None:  # SeqCap: all windows at once
            together = None if mask is None else mask.flatten(0, 1)  # (B x N, I)
            sums, couplings = self.votes(primary.flatten(0, 1), iterations, together)
            outputs = output_vectors(squash(sums))  # o_t, Eqs. (6), (8), (B x N, 72)
            batch_and_window = primary.shape[:2]
            return outputs.unflatten(0, batch_and_window), couplings.unflatten(0, batch_and_window)
        output = primary.new_zeros(len(primary), OUTPUT_FEATURES) if previous is None else previous
        all_outputs, all_couplings = [], []
        for window in range(primary.shape[1]):
            # W^o o_{t-1}, Eq. (9), (B, J, 8)
            context = torch.einsum("jdf,bf->bjd", self.recurrent_weight, output)
            here = None if mask is None else mask[:, window]  # (B, I)
            sums, couplings = self.votes(primary[:, window], iterations, here, context)
            output = output_vectors(squash(sums))  # o_t, Eqs. (6), (10), (B, 72)
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

        Example:
            >>> branch = CapsuleBranch(16, 16, 4, recurrent=False, settings=CapsuleSettings())
            >>> mask = torch.ones(1, 3, dtype=torch.bool)
            >>> capsules, couplings = branch.route_utterance(torch.zeros(1, 3, 72), mask)
            >>> capsules.shape, couplings.shape
            (torch.Size([1, 4, 16]), torch.Size([1, 3, 4]))
        """
        # Eq. (3) with one W_j for all windows, (B, N, K, 16)
        votes = torch.einsum("kdf,bnf->bnkd", self.utterance_weight, outputs) + self.utterance_bias
        return route(votes, self.settings.routing_iterations, mask)
