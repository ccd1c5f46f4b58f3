"""What does one routing layer cost beside the ways of public code?

    python benchmarks/routing.py [THREADS [keep]]

144 windows of 1,280 primary capsules of 8, routed to 8 of 8 in 3 iterations: one training step of
CNN_SeqCap. Forward, and forward with backward through all iterations; extra peak memory of the
latter, each in a process of its own. ``keep`` lets glibc keep freed memory, which is worth most to
the ways that need most. The ways, written out for the purpose:

- einsum: votes by einsum and kept, routing by einsum
- repeated weights: weights repeated over the batch, a broadcast matrix product per vote, routing by
  multiply and sum: the most copied style
- plain: this project's reference
- fast: what the systems run
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from measuring import child, machine, medians, peak_mb
from torch import Tensor

from seqcap.memory import keep_freed_memory
from seqcap.models.fast_routing import vote_and_sum
from seqcap.models.routing import route, squash, vote

WINDOWS, LOWER, UPPER, DIM = 144, 1280, 8, 8


def einsum(capsules: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Votes by einsum and kept."""
    votes = torch.einsum("bik,iudk->biud", capsules, weight) + bias
    logits = votes.new_zeros(votes.shape[:-1])
    for iteration in range(3):
        upper = squash(torch.einsum("biu,biud->bud", logits.softmax(-1), votes))
        if iteration < 2:
            logits = logits + torch.einsum("biud,bud->biu", votes, upper)
    return upper


def repeated_weights(capsules: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Weights repeated over the batch, routing by multiply and sum."""
    tiled = weight.unsqueeze(0).repeat(len(capsules), 1, 1, 1, 1)
    votes = (tiled @ capsules[:, :, None, :, None]).squeeze(-1) + bias
    logits = torch.zeros(*votes.shape[:3], 1)
    for iteration in range(3):
        upper = squash((logits.softmax(2) * votes).sum(1, keepdim=True))
        if iteration < 2:
            logits = logits + (votes * upper).sum(-1, keepdim=True)
    return upper.squeeze(1)


WAYS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "einsum": einsum,
    "repeated weights": repeated_weights,
    "plain": lambda capsules, weight, bias: route(vote(capsules, weight, bias))[0],
    "fast": lambda capsules, weight, bias: squash(vote_and_sum(capsules, weight, bias)[0]),
}


def layer() -> tuple[Tensor, Tensor, Tensor]:
    """Capsules, weights and bias, all with gradients."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(WINDOWS, LOWER, 8), (LOWER, UPPER, DIM, 8), (UPPER, DIM)]
    capsules, weight, bias = (
        (0.3 * torch.randn(shape, generator=generator)).requires_grad_() for shape in shapes
    )
    return capsules, weight, bias


def forward(way: str, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Routes without gradients."""
    with torch.no_grad():
        return WAYS[way](*inputs)


def forward_and_backward(way: str, inputs: tuple[Tensor, Tensor, Tensor]) -> object:
    """Routes and finds the gradients of capsules, weights and bias."""
    return torch.autograd.grad(WAYS[way](*inputs).square().sum(), inputs)


def extra_mb(way: str, threads: int) -> float:
    """Memory that a fresh process needs for forward and backward beyond its inputs."""
    return float(child(__file__, str(threads), way))


def main() -> None:
    """Prints the table, or one way's extra memory if one is named."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads()
    torch.set_num_threads(threads)
    inputs = layer()
    if sys.argv[2:] == ["keep"]:
        keep_freed_memory()
    elif len(sys.argv) > 2:
        before = peak_mb()
        forward_and_backward(sys.argv[2], inputs)
        print(peak_mb() - before)
        return
    expected = forward("einsum", inputs)
    for way in WAYS:
        torch.testing.assert_close(forward(way, inputs), expected, rtol=1e-4, atol=1e-5)
    ahead = medians({way: partial(forward, way, inputs) for way in WAYS}, 5)
    both = medians({way: partial(forward_and_backward, way, inputs) for way in WAYS}, 5)
    print(f"{Path(__file__).name}: {machine('torch')}\n")
    print("| way | forward, ms | and backward, ms | einsum takes | extra memory, MB |")
    print("|---|---:|---:|---:|---:|")
    for way in WAYS:
        print(
            f"| {way} | {1e3 * ahead[way]:.0f} | {1e3 * both[way]:.0f} | "
            f"{both['einsum'] / both[way]:.1f} x | {extra_mb(way, threads):.0f} |"
        )


if __name__ == "__main__":
    main()
