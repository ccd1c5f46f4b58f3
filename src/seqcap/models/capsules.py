r"""Sequential and recurrent capsules, Secs. IV-B, IV-C and V-C.

Axis order: lower capsules ``(batch, lower, dim)``, votes ``(batch, lower, upper, dim)``, output
vectors of windows ``(batch, window, feature)``.
"""

import torch
from torch import Tensor, nn

from seqcap.models.branch import Branch, Trace
from seqcap.models.cnn import length_mask
from seqcap.models.fast_routing import MIN_BATCH_FOR_FAST_PATH, vote_and_route
from seqcap.models.primary import (
    PRIMARY_DIM,
    CapsuleSettings,
    PrimaryCapsules,
    window_counts,
)
from seqcap.models.recurrent import DenseHead
from seqcap.models.routing import route, vote

__all__ = ["CapsuleBranch", "CapsuleSettings", "Votes", "lengths", "output_vectors"]

WINDOW_CAPSULES = 8
WINDOW_DIM = 8
OUTPUT_FEATURES = WINDOW_CAPSULES * (WINDOW_DIM + 1)  # 72, Eq. (8)
UTTERANCE_DIM = 16


def output_vectors(capsules: Tensor) -> Tensor:
    r"""Lays capsules and their lengths side by side, Eqs. (8) and (10).

    Args:
        capsules: :math:`v_1 ... v_m`, shape ``(..., capsule, dim)``.

    Returns:
        :math:`o`, shape ``(..., capsule x (dim + 1))``: all vectors, then all lengths.
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


def lengths(capsules: Tensor) -> Tensor:
    """The lengths of capsules ``(..., dim)``, with a finite gradient at zero.

    Example:
        >>> lengths(torch.tensor([3.0, 4.0])).item()
        5.0
    """
    return capsules.square().sum(-1).clamp(min=1e-30).sqrt()


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

    def forward(
        self,
        capsules: Tensor,
        iterations: int,
        mask: Tensor | None = None,
        heard: Tensor | None = None,
        squashed: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Lets lower capsules vote and routes them, Eqs. (3)-(7).

        Args:
            capsules: Shape ``(batch, lower, dim)``; fewer than there are weights for if the
                utterance is short.
            iterations: As in ``route``.
            mask: As in ``route``.
            heard: What comes from elsewhere into every vote, Eq. (9), ``(batch, upper, dim)``.
            squashed: As in ``route``.

        Returns:
            Upper capsules ``(batch, upper, dim)`` and couplings ``(batch, lower, upper)``.
        """
        offset = self.bias if heard is None else self.bias + heard
        weight = self.weight[: capsules.shape[1]]
        return vote_and_route(capsules, weight, offset, iterations, mask, squashed)


class CapsuleBranch(Branch):
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
        carry: Tensor | None = None,
        trace: Trace | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Turns maps into the windows' output vectors ``(batch, window, 72)``.

        RecCap hands the last of them on.
        """
        primary, counted = self.primary(maps, step_counts)
        outputs, couplings = self.route_windows(primary, counted, carry)
        if trace is not None:
            trace["window_couplings"] = couplings
        return outputs, None if self.recurrent_weight is None else outputs[:, -1]

    def decide(self, features: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns output vectors ``(batch, window, 72)`` into logits ``(batch, emotion)``."""
        mask = length_mask(window_counts(step_counts, self.settings), features.shape[1])
        capsules, couplings = self.route_utterance(features, mask)
        if trace is not None:
            trace["window_outputs"] = features
            trace["window_mask"] = mask
            trace["utterance_couplings"] = couplings
            trace["utterance_capsules"] = capsules
        logits: Tensor = self.head(output_vectors(capsules))
        return logits

    def route_windows(
        self, primary: Tensor, counted: Tensor | None, before: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Routes primary to window capsules, Eqs. (3)-(10).

        Args:
            primary: Primary capsules, shape ``(batch, window, lower, dim)``.
            counted: Which of them count, shape ``(batch, window, lower)``; all if None.
            before: Output vectors of the windows before, ``(batch, 72)``; zeros (o_0) if None.

        Returns:
            Output vectors of the windows, ``(batch, window, 72)``, and the couplings,
            ``(batch, window, lower, upper)``.
        """
        iterations = self.settings.routing_iterations
        if self.recurrent_weight is None:
            mask = None if counted is None else counted.flatten(0, 1)
            capsules, couplings = self.votes(primary.flatten(0, 1), iterations, mask)
            batch, window_count = primary.shape[:2]
            outputs = output_vectors(capsules).reshape(batch, window_count, -1)
            return outputs, couplings.reshape(batch, window_count, *couplings.shape[1:])
        output = primary.new_zeros(len(primary), OUTPUT_FEATURES) if before is None else before
        ahead = max(
            1, MIN_BATCH_FOR_FAST_PATH // len(primary)
        )  # windows whose votes are found together
        votes: Tensor | None = None
        all_outputs, all_couplings = [], []
        for window in range(primary.shape[1]):
            heard = torch.einsum("udf,bf->bud", self.recurrent_weight, output)  # W^o o_{t-1}
            mask = None if counted is None else counted[:, window]
            if ahead > 1 and window % ahead == 0:
                votes = self._vote_ahead(primary[:, window : window + ahead])
            if votes is not None:
                offset = (self.votes.bias + heard).unsqueeze(1)
                capsules, couplings = route(votes[:, window % ahead] + offset, iterations, mask)
            else:
                capsules, couplings = self.votes(primary[:, window], iterations, mask, heard)
            output = output_vectors(capsules)
            all_outputs.append(output)
            all_couplings.append(couplings)
        return torch.stack(all_outputs, 1), torch.stack(all_couplings, 1)

    def _vote_ahead(self, primary: Tensor) -> Tensor:
        """Votes of a few windows, without what they hear, in one product."""
        votes = vote(primary.flatten(0, 1), self.votes.weight)
        return votes.reshape(*primary.shape[:2], *votes.shape[1:])

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
