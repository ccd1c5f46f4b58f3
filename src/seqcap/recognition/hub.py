"""Models from and to the Hugging Face hub (extra `hub`).

Of an untrusted model only safetensors, ONNX and JSON are fetched and read, which hold no code.
"""

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from seqcap.errors import CheckpointError, MissingExtraError, SettingsError
from seqcap.recognition.model_folder import CARD_FILE, SETTINGS_FILE

_FILES = ("*.safetensors", "*.onnx", "*.json", CARD_FILE)
_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?")
_PAGE_FILE = "README.md"


def is_repository(name: str) -> bool:
    """Says whether a name can be that of a model on the hub: "name/model" or "name/model@revision".

    Args:
        name: What was typed.

    Example:
        >>> is_repository("anna/calls"), is_repository("anna/calls@v1"), is_repository("a/b/c")
        (True, True, False)
    """
    return bool(_REPOSITORY.fullmatch(name)) and not name.startswith((".", "/"))


def fetch_model(name: str) -> Path:
    """Fetches a model, or finds it among those fetched before.

    The variables HF_ENDPOINT, HF_HUB_CACHE and HF_HUB_OFFLINE say from where, where to and whether.

    Args:
        name: As `is_repository` takes it.

    Returns:
        Its folder in the cache.

    Raises:
        MissingExtraError: The extra is not installed.
        CheckpointError: There is no such model, the hub cannot be reached, or the model needs
            code of its own.
    """
    found = _REPOSITORY.fullmatch(name)
    if found is None:
        raise CheckpointError(f"{name}: no name of a model; 'name/model' is expected")
    hub = _hub(name)
    try:
        folder = Path(
            hub.snapshot_download(
                found["name"],
                revision=found["revision"],
                allow_patterns=list(_FILES),
                endpoint=os.environ.get("HF_ENDPOINT"),
                cache_dir=os.environ.get("HF_HUB_CACHE"),
                library_name="seqcap",
            )
        )
    except Exception as error:  # of the hub, of HTTP or of the system
        raise CheckpointError(
            f"{name}: no such folder, and no model of the hub that can be fetched "
            f"({_reason(error)}); check the name"
        ) from error
    _refuse_code(name, folder)
    return folder


def push_model(folder: Path, name: str, *, private: bool = False, licence: str = "") -> str:
    """Puts a model on the hub, with its card as the page of the repository.

    Args:
        folder: Of the model, with its card.
        name: "name/model"; the repository is made where it is missing.
        private: Make it for oneself only.
        licence: As the hub names it, e.g. "cc-by-4.0"; "" leaves it to the card.

    Returns:
        The address of the page.

    Raises:
        MissingExtraError: The extra is not installed.
        CheckpointError: The model is your own code, which others could not load.
        SettingsError: It has no card, the name is none, or the hub refuses.
    """
    if not is_repository(name) or "@" in name:
        raise SettingsError(f"{name}: no name of a model; 'name/model' is expected")
    card = folder / CARD_FILE
    if not card.is_file():
        raise SettingsError(
            f"{folder}: no {CARD_FILE}; say there what the model was trained on, how good it "
            "is and under which licence it may be used"
        )
    _refuse_code(str(folder), folder)
    hub = _hub(name)
    api = hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="seqcap")
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            page = Path(scratch, _PAGE_FILE)
            page.write_text(_page(folder, card.read_text("utf-8"), licence), "utf-8")
            files = sorted({file for pattern in _FILES for file in folder.glob(pattern)})
            api.create_commit(
                name,
                [
                    hub.CommitOperationAdd(file.name, file)
                    for file in (page, *files)
                    if not file.name.startswith(".")
                ],
                commit_message=f"Upload {_settings(folder)['name']}",
            )
    except Exception as error:  # of the hub, of HTTP or of the system
        raise SettingsError(
            f"{name}: the hub refuses or cannot be reached ({_reason(error)}); "
            "'hf auth login' tells it who you are"
        ) from error
    return str(address)


def _page(folder: Path, card: str, licence: str) -> str:
    """The card, with what the hub searches by in front."""
    settings = _settings(folder)
    lines = ["---", "library_name: seqcap", "pipeline_tag: audio-classification"]
    lines += [f"license: {licence}"] if licence else []
    lines += ["tags:", "- speech-emotion-recognition", "- capsule-networks"]
    lines += [f"- {emotion}" for emotion in settings["emotions"]]
    return "\n".join([*lines, "---", "", card])


def _settings(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / SETTINGS_FILE).read_text("utf-8")))


def _refuse_code(name: str, folder: Path) -> None:
    """A system of your own is named by a Python path, which would be imported."""
    try:
        system = _settings(folder)["system"]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{name}: no model; {SETTINGS_FILE} cannot be read") from error
    if ":" in str(system):
        raise CheckpointError(
            f"{name}: the system {system} is code of its own, which models of the hub may not "
            "have; one of 'seqcap systems' is expected"
        )


def _hub(name: str) -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{name}: no such folder; models of the Hugging Face hub need the package "
            "huggingface_hub; pip install 'seqcap[hub]'"
        ) from error
    return huggingface_hub


def _reason(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:200]
