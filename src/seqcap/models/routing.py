r"""Dynamic routing by agreement between two layers of capsules, Sec. IV-A, Eqs. (3)-(7).

No parameters live here. Axis order of votes: ``(batch, lower, upper, dim)``.
"""

import torch
from torch import Tensor

# Choice: below this squared length a capsule counts as zero, so that lengths from 0 to 1e-12 have
# finite gradients; 1e-30 is still a normal float32 and bfloat16 number.
SMALLEST_SQUARED_LENGTH = 1e-30


def squash(vectors: Tensor) -> Tensor:
    r"""Shrinks vectors to a length below one and keeps their direction, Eq. (6).

    :math:`v = \frac{|s|^2}{1 + |s|^2} \frac{s}{|s|}`

    Args:
        vectors: :math:`s`, shape ``(..., dim)``, any length; the zero vector stays zero.

    Returns:
        :math:`v`, same shape and type, lengths in [0, 1).

    Example:
        >>> squash(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()[1]
        [0.0, 0.0]
        >>> round(squash(torch.tensor([3.0, 4.0])).norm().item(), 4)  # 25 / 26
        0.9615
    """
    wide = vectors if vectors.dtype == torch.float64 else vectors.float()
    squared_lengths = wide.square().sum(-1, keepdim=True).clamp(min=SMALLEST_SQUARED_LENGTH)
    # |s|^2 / (1 + |s|^2) / |s|, written so that nothing overflows before 1e19.
    scale = squared_lengths.sqrt() / (1 + squared_lengths)
    return (wide * scale).to(vectors.dtype)


def route(votes: Tensor, iterations: int = 3, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Routes lower capsules to upper capsules by agreement, Eqs. (4)-(7).

    Gradients flow through all iterations, as in the paper.

    Args:
        votes: :math:`\hat u_{j|i}`, what lower capsule i predicts for upper capsule j, shape
            ``(batch, lower, upper, dim)``.
        iterations: How often Eqs. (4)-(7) are gone through, at least 1; the paper takes 3.
        mask: True where a lower capsule counts, shape ``(batch, lower)``; those where it is
            False have couplings of zero, as if they were not there. All count if None.

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
    if iterations < 1:
        raise ValueError(f"{iterations} routing iterations came; at least 1 is needed")
    logits = votes.new_zeros(votes.shape[:-1])  # d_ij
    for iteration in range(iterations):
        couplings = logits.softmax(dim=-1)  # c_ij, Eq. (4)
        if mask is not None:
            couplings = couplings * mask.unsqueeze(-1)
        upper = squash(torch.einsum("biu,biud->bud", couplings, votes))  # Eqs. (5), (6)
        if iteration < iterations - 1:
            logits = logits + torch.einsum("biud,bud->biu", votes, upper)  # Eq. (7)
    return upper, couplings
