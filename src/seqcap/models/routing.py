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


def vote(capsules: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    r"""Lower capsules vote for upper capsules, Eq. (3): :math:`\hat u_{j|i} = W_{ij} u_i + b_j`.

    Args:
        capsules: :math:`u_i`, shape ``(batch, lower, dim_in)``.
        weight: :math:`W_{ij}`, shape ``(lower, upper, dim, dim_in)``.
        bias: :math:`b_j`, shape ``(upper, dim)``; or one for each example, as in Eq. (9),
            shape ``(batch, upper, dim)``.

    Returns:
        Votes :math:`\hat u_{j|i}`, shape ``(batch, lower, upper, dim)``, in memory with ``lower``
        innermost.

    Example:
        >>> capsules, weight = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[[3.0, 4.0]]]])
        >>> vote(capsules, weight, torch.tensor([[5.0]])).item()  # 3 + 8 + 5
        16.0
    """
    # One matrix product per lower capsule.
    products = torch.bmm(weight.flatten(1, 2), capsules.permute(1, 2, 0))
    by_upper = products.permute(2, 1, 0).contiguous()
    by_upper = by_upper.reshape(len(capsules), *weight.shape[1:3], -1)
    return by_upper.permute(0, 3, 1, 2) + bias.unsqueeze(-3)


def route(votes: Tensor, iterations: int = 3, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Routes lower capsules to upper capsules by agreement, Eqs. (4)-(7).

    Gradients flow through all iterations, as in the paper.

    Args:
        votes: :math:`\hat u_{j|i}`, what lower capsule i predicts for upper capsule j, shape
            ``(batch, lower, upper, dim)``.
        iterations: How often Eqs. (4)-(7) are repeated, at least 1; the paper takes 3.
        mask: True where a lower capsule counts, shape ``(batch, lower)``; the others have
            couplings of zero, as if they did not exist. All count if None.

    Returns:
        The upper capsules :math:`v_j`, shape ``(batch, upper, dim)``, and the couplings
        :math:`c_{ij}` of the last iteration, shape ``(batch, lower, upper)``.

    Raises:
        ValueError: Fewer than one iteration.

    Example:
        >>> upper, couplings = route(torch.randn(2, 40, 8, 16))
        >>> upper.shape, couplings.shape
        (torch.Size([2, 8, 16]), torch.Size([2, 40, 8]))
    """
    sums, couplings = sum_by_agreement(votes, iterations, mask)
    return squash(sums), couplings  # v_j, Eq. (6)


def sum_by_agreement(
    votes: Tensor, iterations: int = 3, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""Gives :math:`s_j` of `route`, before the last squash.

    Args:
        votes: As for `route`, shape ``(batch, lower, upper, dim)``.
        iterations: As for `route`.
        mask: As for `route`.

    Returns:
        The sums :math:`s_j`, shape ``(batch, upper, dim)``: float32 tells their lengths apart where
        those of :math:`v_j` round to one. And the couplings, as `route`.

    Example:
        >>> votes = torch.full((1, 1000, 2, 1), 50.0)
        >>> sum_by_agreement(votes)[0].flatten().tolist(), route(votes)[0].flatten().tolist()
        ([25000.0, 25000.0], [1.0, 1.0])
    """
    if iterations < 1:
        raise ValueError(f"{iterations} routing iterations came; at least 1 is needed")
    votes = votes.permute(0, 2, 3, 1)  # (B, J, D, I): `vote` has left the longest axis innermost
    logits = votes.new_zeros(votes.shape[0], votes.shape[1], votes.shape[3])  # d_ij = 0, (B, J, I)
    for iteration in range(iterations):
        couplings = logits.softmax(dim=1)  # c_ij, Eq. (4)
        if mask is not None:
            couplings = couplings * mask.unsqueeze(1)
        sums = (votes * couplings.unsqueeze(2)).sum(-1)  # s_j, Eq. (5), (B, J, D)
        if iteration + 1 < iterations:
            capsules = squash(sums)  # v_j, Eq. (6)
            logits = logits + (votes * capsules.unsqueeze(-1)).sum(2)  # d_ij + u_j|i . v_j, Eq. (7)
    return sums, couplings.transpose(1, 2)
