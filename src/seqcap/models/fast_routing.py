r"""Votes and routing at once, without keeping all votes. A reader of the paper may skip this file.

`vote_and_sum` gives the numbers of ``sum_by_agreement(vote(...))`` in `seqcap.models.routing`, and
its gradients, faster and in less memory: a test compares both.

A window has 1,280 x 8 votes of 8 values, eight times as many numbers as its primary capsules. They
need not be kept, because the logits of Eq. (7) are

.. math:: d_{ij} = \hat u_{j|i} \cdot V_j, \qquad V_j = \text{the sum of all } v_j \text{ so far}.

So each iteration is one sweep over parts of the lower capsules: vote (a small matrix product),
agree with V, Eq. (4), add to s, Eq. (5). A part stays in the processor's cache. The first iteration
has uniform couplings, so it is one matrix product. The bias does not depend on the lower capsule
and is added outside the sweep. The gradient goes the same way through all iterations.

Axis order inside: ``(lower, upper, dim, batch)``, so that the longest axis is the innermost.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqcap.models.routing import squash, sum_by_agreement, vote

# Below so many side by side the batch is too short to be the innermost axis, and keeping all votes
# (up to 16 MiB in float32) is faster.
MIN_BATCH_FOR_FAST_PATH = 16
_MIN_VALUES_FOR_FAST_PATH = 2**22

_VALUES_AT_ONCE = 2**18  # votes of one part and thread, 1 MiB in float32: what a core's cache holds
# A whole batch at once, 256 MiB, so that a GPU gets few kernels; not measured against other sizes.
_VALUES_AT_ONCE_ON_GPU = 2**26


def vote_and_sum(
    capsules: Tensor,
    weight: Tensor,
    bias: Tensor,
    iterations: int = 3,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Lower capsules vote, Eq. (3), and their votes are summed by agreement, Eqs. (4)-(7).

    Equal to ``sum_by_agreement(vote(capsules, weight, bias), iterations, mask)``, but the couplings
    carry no gradient.

    Args:
        capsules: :math:`u_i`, shape ``(batch, lower, dim_in)``.
        weight: :math:`W_{ij}`, shape ``(lower, upper, dim, dim_in)``.
        bias: :math:`b_j`, shape ``(upper, dim)`` or ``(batch, upper, dim)``.
        iterations: As in `route`.
        mask: As in `route`.

    Returns:
        The sums :math:`s_j`, shape ``(batch, upper, dim)``, and the couplings of the last
        iteration, ``(batch, lower, upper)``.

    Raises:
        ValueError: Fewer than one iteration.

    Example:
        >>> sums, couplings = vote_and_sum(
        ...     torch.randn(20, 40, 8), torch.randn(40, 4, 16, 8), torch.zeros(4, 16)
        ... )
        >>> sums.shape, couplings.shape
        (torch.Size([20, 4, 16]), torch.Size([20, 40, 4]))
    """
    batch, lower, dim_in = capsules.shape
    votes_per_capsule = weight.shape[1] * weight.shape[2]
    few = (
        batch < MIN_BATCH_FOR_FAST_PATH
        and batch * lower * votes_per_capsule <= _MIN_VALUES_FOR_FAST_PATH
    )
    # torch.compile and exporters take the plain version: they fuse it themselves.
    if few or votes_per_capsule <= dim_in or torch.compiler.is_compiling() or iterations < 1:
        return sum_by_agreement(vote(capsules, weight, bias), iterations, mask)
    bias = bias.expand(batch, -1, -1)
    dtype = torch.promote_types(weight.dtype, torch.float32)
    with torch.autocast(capsules.device.type, enabled=False):
        sums, couplings = _VoteAndSum.apply(  # type: ignore[no-untyped-call]
            capsules.to(dtype), weight.to(dtype), bias.to(dtype), mask, iterations
        )
    return sums, couplings


