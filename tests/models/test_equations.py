"""The paper's equations against float64 vectors that an independent program made."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from seqcap.models.capsules import CapsuleBranch, CapsuleSettings
from seqcap.models.recurrent import attend
from seqcap.models.routing import route, squash


def assert_met(actual: Tensor, expected: Tensor) -> None:
    assert_close(actual, expected, rtol=1e-6, atol=1e-12)


def branch_of(golden: dict[str, Tensor], recurrent: bool) -> CapsuleBranch:
    # 5 steps x 1 bin x 8 convolutions: the 40 lower capsules of the vectors.
    settings = CapsuleSettings(window_steps=5, shift_steps=5)
    branch = CapsuleBranch(1, 1, emotion_count=4, recurrent=recurrent, settings=settings).double()
    weights = {"votes.weight": "W", "votes.bias": "b", "recurrent_weight": "Wo"}
    weights |= {"utterance_weight": "U", "utterance_bias": "bu"}
    with torch.no_grad():
        for name, parameter in branch.named_parameters():
            if name in weights:
                parameter.copy_(golden[weights[name]])
    return branch


def test_squash_is_equation_6(golden):
    assert_met(squash(golden["squash_in"]), golden["squash_out"])


@pytest.mark.parametrize("iterations", [1, 2, 3, 4])
def test_routing_is_equations_4_to_7(golden, iterations):
    capsules, couplings = route(golden["u_hat"].unsqueeze(0), iterations)
    assert_met(capsules[0], golden[f"route{iterations}_v"])
    assert_met(couplings[0], golden[f"route{iterations}_c"])


@pytest.mark.parametrize(("recurrent", "name"), [(False, "seq_o"), (True, "rec_o")])
def test_window_outputs_are_equations_3_to_10(golden, recurrent, name):
    outputs, _ = branch_of(golden, recurrent).route_windows(golden["u_seq"].unsqueeze(0), None)
    assert_met(outputs[0], golden[name])


def test_windows_are_routed_to_the_utterance(golden):
    branch = branch_of(golden, recurrent=False)
    everywhere = torch.ones(1, 7, dtype=torch.bool)
    capsules, couplings = branch.route_utterance(golden["seq_o"].unsqueeze(0), everywhere)
    assert_met(capsules[0], golden["utt_v"])
    assert_met(couplings[0], golden["utt_c"])


def test_windows_of_padding_count_for_nothing(golden):
    branch = branch_of(golden, recurrent=False)
    mask = golden["mask"].bool().unsqueeze(0)
    capsules, couplings = branch.route_utterance(golden["seq_o"].unsqueeze(0), mask)
    assert_met(capsules[0], golden["utt_masked_v"])
    assert_met(couplings[0, :5], golden["utt_masked_c"][:5])
    assert couplings[0, 5:].count_nonzero() == 0


def test_attention_is_equations_1_and_2(golden):
    pooled, attention = attend(golden["att_y"].unsqueeze(0), golden["att_w"])
    assert_met(pooled[0], golden["att_z"])
    assert_met(attention[0], golden["att_alpha"])
