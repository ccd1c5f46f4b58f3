r"""Dynamic routing by agreement between two layers of capsules, Sec. IV-A, Eqs. (3)-(7).

No parameters live here. Axis order of votes: ``(batch, lower, upper, dim)``.
"""

import torch
from torch import Tensor

# Choice: below this squared length a capsule counts as zero, so that lengths from 0 to 1e-12 have
# finite gradients; 1e-30 is still a normal float32 and bfloat16 number.
SMALLEST_SQUARED_LENGTH = 1e-30


def squash(vectors: Tensor, dim: int = -1) -> Tensor:
    r"""Shrinks vectors to a length below one and keeps their direction, Eq. (6).

    :math:`v = \frac{|s|^2}{1 + |s|^2} \frac{s}{|s|}`

    Args:
        vectors: :math:`s`, shape ``(..., dim)``, any length; the zero vector stays zero.
        dim: The axis that is the vector's, the last as a rule.

    Returns:
        :math:`v`, same shape and type, lengths in [0, 1).

    Example:
        >>> squash(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()[1]
        [0.0, 0.0]
        >>> round(squash(torch.tensor([3.0, 4.0])).norm().item(), 4)  # 25 / 26
        0.9615
    """
    wide = vectors if vectors.dtype == torch.float64 else vectors.float()
    squared_lengths = wide.square().sum(dim, keepdim=True).clamp(min=SMALLEST_SQUARED_LENGTH)
    # |s|^2 / (1 + |s|^2) / |s|, written so that nothing overflows before 1e19.
    scale = squared_lengths.sqrt() / (1 + squared_lengths)
    return (wide * scale).to(vectors.dtype)


def route(
    votes: Tensor, iterations: int = 3, mask: Tensor | None = None, squashed: bool = True
) -> tuple[Tensor, Tensor]:
    r"""Routes lower capsules to upper capsules by agreement, Eqs. (4)-(7).

    Gradients flow through all iterations, as in the paper.

    Args:
        votes: :math:`\hat u_{j|i}`, what lower capsule i predicts for upper capsule j, shape
            ``(batch, lower, upper, dim)``.
        iterations: How often Eqs. (4)-(7) are gone through, at least 1; the paper takes 3.
        mask: True where a lower capsule counts, shape ``(batch, lower)``; those where it is
            False have couplings of zero, as if they were not there. All count if None.
        squashed: False for :math:`s_j` instead of :math:`v_j`: its length still tells apart what
            is too near to one for a float32 after Eq. (6).

    Returns:
        The upper capsules :math:`v_j` (or :math:`s_j`), shape ``(batch, upper, dim)``, and the
        couplings :math:`c_{ij}` of the last iteration, shape ``(batch, lower, upper)``.

    Raises:
        ValueError: Fewer than one iteration.

    Example:
        >>> upper, couplings = route(torch.randn(2, 40, 8, 16))
        >>> upper.shape, couplings.shape
        (torch.Size([2, 8, 16]), torch.Size([2, 40, 8]))
    """
    if iterations < 1:
        raise ValueError(f"{iterations} routing iterations came; at least 1 is needed")
    # Products and sums over the longest axis, which vote() has left innermost in memory.
    by_upper = votes.permute(0, 2, 3, 1)  # (batch, upper, dim, lower)
    logits = by_upper.new_zeros(votes.shape[0], votes.shape[2], votes.shape[1])  # d_ij
    couplings, sums = _sum_votes(by_upper, logits, mask)
    for _ in range(iterations - 1):
        logits = logits + (by_upper * squash(sums).unsqueeze(-1)).sum(2)  # Eqs. (6), (7)
        couplings, sums = _sum_votes(by_upper, logits, mask)
    return squash(sums) if squashed else sums, couplings.transpose(1, 2)


def _sum_votes(by_upper: Tensor, logits: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    couplings = logits.softmax(dim=1)  # c_ij, Eq. (4)
    if mask is not None:
        couplings = couplings * mask.unsqueeze(1)
    return couplings, (by_upper * couplings.unsqueeze(2)).sum(-1)  # s_j, Eq. (5)


def vote(capsules: Tensor, weight: Tensor) -> Tensor:
    r"""Votes without bias, :math:`W_{ij} u_i` of Eq. (3).

    Args:
        capsules: :math:`u_i`, shape ``(batch, lower, dim_in)``.
        weight: :math:`W_{ij}`, shape ``(lower, upper, dim, dim_in)``.

    Returns:
        Shape ``(batch, lower, upper, dim)``, in memory with ``lower`` innermost.
    """
    # One matrix product per lower capsule.
    votes = torch.bmm(weight.flatten(1, 2), capsules.permute(1, 2, 0))
    by_upper = votes.permute(2, 1, 0).contiguous().reshape(len(capsules), *weight.shape[1:3], -1)
    return by_upper.permute(0, 3, 1, 2)
