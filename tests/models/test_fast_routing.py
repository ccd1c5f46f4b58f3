import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from seqcap.models import fast_routing
from seqcap.models.fast_routing import vote_and_route
from seqcap.models.routing import route, vote


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(fast_routing, "MIN_BATCH_FOR_FAST_PATH", 0)
    monkeypatch.setattr(fast_routing, "_VALUES_AT_ONCE", 100)  # several parts, the last one short


def layer(
    generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    shapes = [(3, 7, 5), (7, 4, 3, 5), (3, 4, 3)]  # capsules, weight, offset
    capsules, weight, offset = (
        torch.randn(shape, dtype=dtype, generator=generator, requires_grad=True) for shape in shapes
    )
    return capsules, weight, offset


@pytest.mark.parametrize("iterations", [1, 2, 3, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_fast_routing_is_plain_routing(iterations, masked, generator):
    capsules, weight, offset = layer(generator)
    mask = torch.tensor([[True] * 7, [True] * 3 + [False] * 4, [False] * 7]) if masked else None
    upper, couplings = vote_and_route(capsules, weight, offset, iterations, mask)
    votes = vote(capsules, weight) + offset.unsqueeze(1)
    plain_upper, plain_couplings = route(votes, iterations, mask)
    assert_close(upper, plain_upper)
    assert_close(couplings, plain_couplings)
    inputs = [capsules, weight, offset]
    upstream = torch.randn(upper.shape, dtype=upper.dtype, generator=generator)
    for lean, plain in zip(
        torch.autograd.grad(upper, inputs, upstream),
        torch.autograd.grad(plain_upper, inputs, upstream),
        strict=True,
    ):
        assert_close(lean, plain)


@pytest.mark.parametrize("iterations", [1, 3])
def test_lean_gradients_are_those_of_finite_differences(iterations, generator):
    capsules, weight, offset = layer(generator)
    mask = torch.rand(3, 7, generator=generator) > 0.3

    def upper(*inputs: Tensor) -> Tensor:
        return vote_and_route(*inputs, iterations, mask)[0]

    assert torch.autograd.gradcheck(upper, (capsules, weight, offset))


def test_one_bias_for_all_gets_the_sum_of_gradients(generator):
    capsules, weight, offset = layer(generator)
    bias = offset.detach()[0].requires_grad_()
    upper, _ = vote_and_route(capsules, weight, bias)
    plain, _ = route(vote(capsules, weight) + bias)
    upstream = torch.randn(upper.shape, dtype=upper.dtype, generator=generator)
    (lean_gradient,) = torch.autograd.grad(upper, bias, upstream)
    (plain_gradient,) = torch.autograd.grad(plain, bias, upstream)
    assert_close(lean_gradient, plain_gradient)


def test_any_order_in_memory_will_do_and_nothing_given_is_changed(generator):
    capsules, weight, offset = layer(generator)
    strided = [
        capsules.detach().transpose(0, 2).contiguous().transpose(0, 2),
        weight.detach().contiguous(memory_format=torch.channels_last),
        offset.detach().transpose(0, 1).contiguous().transpose(0, 1),
    ]
    inputs = [tensor.requires_grad_() for tensor in strided]
    mask = torch.rand(3, 7, generator=generator) > 0.3
    upper, _ = vote_and_route(*inputs, mask=mask)
    expected, _ = vote_and_route(capsules, weight, offset, mask=mask)
    assert_close(upper, expected)
    gradients = torch.autograd.grad(upper.sum(), inputs)
    expected_gradients = torch.autograd.grad(expected.sum(), [capsules, weight, offset])
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        assert_close(gradient, expected_gradient)
    for given, original in zip(inputs, [capsules, weight, offset], strict=True):
        assert_close(given, original, rtol=0, atol=0)


def test_a_batch_of_one_leaves_its_capsules_as_they_were(generator):
    capsules = torch.randn(1, 40, 8, generator=generator)
    before = capsules.clone()
    mask = torch.zeros(1, 40, dtype=torch.bool)
    upper, couplings = vote_and_route(
        capsules, torch.randn(40, 8, 8, 8, generator=generator), torch.zeros(8, 8), mask=mask
    )
    assert torch.equal(capsules, before)
    assert upper.count_nonzero() == 0
    assert couplings.count_nonzero() == 0


def test_half_precision_is_routed_in_single(generator):
    capsules, weight, offset = layer(generator, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        upper, _ = vote_and_route(capsules.bfloat16(), weight, offset)
    assert upper.dtype == torch.float32
    upper.sum().backward()
    assert capsules.grad is not None
    assert capsules.grad.isfinite().all()


def test_fewer_than_one_iteration_is_an_error(generator):
    with pytest.raises(ValueError, match="0 routing iterations came; at least 1 is needed"):
        vote_and_route(*layer(generator), iterations=0)
