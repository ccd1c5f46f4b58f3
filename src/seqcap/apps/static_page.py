"""`seqcap page`: recognition in a browser, as one folder of files for any web server."""

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from seqcap.apps.lines import tell
from seqcap.apps.options import ModelOption
from seqcap.errors import SettingsError
from seqcap.recognition.model_folder import (
    CARD_FILE,
    DECIDE_FILE,
    ENCODE_FILE,
    check_model_folder,
    has_graphs,
)

PAGE_FOLDER = Path(__file__).parent / "page"


def page(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    model: ModelOption = None,
) -> None:
    """Write a page that recognises emotions in the browser.

    Recordings stay in the visitor's browser. Any web server can serve the folder.

    Examples:
    seqcap page site && python -m http.server --directory site
    """
    source = check_model_folder(model)
    if not has_graphs(source):
        raise SettingsError(
            f"{source}: no {ENCODE_FILE}, which browsers need; 'seqcap export' writes it"
        )
    write_page(folder, source)
    tell(f"{folder}: python -m http.server --directory {folder}")


def write_page(folder: Path, model: Path) -> None:
    """Writes the page and a model's graphs, settings and card.

    Args:
        folder: Where; takes its name when it is whole.
        model: A model's folder. Without graphs in it, the page asks the server that it came from.

    Raises:
        SettingsError: The folder holds something already.
    """
    from seqcap.audio.speech_detection import MODEL_FILE as DETECTOR_FILE  # imports numpy

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{folder}: not empty; name a new folder")
    about = _describe(model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        whole = Path(scratch) / "page"
        shutil.copytree(PAGE_FOLDER, whole)
        (whole / "model").mkdir()
        (whole / "model" / "model.json").write_text(json.dumps(about) + "\n", "utf-8")
        if about["normalisation"]["speech_only"]:
            shutil.copyfile(DETECTOR_FILE, whole / "model" / DETECTOR_FILE.name)
        for name in (ENCODE_FILE, DECIDE_FILE, CARD_FILE):
            if (model / name).is_file():
                shutil.copyfile(model / name, whole / "model" / name)
        if folder.exists():
            folder.rmdir()
        whole.rename(folder)


def _describe(model: Path) -> dict[str, Any]:
    """What the page has to know of a model, for `network.js` and `worker.js`."""
    from seqcap.audio.speech_detection import MODEL_FILE as DETECTOR_FILE
    from seqcap.recognition.model_description import load_description
    from seqcap.recognition.onnx_engine import OnnxEngine

    description = load_description(model)
    normalisation = description.normalisation
    about: dict[str, Any] = {
        "name": description.name,
        "emotions": description.emotions,
        "temperature": description.temperature,
        "normalisation": {
            **dataclasses.asdict(normalisation.settings),
            "mean": normalisation.mean.tolist(),
            "deviation": normalisation.deviation.tolist(),
        },
        "detector": f"model/{DETECTOR_FILE.name}",
        "graphs": None,
    }
    if has_graphs(model):
        about["graphs"] = [f"model/{ENCODE_FILE}", f"model/{DECIDE_FILE}"]
        about["chunking"] = dataclasses.asdict(OnnxEngine(model, threads=1).chunking)
    return about
