import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from seqcap.models.capsules import output_vectors
from seqcap.models.routing import route, squash, sum_by_agreement


def test_squash_by_hand():
    # |s| = 5: length 25/26, direction 3/5 and 4/5.
    squashed = squash(torch.tensor([3.0, 4.0]))
    assert_close(squashed, torch.tensor([25 / 26 * 0.6, 25 / 26 * 0.8]))


def test_squash_works_along_any_axis(generator):
    vectors = torch.randn(3, 5, 2, generator=generator)
    assert torch.equal(squash(vectors, dim=1), squash(vectors.transpose(1, 2)).transpose(1, 2))


@given(exponent=st.floats(-12, 6))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_squash_is_finite_keeps_directions_and_stays_below_one(dtype, exponent):
    vector = torch.tensor([2.0, -1.0, 2.0], dtype=dtype) / 3 * 10**exponent
    vector.requires_grad_()
    squashed = squash(vector)
    squashed.sum().backward()
    assert vector.grad is not None
    assert vector.grad.isfinite().all()
    assert squashed.dtype == dtype
    length = squashed.detach().double().norm().item()
    assert length <= 1 + 1e-2 * (dtype == torch.bfloat16) + 1e-6
    if exponent > -6:  # below, the length 1e-12 is near bfloat16's smallest numbers
        direction = squashed.detach().double() / length
        assert_close(direction, torch.tensor([2, -1, 2]) / 3.0 + 0.0 * direction, **NEAR[dtype])


NEAR = {
    torch.float32: {"rtol": 0.0, "atol": 1e-5},
    torch.float64: {"rtol": 0.0, "atol": 1e-6},
    torch.bfloat16: {"rtol": 0.0, "atol": 1e-2},
}


def test_the_zero_vector_stays_zero_with_a_finite_gradient():
    zero = torch.zeros(2, 3, requires_grad=True)
    squashed = squash(zero)
    squashed.sum().backward()
    assert not squashed.any()
    assert zero.grad is not None
    assert zero.grad.isfinite().all()


def test_one_iteration_couples_all_alike():
    votes = torch.tensor([[[[1.0, 0], [0, 1]], [[3.0, 0], [0, 1]]]])  # 2 lower, 2 upper
    capsules, couplings = route(votes, iterations=1)
    assert_close(couplings, torch.full((1, 2, 2), 0.5))
    # s_1 = (1 + 3) / 2 = 2: length 4/5; s_2 = (1 + 1) / 2 = 1: length 1/2.
    assert_close(capsules, torch.tensor([[[0.8, 0.0], [0.0, 0.5]]]))


def test_the_second_iteration_follows_agreement():
    votes = torch.tensor([[[[1.0, 0], [0, 1]], [[3.0, 0], [0, 1]]]])
    _, couplings = route(votes, iterations=2)
    # d = votes . v of the first iteration: (0.8, 0.5) and (2.4, 0.5).
    expected = torch.tensor([[[0.8, 0.5], [2.4, 0.5]]]).softmax(-1)
    assert_close(couplings, expected)


@pytest.mark.parametrize("iterations", range(1, 11))
@pytest.mark.parametrize("scale", [0.0, 1e-12, 1.0, 1e6])
def test_routing_is_finite_for_any_length_and_number_of_iterations(iterations, scale, generator):
    votes = scale * torch.randn(2, 6, 3, 4, generator=generator)
    votes.requires_grad_()
    capsules, couplings = route(votes, iterations)
    capsules.sum().backward()
    assert votes.grad is not None
    assert capsules.isfinite().all()
    assert votes.grad.isfinite().all()
    assert_close(couplings.sum(-1), torch.ones(2, 6))


def test_routing_in_half_precision_is_finite_and_near(generator):
    votes = torch.randn(2, 40, 8, 8, generator=generator)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        capsules, _ = route(votes.bfloat16())
    expected, _ = route(votes)
    assert_close(capsules.float(), expected, rtol=0, atol=0.05)


def test_the_order_of_lower_capsules_does_not_matter(generator):
    votes = torch.randn(2, 40, 8, 8, generator=generator, dtype=torch.float64)
    order = torch.randperm(40, generator=generator)
    capsules, couplings = route(votes)
    shuffled_capsules, shuffled_couplings = route(votes[:, order])
    assert_close(shuffled_capsules, capsules)
    assert_close(shuffled_couplings, couplings[:, order])


def test_masked_capsules_have_no_effect(generator):
    votes = torch.randn(1, 9, 4, 3, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[True, False, True, True, False, True, False, True, True]])
    capsules, couplings = route(votes, mask=mask)
    expected, expected_couplings = route(votes[:, mask[0]])
    assert_close(capsules, expected)
    assert_close(couplings[:, mask[0]], expected_couplings)
    assert not couplings[:, ~mask[0]].any()


def test_sums_keep_the_length_that_squashing_rounds_away():
    votes = torch.full((1, 1000, 2, 1), 50.0)
    sums, _ = sum_by_agreement(votes)
    capsules, _ = route(votes)
    assert torch.equal(capsules, torch.ones(1, 2, 1))
    assert_close(sums, torch.full((1, 2, 1), 25_000.0))


def test_fewer_than_one_iteration_is_an_error():
    with pytest.raises(ValueError, match="0 routing iterations came; at least 1 is needed"):
        route(torch.zeros(1, 2, 3, 4), iterations=0)


def test_output_vectors_are_all_vectors_then_all_lengths():
    capsules = torch.tensor([[[3.0, 4.0], [0.0, 2.0]]])
    assert output_vectors(capsules).tolist() == [[3, 4, 0, 2, 5, 2]]
