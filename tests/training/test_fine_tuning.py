from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcap.audio.normalisation import Normalisation
from seqcap.audio.spectrogram import BIN_COUNT
from seqcap.corpora.fold import Fold
from seqcap.errors import CheckpointError, CorpusError, SettingsError
from seqcap.models.systems import SYSTEMS, CapsuleSettings, System, build
from seqcap.recognition.checkpoint import Checkpoint, save_checkpoint
from seqcap.training.fine_tuning import (
    describe_init_model,
    load_init_model,
    load_pretrained_weights,
    refuse_known_speakers,
)
from seqcap.training.settings import hashed_settings, read_settings

LARGE = {"CNN_Cap", "LSTM_Cap"}
EMOTIONS = ("neutral", "anger", "sadness")


def checkpoint(system: str = "CNN_SeqCap", emotions: tuple[str, ...] = EMOTIONS) -> Checkpoint:
    zeros, ones = np.zeros(BIN_COUNT, np.float32), np.ones(BIN_COUNT, np.float32)
    return Checkpoint(
        system=build(system, len(emotions), seed=1).eval(),
        system_name=system,
        capsule_settings=CapsuleSettings(dropout=0.1),
        emotions=emotions,
        normalisation=Normalisation(zeros, ones),
        name="parent",
        provenance={
            "fold": {"train": ["b", "a"], "validation": ["c"], "test": ["d"]},
            "started_from": {"speakers": ["z"]},
        },
    )


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    save_checkpoint(checkpoint(), tmp_path / "parent")
    return tmp_path / "parent"


def answers(system: System) -> Tensor:
    sound = torch.randn(2, 150, BIN_COUNT, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        logits: Tensor = system.eval()(sound, torch.tensor([150, 90]))
    return logits


@pytest.mark.parametrize("name", sorted(SYSTEMS.keys() - LARGE))
def test_fine_tuned_emotions_in_another_order_give_the_same_probabilities(name: str) -> None:
    order = [2, 0, 1]
    child = build(name, 3, seed=2)
    model = checkpoint(name)
    load_pretrained_weights(child, [EMOTIONS[place] for place in order], model, seed=0)
    torch.testing.assert_close(answers(child), answers(model.system)[..., order])


def test_weights_of_new_emotions_have_the_scale_of_known_ones() -> None:
    model = checkpoint("CNN_GRU-SeqCap")
    child, again, other = (build("CNN_GRU-SeqCap", 5, seed=seed) for seed in (2, 3, 2))
    load_pretrained_weights(child, ("calm", *EMOTIONS, "fear"), model, seed=0)
    load_pretrained_weights(again, ("calm", *EMOTIONS, "fear"), model, seed=0)
    load_pretrained_weights(other, ("calm", *EMOTIONS, "fear"), model, seed=1)
    theirs, ours = model.system.state_dict(), child.state_dict()
    for name, weights in ours.items():
        torch.testing.assert_close(weights, again.state_dict()[name], rtol=0, atol=0)
    name = "branches.1.utterance_weight"
    torch.testing.assert_close(ours[name][1:4], theirs[name])
    assert 0.8 < float(ours[name][[0, 4]].std() / theirs[name].std()) < 1.25
    assert not torch.equal(ours[name][0], other.state_dict()[name][0])
    hidden = "branches.1.head.hidden.weight"  # 16 values of each emotion's capsule, then lengths
    torch.testing.assert_close(ours[hidden][:, 16:64], theirs[hidden][:, :48])
    torch.testing.assert_close(ours[hidden][:, 81:84], theirs[hidden][:, 48:])


def test_the_record_of_a_run_describes_the_initial_model(parent: Path) -> None:
    settings = read_settings(init_from=str(parent))
    described = describe_init_model(settings)
    assert described["speakers"] == ["a", "b", "c", "z"]
    assert (described["name"], described["emotions"]) == ("parent", list(EMOTIONS))
    assert len(described["weights_sha256"]) == 64
    assert describe_init_model(read_settings()) == {}
    shipped = describe_init_model(read_settings(system="Whisper-SeqCap", init_from="-"))
    assert "ravdess-01" in shipped["speakers"]


def test_the_path_of_the_initial_model_and_lsuv_without_effect_are_not_hashed() -> None:
    here, there = ({"init_from": place, "lsuv_init": True} for place in "ab")
    assert (
        hashed_settings(here | {"epochs": 3})
        == hashed_settings(there | {"epochs": 3})
        == {"epochs": 3}
    )


def test_speakers_whom_the_initial_model_was_trained_on_are_refused(parent: Path) -> None:
    described = describe_init_model(read_settings(init_from=str(parent)))
    refuse_known_speakers(described, Fold("f", ("a", "b", "c"), ("d",), ("e",)))
    refuse_known_speakers({}, Fold("f", ("x",), ("a",), ("b",)))
    with pytest.raises(
        CorpusError,
        match=r"initial model parent was trained on speakers of validation or test: b, z;",
    ):
        refuse_known_speakers(described, Fold("f", ("a",), ("b",), ("z",)))


def test_speakers_who_only_validated_the_initial_model_validate_again_and_test_never(
    parent: Path,
) -> None:
    described = describe_init_model(read_settings(init_from=str(parent)))
    (validated, *_) = described["validation"]
    refuse_known_speakers(described, Fold("f", ("x",), (validated,), ("y",)))
    with pytest.raises(CorpusError, match=f"validation or test: {validated};"):
        refuse_known_speakers(described, Fold("f", ("x",), ("y",), (validated,)))


@pytest.mark.parametrize(
    ("larger", "name"), [(larger, name) for larger, spec in SYSTEMS.items() for name in spec.parts]
)
def test_a_branch_of_a_larger_system_is_an_initial_model(
    larger: str, name: str, tmp_path: Path
) -> None:
    whole = checkpoint(larger)
    save_checkpoint(whole, tmp_path / "whole")
    settings = read_settings(system=name, init_from=str(tmp_path / "whole"))
    settings = replace(settings, capsules=whole.capsule_settings)
    part = load_init_model(settings)
    assert (part.system_name, part.name, part.emotions) == (name, "parent", EMOTIONS)
    child = build(name, len(EMOTIONS), seed=2)
    load_pretrained_weights(child, EMOTIONS, part, seed=0)
    branch = SYSTEMS[larger].parts.index(name)
    torch.testing.assert_close(answers(child)[0], answers(whole.system)[branch])


def test_another_system_other_windows_and_no_model_are_refused(
    parent: Path, tmp_path: Path
) -> None:
    settings = read_settings(init_from=str(parent))
    assert load_init_model(settings).name == "parent"
    with pytest.raises(SettingsError, match="parent is CNN_SeqCap, but CNN_RecCap is to"):
        load_init_model(replace(settings, system="CNN_RecCap"))
    with pytest.raises(SettingsError, match=r"capsules\.window_steps=10, but 20 is to be"):
        load_init_model(replace(settings, capsules=CapsuleSettings(window_steps=20)))
    with pytest.raises(CheckpointError, match="no model here"):
        load_init_model(replace(settings, init_from=str(tmp_path / "nothing")))
