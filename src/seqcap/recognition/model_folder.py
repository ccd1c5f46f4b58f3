"""Where a model lies and what is in its folder; known without torch."""

import os
from pathlib import Path

from seqcap.errors import CheckpointError

WEIGHTS_FILE = "model.safetensors"
SETTINGS_FILE = "model.json"
CARD_FILE = "CARD.md"
GRAPH_FILE = "samples.onnx"  # from samples to probabilities
ENCODE_FILE, DECIDE_FILE = "encode.onnx", "decide.onnx"  # the graphs that onnxruntime runs
MODEL_FOLDER = "model"  # within the folder of a run
SHIPPED = "-"  # name of the default model inside the package
ADAPTIVE = "adaptive"  # the model inside the package that adapts to speakers
PRETRAINED_FOLDER = Path(__file__).parent / "pretrained"


def shipped_models() -> dict[str, Path]:
    """Gives the folders of the models inside the package by name; "-" is the default.

    Example:
        >>> shipped_models()["-"].name
        'pretrained'
    """
    folders = sorted(file.parent for file in PRETRAINED_FOLDER.glob(f"*/{SETTINGS_FILE}"))
    named = {folder.name: folder for folder in folders}
    return {SHIPPED: PRETRAINED_FOLDER, **named}


def check_model_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Finds a model.

    Args:
        folder: Folder of the model; None or "-" for the included default model, "adaptive" for
            the included model that adapts to speakers. A name like "name/model" that is no folder
            is fetched from the Hugging Face hub.

    Returns:
        Folder of the model.

    Raises:
        CheckpointError: There is no model, or a part of it is missing.
        MissingExtraError: The name is one of the hub, and the extra `hub` is not installed.
    """
    named = Path(SHIPPED if folder is None else folder)
    shipped = shipped_models().get(named.as_posix())
    source = shipped if shipped and (named == Path(SHIPPED) or not named.exists()) else named
    if not source.exists():
        from seqcap.recognition.hub import fetch_model, is_repository

        if is_repository(named.as_posix()):
            source = fetch_model(named.as_posix())
    if not (source / SETTINGS_FILE).is_file() or not (source / WEIGHTS_FILE).is_file():
        inside = source / MODEL_FOLDER
        way_out = (
            f"it is in {inside}"
            if (inside / SETTINGS_FILE).is_file()
            else f"a folder with {SETTINGS_FILE} and {WEIGHTS_FILE} is expected, as 'seqcap "
            "train' writes it"
        )
        if len(named.parts) == 1:
            way_out += f", or an included model: {', '.join(shipped_models())}"
        raise CheckpointError(f"{source}: no model here; {way_out}")
    return source


def has_graphs(source: Path) -> bool:
    """Whether a model's folder holds the graphs that onnxruntime runs.

    Args:
        source: Folder of the model.
    """
    return (source / ENCODE_FILE).is_file() and (source / DECIDE_FILE).is_file()
