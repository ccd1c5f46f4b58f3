import json

import pytest

from seqcap.errors import CheckpointError
from seqcap.recognition.checkpoint import load_checkpoint
from seqcap.recognition.model_folder import PRETRAINED_FOLDER, SETTINGS_FILE, WEIGHTS_FILE

SETTINGS = json.loads((PRETRAINED_FOLDER / SETTINGS_FILE).read_text("utf-8"))


def message_of(folder, content):
    (folder / SETTINGS_FILE).write_bytes(content)
    if not (folder / WEIGHTS_FILE).exists():
        (folder / WEIGHTS_FILE).symlink_to(PRETRAINED_FOLDER / WEIGHTS_FILE)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"emotions": [str(i) for i in range(1_000_000)]}, "a list of 2 to 200 names"),
        ({"emotions": ["anger"] * 4}, "none of them twice"),
        ({"emotions": {"anger": 1, "fear": 2}}, "a list of 2 to 200 names"),
        ({"temperature": 0}, "a number from 0.01 to 100 is expected"),
        ({"temperature": float("nan")}, "a number from 0.01 to 100 is expected"),
        ({"temperature": True}, "a number from 0.01 to 100 is expected"),
        ({"name": ["a"]}, "a text and an object are expected"),
        ({"system": {}}, "the model cannot be read"),
        ({"capsule_settings": []}, "the model cannot be read"),
        ({"format": 2, "normalisation": {"target_rms": 1e308}}, "a number is expected"),
    ],
)
def test_settings_without_sense_are_refused(tmp_path, changes, reason):
    assert reason in message_of(tmp_path, json.dumps(SETTINGS | changes).encode())


@pytest.mark.parametrize("name", list(SETTINGS["capsule_settings"]))
@pytest.mark.parametrize("value", [2**31, -1, "x", None, [], 1e308])
def test_capsules_of_impossible_sizes_are_refused(tmp_path, name, value):
    capsules = SETTINGS["capsule_settings"] | {name: value}
    message_of(tmp_path, json.dumps(SETTINGS | {"capsule_settings": capsules}).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"[" * 100_000, b"\xff\xfe", b"null"])
def test_settings_that_are_no_object_are_refused(tmp_path, content):
    assert "the model cannot be read" in message_of(tmp_path, content)


def test_settings_of_many_megabytes_are_refused(tmp_path):
    content = b'{"name": "' + b"x" * 17_000_000 + b'"}'
    assert "more than 16,777,216 bytes" in message_of(tmp_path, content)