class _VoteAndSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        capsules: Tensor,
        weight: Tensor,
        bias: Tensor,
        mask: Tensor | None,
        iterations: int,
    ) -> tuple[Tensor, Tensor]:
        upper = weight.shape[1]
        weight = weight.contiguous()
        columns = capsules.permute(1, 2, 0).contiguous()  # u, (lower, dim_in, batch)
        bias = bias.permute(1, 2, 0).contiguous()
        uniform = columns.new_full((weight.shape[0], columns.shape[2]), 1 / upper)
        if mask is not None:
            columns = columns * mask.T.unsqueeze(1)
            uniform = uniform * mask.T
        # Iteration 1: d = 0, all couplings are equal.
        by_upper = weight.permute(1, 2, 0, 3).flatten(0, 1).flatten(1)
        sums = (by_upper @ columns.flatten(0, 1) / upper).view(bias.shape)
        sums = sums + bias * uniform.sum(0)
        couplings = uniform.unsqueeze(1).expand(-1, upper, -1)
        all_sums, all_agreed, all_couplings = [], [], []
        agreed = torch.zeros_like(sums)  # V
        for _ in range(iterations - 1):
            agreed = agreed + squash(sums, dim=1)
            all_sums.append(sums)
            couplings, sums = _iterate(weight, columns, bias, agreed, mask)
            all_agreed.append(agreed)
            all_couplings.append(couplings)
        ctx.save_for_backward(
            weight, columns, bias, uniform, *all_sums, *all_agreed, *all_couplings
        )
        returned = couplings.permute(2, 0, 1)
        ctx.mark_non_differentiable(returned)
        return sums.permute(2, 0, 1).contiguous(), returned

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        weight, columns, bias, uniform, *saved = ctx.saved_tensors
        sweeps = len(saved) // 3  # iterations after the first
        grad_s = gradient.permute(1, 2, 0).contiguous()
        grad_agreed = torch.zeros_like(grad_s)
        factors: list[tuple[Tensor, Tensor]] = []  # the votes' gradient is the sum of products
        for sums, agreed, couplings in zip(
            reversed(saved[:sweeps]),
            reversed(saved[sweeps : 2 * sweeps]),
            reversed(saved[2 * sweeps :]),
            strict=True,
        ):
            grad_d, grad_here = _iterate_back(weight, columns, bias, couplings, grad_s)
            grad_here += bias * grad_d.sum(0).unsqueeze(1)
            factors += [(couplings, grad_s), (grad_d, agreed)]
            grad_agreed = grad_agreed + grad_here  # V holds the v of all iterations before
            grad_s = _squash_gradient(sums, grad_agreed)
        factors.append((uniform.unsqueeze(1), grad_s))
        grad_columns, grad_weight = _assemble(weight, columns, factors)
        grad_bias = torch.stack([c.sum(0).unsqueeze(1) * g for c, g in factors]).sum(0)
        return grad_columns.permute(2, 0, 1), grad_weight, grad_bias.permute(2, 0, 1), None, None


def _parts(weight: Tensor, columns: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yields parts of the lower capsules and room for their votes, twice; always the same room."""
    lower, upper, dim, _ = weight.shape
    batch = columns.shape[2]
    on_processor = _VALUES_AT_ONCE * torch.get_num_threads()
    values = on_processor if columns.device.type == "cpu" else _VALUES_AT_ONCE_ON_GPU
    size = min(lower, max(1, values // (upper * dim * batch)))
    votes, scratch = columns.new_empty(2, size, upper, dim, batch)
    for start in range(0, lower, size):
        here = slice(start, min(start + size, lower))
        count = here.stop - here.start
        yield here, votes[:count], scratch[:count]


def _vote(weight: Tensor, columns: Tensor, votes: Tensor) -> None:
    torch.bmm(weight.flatten(1, 2), columns, out=votes.flatten(1, 2))


def _iterate(
    weight: Tensor, columns: Tensor, bias: Tensor, agreed: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """One iteration: couplings ``(lower, upper, batch)`` and s, ``(upper, dim, batch)``."""
    lower, upper, _, _ = weight.shape
    couplings = columns.new_empty(lower, upper, columns.shape[2])
    sums = torch.zeros_like(bias)
    common = (bias * agreed).sum(1)
    for here, votes, scratch in _parts(weight, columns):
        _vote(weight[here], columns[here], votes)
        logits = torch.mul(votes, agreed, out=scratch).sum(2).add_(common)  # d_ij, Eq. (7)
        torch.softmax(logits, 1, out=couplings[here])  # c_ij, Eq. (4)
        if mask is not None:
            couplings[here] *= mask.T[here].unsqueeze(1)
        torch.mul(votes, couplings[here].unsqueeze(2), out=scratch)
        sums += scratch.sum(0)  # s_j, Eq. (5)
    return couplings, sums.add_(bias * couplings.sum(0).unsqueeze(1))


def _iterate_back(
    weight: Tensor, columns: Tensor, bias: Tensor, couplings: Tensor, grad_s: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of one iteration's logits and, but for the bias's part, of its V."""
    grad_d = torch.empty_like(couplings)
    grad_agreed = torch.zeros_like(bias)
    common = (bias * grad_s).sum(1)
    for here, votes, scratch in _parts(weight, columns):
        _vote(weight[here], columns[here], votes)
        grad_c = torch.mul(votes, grad_s, out=scratch).sum(2).add_(common)
        mean = (couplings[here] * grad_c).sum(1, keepdim=True)
        torch.mul(couplings[here], grad_c.sub_(mean), out=grad_d[here])
        torch.mul(votes, grad_d[here].unsqueeze(2), out=scratch)
        grad_agreed += scratch.sum(0)
    return grad_d, grad_agreed


def _assemble(
    weight: Tensor, columns: Tensor, factors: list[tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Gradients of u and W from the votes' gradient, a sum of products that is never whole."""
    grad_columns, grad_weight = torch.empty_like(columns), torch.empty_like(weight)
    (first, first_vector), *others = factors
    for here, grad_votes, _ in _parts(weight, columns):
        torch.mul(first[here].unsqueeze(2), first_vector, out=grad_votes)
        for factor, vector in others:
            grad_votes.addcmul_(factor[here].unsqueeze(2), vector)
        flat = grad_votes.flatten(1, 2)
        torch.bmm(weight[here].flatten(1, 2).transpose(1, 2), flat, out=grad_columns[here])
        out = grad_weight[here].flatten(1, 2)
        torch.bmm(flat, columns[here].transpose(1, 2), out=out)
    return grad_columns, grad_weight


def _squash_gradient(sums: Tensor, gradient: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = sums.detach().requires_grad_()
        (result,) = torch.autograd.grad(squash(leaf, dim=1), leaf, gradient)
    return result
