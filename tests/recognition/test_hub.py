import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import Repositories, hub_server

from seqcap.errors import CheckpointError, MissingExtraError, SettingsError
from seqcap.recognition.hub import push_model
from seqcap.recognition.recognizer import Recognizer

pytest.importorskip("huggingface_hub")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A model with its card, and beside it files that must not be fetched."""
    folder = tmp_path_factory.mktemp("mine") / "model"
    shutil.copytree(model_folder, folder)
    (folder / "CARD.md").write_text("# random\n\nNever trained.\n")
    (folder / "weights.pkl").write_bytes(b"code")
    (folder / "model.py").write_text("raise SystemExit")
    return folder


class Hub:
    def __init__(self, repositories: Repositories, asked: list[str]) -> None:
        self.repositories = repositories
        self.asked = asked


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as (endpoint, repositories, asked):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_nobody")
        monkeypatch.chdir(tmp_path)
        yield Hub(repositories, asked)


def test_a_model_pushed_is_the_model_fetched(hub: Hub, folder: Path, samples: list[Path]) -> None:
    address = push_model(folder, "anna/calls", licence="mit")
    assert address.endswith("/anna/calls")
    files = hub.repositories["anna/calls"]
    assert sorted(files) == ["CARD.md", "README.md", "model.json", "model.safetensors"]
    page = files["README.md"].decode()
    assert page.startswith("---\nlibrary_name: seqcap\npipeline_tag: audio-classification\n")
    assert "\nlicense: mit\n" in page
    assert page.endswith("\n---\n\n# random\n\nNever trained.\n")
    there = Recognizer.from_pretrained("anna/calls", "cpu").recognize(samples[0])
    assert there == Recognizer.from_pretrained(folder, "cpu").recognize(samples[0])


def test_only_safetensors_onnx_and_json_are_fetched_from_untrusted_hubs(
    hub: Hub, folder: Path
) -> None:
    push_model(folder, "anna/calls")
    hub.repositories["anna/calls"] |= {
        "model.py": b"raise SystemExit",
        "pytorch_model.bin": b"code",
        "model.pkl": b"code",
        "sub/model.pt": b"code",
    }
    Recognizer.from_pretrained("anna/calls", "cpu")
    assert sorted(set(hub.asked)) == ["CARD.md", "model.json", "model.safetensors"]


def test_a_fetched_model_is_not_fetched_again(hub: Hub, folder: Path) -> None:
    push_model(folder, "anna/calls")
    Recognizer.from_pretrained("anna/calls", "cpu")
    count = len(hub.asked)
    Recognizer.from_pretrained("anna/calls", "cpu")
    assert len(hub.asked) == count


def test_a_folder_is_preferred_to_the_hub(hub: Hub, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "anna" / "calls")
    assert Recognizer.from_pretrained("anna/calls", "cpu").checkpoint.name == "random"
    assert hub.asked == []


def test_models_that_ask_for_code_are_refused(hub: Hub, folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(folder, own)
    settings = json.loads((own / "model.json").read_text())
    (own / "model.json").write_text(json.dumps(settings | {"system": "os:system"}))
    with pytest.raises(CheckpointError, match="the system os:system is code of its own"):
        push_model(own, "anna/own")
    push_model(folder, "anna/calls")
    hub.repositories["anna/calls"]["model.json"] = (own / "model.json").read_bytes()
    with pytest.raises(CheckpointError, match="which models of the hub may not"):
        Recognizer.from_pretrained("anna/calls", "cpu")


def test_what_cannot_be_is_refused_in_one_line(
    hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match="anna/none: no such folder, and no model of the hub"):
        Recognizer.from_pretrained("anna/none")
    with pytest.raises(SettingsError, match="nobody: no name of a model; 'name/model' is expected"):
        push_model(folder, "nobody")
    shutil.copytree(folder, tmp_path / "m", ignore=shutil.ignore_patterns("CARD.md"))
    with pytest.raises(SettingsError, match=r"no CARD\.md; say there what"):
        push_model(tmp_path / "m", "anna/calls")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seqcap\[hub\]'"):
        Recognizer.from_pretrained("anna/none")
