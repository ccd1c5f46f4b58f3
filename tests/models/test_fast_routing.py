import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from seqcap.models import fast_routing
from seqcap.models.fast_routing import vote_and_sum
from seqcap.models.routing import sum_by_agreement, vote


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(fast_routing, "MIN_BATCH_FOR_FAST_PATH", 0)
    monkeypatch.setattr(fast_routing, "_VALUES_AT_ONCE", 100)  # several parts, the last one short


def layer(
    generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    shapes = [(3, 7, 5), (7, 4, 3, 5), (3, 4, 3)]  # capsules, weight, bias
    capsules, weight, bias = (
        torch.randn(shape, dtype=dtype, generator=generator, requires_grad=True) for shape in shapes
    )
    return capsules, weight, bias


@pytest.mark.parametrize("iterations", [1, 2, 3, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_fast_routing_is_plain_routing(iterations, masked, generator):
    capsules, weight, bias = layer(generator)
    mask = torch.tensor([[True] * 7, [True] * 3 + [False] * 4, [False] * 7]) if masked else None
    sums, couplings = vote_and_sum(capsules, weight, bias, iterations, mask)
    votes = vote(capsules, weight, bias)
    plain_sums, plain_couplings = sum_by_agreement(votes, iterations, mask)
    assert_close(sums, plain_sums)
    assert_close(couplings, plain_couplings)
    inputs = [capsules, weight, bias]
    upstream = torch.randn(sums.shape, dtype=sums.dtype, generator=generator)
    for fast, plain in zip(
        torch.autograd.grad(sums, inputs, upstream),
        torch.autograd.grad(plain_sums, inputs, upstream),
        strict=True,
    ):
        assert_close(fast, plain)


@pytest.mark.parametrize("iterations", [1, 3])
def test_fast_gradients_are_those_of_finite_differences(iterations, generator):
    capsules, weight, bias = layer(generator)
    mask = torch.rand(3, 7, generator=generator) > 0.3

    def summed(*inputs: Tensor) -> Tensor:
        return vote_and_sum(*inputs, iterations, mask)[0]

    assert torch.autograd.gradcheck(summed, (capsules, weight, bias))


def test_a_shared_bias_gets_the_sum_of_gradients(generator):
    capsules, weight, biases = layer(generator)
    bias = biases.detach()[0].requires_grad_()
    sums, _ = vote_and_sum(capsules, weight, bias)
    plain, _ = sum_by_agreement(vote(capsules, weight, bias))
    upstream = torch.randn(sums.shape, dtype=sums.dtype, generator=generator)
    (fast_gradient,) = torch.autograd.grad(sums, bias, upstream)
    (plain_gradient,) = torch.autograd.grad(plain, bias, upstream)
    assert_close(fast_gradient, plain_gradient)


def test_any_memory_layout_works_and_inputs_are_not_changed(generator):
    capsules, weight, bias = layer(generator)
    strided = [
        capsules.detach().transpose(0, 2).contiguous().transpose(0, 2),
        weight.detach().contiguous(memory_format=torch.channels_last),
        bias.detach().transpose(0, 1).contiguous().transpose(0, 1),
    ]
    inputs = [tensor.requires_grad_() for tensor in strided]
    mask = torch.rand(3, 7, generator=generator) > 0.3
    sums, _ = vote_and_sum(*inputs, mask=mask)
    expected, _ = vote_and_sum(capsules, weight, bias, mask=mask)
    assert_close(sums, expected)
    gradients = torch.autograd.grad(sums.sum(), inputs)
    expected_gradients = torch.autograd.grad(expected.sum(), [capsules, weight, bias])
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        assert_close(gradient, expected_gradient)
    for given, original in zip(inputs, [capsules, weight, bias], strict=True):
        assert_close(given, original, rtol=0, atol=0)


def test_a_batch_of_one_leaves_its_capsules_as_they_were(generator):
    capsules = torch.randn(1, 40, 8, generator=generator)
    before = capsules.clone()
    mask = torch.zeros(1, 40, dtype=torch.bool)
    sums, couplings = vote_and_sum(
        capsules, torch.randn(40, 8, 8, 8, generator=generator), torch.zeros(8, 8), mask=mask
    )
    assert torch.equal(capsules, before)
    assert sums.count_nonzero() == 0
    assert couplings.count_nonzero() == 0


def test_half_precision_is_routed_in_single(generator):
    capsules, weight, bias = layer(generator, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        sums, _ = vote_and_sum(capsules.bfloat16(), weight, bias)
    assert sums.dtype == torch.float32
    sums.sum().backward()
    assert capsules.grad is not None
    assert capsules.grad.isfinite().all()


def test_fewer_than_one_iteration_is_an_error(generator):
    with pytest.raises(ValueError, match="0 routing iterations came; at least 1 is needed"):
        vote_and_sum(*layer(generator), iterations=0)
