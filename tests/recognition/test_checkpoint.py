import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from seqcap.errors import CheckpointError
from seqcap.recognition.checkpoint import load_checkpoint, save_checkpoint
from seqcap.recognition.model_folder import CARD_FILE, SETTINGS_FILE, WEIGHTS_FILE


@pytest.fixture
def checkpoint(model_folder):
    return load_checkpoint(model_folder)


@pytest.fixture
def saved(checkpoint, tmp_path):
    save_checkpoint(checkpoint, tmp_path / "model")
    return tmp_path / "model"


def message_of(folder):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change_settings(folder, **changes):
    settings = json.loads((folder / SETTINGS_FILE).read_text("utf-8"))
    (folder / SETTINGS_FILE).write_text(json.dumps(settings | changes), "utf-8")


def test_what_is_loaded_is_what_was_saved_bit_for_bit(checkpoint, saved):
    normalisation = checkpoint.normalisation.changed(
        trim_db=20.0, utterance_mean_norm=0.25, speaker_mean_norm=0.5
    )
    checkpoint = dataclasses.replace(checkpoint, normalisation=normalisation)
    save_checkpoint(checkpoint, saved)
    loaded = load_checkpoint(saved)
    weights = checkpoint.system.state_dict()
    assert weights.keys() == loaded.system.state_dict().keys()
    for name, weight in loaded.system.state_dict().items():
        assert torch.equal(weight, weights[name])
    for part in dataclasses.fields(checkpoint.normalisation):
        before = getattr(checkpoint.normalisation, part.name)
        assert np.array_equal(getattr(loaded.normalisation, part.name), before)
    for part in dataclasses.fields(checkpoint):
        if part.name not in ("system", "normalisation", "folder"):
            assert getattr(loaded, part.name) == getattr(checkpoint, part.name)
    assert not loaded.system.training


def test_a_checkpoint_replaces_another_and_keeps_its_card(checkpoint, saved):
    (saved / CARD_FILE).write_text("card", "utf-8")
    save_checkpoint(dataclasses.replace(checkpoint, name="second"), saved)
    assert load_checkpoint(saved).name == "second"
    assert (saved / CARD_FILE).read_text("utf-8") == "card"
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_a_save_that_fails_leaves_the_old_checkpoint(checkpoint, saved):
    with pytest.raises(TypeError):
        save_checkpoint(dataclasses.replace(checkpoint, provenance={"what": object()}), saved)
    assert load_checkpoint(saved).name == checkpoint.name
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("missing", [SETTINGS_FILE, WEIGHTS_FILE, ""])
def test_a_folder_that_is_no_model_is_refused(saved, missing):
    folder = saved if missing else saved / "nothing"
    (saved / missing).unlink() if missing else None
    assert message_of(folder) == (
        f"{folder}: no model here; a folder with model.json and model.safetensors is expected,"
        " as 'seqcap train' writes it"
    )


def test_another_format_is_refused(saved):
    change_settings(saved, format=3)
    assert message_of(saved) == (
        f"{saved}: model format 3 came, 2 is expected; use the version of seqcap that wrote it"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"emotions": ["neutral", "anger"]},
        {"capsule_settings": {"no_such_setting": 1}},
        {"capsule_settings": None},
    ],
)
def test_settings_that_do_not_fit_the_weights_are_refused(saved, changes):
    change_settings(saved, **changes)
    message = message_of(saved)
    assert message.startswith(f"{saved}: the model cannot be read (")
    assert message.endswith("; copy it again from where it was made")


def test_settings_that_are_no_json_are_refused(saved):
    (saved / SETTINGS_FILE).write_text('{"format": 1,', "utf-8")
    assert "the model cannot be read (JSONDecodeError: " in message_of(saved)


def test_truncated_weights_are_refused(saved):
    weights = (saved / WEIGHTS_FILE).read_bytes()
    (saved / WEIGHTS_FILE).write_bytes(weights[: len(weights) // 2])
    assert "the model cannot be read (SafetensorError: " in message_of(saved)


def test_weights_without_a_layer_are_refused(saved):
    weights = load_file(saved / WEIGHTS_FILE)
    del weights[next(name for name in weights if "normalisation" not in name)]
    save_file(weights, saved / WEIGHTS_FILE)
    assert "the model cannot be read (ValueError: weight " in message_of(saved)
