"""`seqcap page`: recognition in a browser, as one folder of files for any web server."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from seqcap.apps.lines import tell
from seqcap.errors import SettingsError
from seqcap.recognition.model_folder import (
    CARD_FILE,
    GRAPH_FILE,
    check_model_folder,
)

PAGE_FOLDER = Path(__file__).parent / "page"


def page(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A model; the shipped one by default.")
    ] = None,
) -> None:
    """Write a page that recognises emotions in the browser.

    No sound leaves the machine of who opens it. Any web server can serve the folder.

    Examples:
    seqcap page site && python -m http.server --directory site
    """
    source = check_model_folder(model)
    if not (source / GRAPH_FILE).is_file():
        raise SettingsError(
            f"{source}: no {GRAPH_FILE}, which browsers need; 'seqcap export' writes it"
        )
    write_page(folder, source)
    tell(f"{folder}: python -m http.server --directory {folder}")


def write_page(folder: Path, model: Path) -> None:
    """Writes the page and a model's graph, settings and card.

    Args:
        folder: Where; takes its name when it is whole.
        model: A model's folder. Without a graph from samples to probabilities in it, the page
            uses the server that it came from.

    Raises:
        SettingsError: The folder holds something already.
    """
    from seqcap.audio.speech_detection import MODEL_FILE as DETECTOR_FILE  # imports numpy
    from seqcap.recognition.model_description import load_description  # imports numpy

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{folder}: not empty; name a new folder")
    description = load_description(model)
    settings = description.normalisation.settings
    has_graph = (model / GRAPH_FILE).is_file()
    about = {
        "name": description.name,
        "emotions": description.emotions,
        "trim_db": settings.trim_db,
        "graph": f"model/{GRAPH_FILE}" if has_graph else None,
        "input": {"high_pass_hz": settings.high_pass_hz, "speech_only": settings.speech_only},
        "detector": f"model/{DETECTOR_FILE.name}",
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        whole = Path(scratch) / "page"
        shutil.copytree(PAGE_FOLDER, whole)
        (whole / "model").mkdir()
        (whole / "model" / "model.json").write_text(json.dumps(about) + "\n", "utf-8")
        if settings.speech_only:
            shutil.copyfile(DETECTOR_FILE, whole / "model" / DETECTOR_FILE.name)
        for name in (GRAPH_FILE, CARD_FILE):
            if (model / name).is_file():
                shutil.copyfile(model / name, whole / "model" / name)
        if folder.exists():
            folder.rmdir()
        whole.rename(folder)
