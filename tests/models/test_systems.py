from pathlib import Path

import pytest
import torch

import seqcap.models
from seqcap.errors import SettingsError
from seqcap.models.systems import SYSTEMS, CapsuleSettings, build, count_parameters

TABLE_II = {
    "CNN_GRU": 833_012,
    "CNN_Cap": 131_110_832,
    "LSTM_Cap": 17_607_492,
    "CNN_SeqCap": 703_540,
    "CNN_RecCap": 708_148,
    "CNN_GRU-SeqCap": 1_523_448,
    "CNN_GRU-RecCap": 1_528_056,
}
# Table I: 8 of 2x8, 8 of 8x2 on one channel, twice 16 of 5x5 on 16.
CNN = 2 * (8 * 16 + 8) + 2 * (16 * 16 * 25 + 16)


def shape_only(name: str, emotion_count: int) -> torch.nn.Module:
    with torch.device("meta"):
        return SYSTEMS[name].build(emotion_count, CapsuleSettings())


def dense(features: int, emotion_count: int) -> int:
    return features * 64 + 64 + 64 * emotion_count + emotion_count


def gru_branch(emotion_count: int) -> int:
    return 2 * 3 * (64 * 2048 + 64 * 64 + 64) + dense(128, emotion_count)


def capsule_branch(emotion_count: int, recurrent: bool) -> int:
    primary = 8 * (8 * 16 * 25 + 8)
    windows = 1280 * 8 * 8 * 8 + 8 * 8 + recurrent * 72 * 64
    utterance = emotion_count * (16 * 72 + 16)
    return primary + windows + utterance + dense(17 * emotion_count, emotion_count)


def by_formula(emotion_count: int) -> dict[str, int]:
    k = emotion_count
    blstm = 2 * 4 * (128 * 512 + 128 * 128 + 128) + 2 * 4 * (128 * 256 + 128 * 128 + 128)
    frames = 128 * 256 * 5 + 128 + 1000 * k * 32 * 128 + k * 32 + dense(33 * k, k)
    return {
        "CNN_GRU": CNN + gru_branch(k),
        "CNN_Cap": CNN + 8 * (8 * 16 * 25 + 8) + 256_000 * k * 16 * 8 + k * 16,
        "LSTM_Cap": blstm + frames,
        "CNN_SeqCap": CNN + capsule_branch(k, recurrent=False),
        "CNN_RecCap": CNN + capsule_branch(k, recurrent=True),
        "CNN_GRU-SeqCap": CNN + gru_branch(k) + capsule_branch(k, recurrent=False),
        "CNN_GRU-RecCap": CNN + gru_branch(k) + capsule_branch(k, recurrent=True),
    }


def test_table_ii_is_met_to_the_last_parameter():
    counts = {name: count_parameters(shape_only(name, 4)) for name in TABLE_II}
    assert counts == TABLE_II
    assert {name: SYSTEMS[name].paper_count for name in TABLE_II} == TABLE_II


@pytest.mark.parametrize("emotion_count", [2, 4, 7])
def test_counts_for_any_number_of_emotions_follow_from_the_formulas(emotion_count):
    counts = {name: count_parameters(shape_only(name, emotion_count)) for name in TABLE_II}
    assert counts == by_formula(emotion_count)


@pytest.mark.parametrize("name", ["CNN", "CNN_LSTM"])
def test_the_baselines_of_satt_stay_below_two_million_parameters(name):
    assert count_parameters(shape_only(name, 4)) < 2_000_000


def test_systems_come_in_the_papers_order_and_ours_behind_them():
    assert " ".join(SYSTEMS) == (
        "CNN CNN_LSTM CNN_GRU CNN_GRU_Att LSTM_Cap CNN_Cap CNN_SeqCap CNN_RecCap "
        "CNN_GRU-SeqCap CNN_GRU-RecCap Whisper Whisper-SeqCap"
    )


def test_windows_of_40_steps_with_stride_2_meet_table_ii_as_well():
    settings = CapsuleSettings(window_steps=40, shift_steps=20, primary_stride=2)
    system = build("CNN_SeqCap", 4, settings)
    assert count_parameters(system) == TABLE_II["CNN_SeqCap"]
    assert system(torch.randn(1, 250, 512), torch.tensor([250])).shape == (1, 1, 4)


def test_a_seed_makes_the_weights_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    first, same, other = (build("CNN_GRU-RecCap", 4, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_weights_start_within_xaviers_bounds_and_biases_at_zero():
    system = build("CNN_RecCap", 4, seed=0)
    weights = dict(system.named_parameters())
    assert all(not w.any() for name, w in weights.items() if "bias" in name)
    votes = weights["branches.0.votes.weight"]  # each W_ij is 8 x 8
    assert 0.6 < votes.abs().max() <= (6 / (8 + 8)) ** 0.5
    kernels = weights["cnn.layers.1.0.weight"]  # 16 channels of 5x5 to 16
    assert 0.08 < kernels.abs().max() <= (6 / (2 * 16 * 25)) ** 0.5


def test_an_unknown_system_is_named_beside_the_known_ones():
    with pytest.raises(SettingsError, match="'CNN_XCap' is unknown; did you mean 'CNN_Cap'"):
        build("CNN_XCap", 4)


def test_one_emotion_is_refused():
    with pytest.raises(SettingsError, match="1 emotions came; at least 2 are needed"):
        build("CNN_SeqCap", 1)


def test_no_system_is_tied_to_a_kind_of_device():
    sources = Path(seqcap.models.__file__).parent.glob("*.py")
    assert all(".cuda(" not in source.read_text() for source in sources)
