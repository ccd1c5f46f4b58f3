"""Where a model lies and what is in its folder; known without torch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from seqcap.audio.normalisation import Normalisation, NormalisationSettings
from seqcap.errors import CheckpointError, SettingsError
from seqcap.recognition.checkpoint_checks import (
    check_normalisation,
    check_settings,
    read_json,
)

WEIGHTS_FILE = "model.safetensors"
SETTINGS_FILE = "model.json"
CARD_FILE = "CARD.md"
GRAPH_FILE = "samples.onnx"  # from samples to probabilities
ENCODE_FILE, DECIDE_FILE = "encode.onnx", "decide.onnx"  # the graphs that onnxruntime runs
MODEL_FOLDER = "model"  # within the folder of a run
SHIPPED = "-"  # what people call the model inside the package
PRETRAINED_FOLDER = Path(__file__).parent / "pretrained"


def check_model_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Finds a model.

    Args:
        folder: Where it lies; None or "-" for the shipped one. What is no folder here and looks
            like "name/model" is fetched from the Hugging Face hub.

    Returns:
        Its folder.

    Raises:
        CheckpointError: There is none, or a part of it is missing.
        MissingExtraError: It would be on the hub, and the extra `hub` is not installed.
    """
    named = Path(SHIPPED if folder is None else folder)
    source = PRETRAINED_FOLDER if named == Path(SHIPPED) else named
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
        raise CheckpointError(f"{source}: no model here; {way_out}")
    return source


FORMAT = 2
_UNREADABLE = (
    AttributeError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    SafetensorError,
    SettingsError,
    TypeError,
    ValueError,
)
MEAN, DEVIATION = "normalisation.mean", "normalisation.deviation"


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """All that is known of a trained model without its network.

    Attributes:
        system_name: Its name in ``SYSTEMS``.
        emotions: Names of its outputs, in their order.
        normalisation: Of the spectrograms it was trained on.
        temperature: What logits are divided by, fitted on validation speakers.
        name: What the trained model is called, with its version.
        provenance: Where it comes from: corpora, licences, speakers, scores, command, versions.
        folder: Where it was read from; None if it was not.
    """

    system_name: str
    emotions: tuple[str, ...]
    normalisation: Normalisation
    temperature: float = 1.0
    name: str = "unnamed"
    provenance: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None


def load_description(folder: str | os.PathLike[str] | None = None) -> ModelDescription:
    """Reads what is known of a model, without its network and without torch.

    Args:
        folder: As `save_checkpoint` wrote it; None or "-" for the shipped one.

    Raises:
        CheckpointError: Missing, incomplete, or not a model of this program.

    Example:
        >>> load_description().emotions
        ('neutral', 'anger', 'happiness', 'sadness')
    """
    source = check_model_folder(folder)
    with unreadable_models_named(source):
        settings = read_settings(source)
        with safe_open(source / WEIGHTS_FILE, framework="numpy") as tensors:
            mean, deviation = tensors.get_tensor(MEAN), tensors.get_tensor(DEVIATION)
        normalisation = Normalisation(mean, deviation, _normalisation(settings))
        check_normalisation(normalisation)
        return ModelDescription(
            system_name=settings["system"],
            emotions=tuple(settings["emotions"]),
            normalisation=normalisation,
            temperature=settings["temperature"],
            name=settings["name"],
            provenance=settings["provenance"],
            folder=source,
        )


def read_settings(source: Path) -> dict[str, Any]:
    """Reads a model's settings file, of this format or of an earlier one.

    Raises:
        CheckpointError: A later version of seqcap wrote it.
    """
    settings = read_json(source / SETTINGS_FILE)
    if settings["format"] not in (1, FORMAT):
        raise CheckpointError(
            f"{source}: model format {settings['format']} came, {FORMAT} is expected; "
            "use the version of seqcap that wrote it"
        )
    check_settings(settings)
    return settings


@contextmanager
def unreadable_models_named(source: Path) -> Iterator[None]:
    """Turns what goes wrong with a damaged model into one line that names it."""
    try:
        yield
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{source}: the model cannot be read ({type(error).__name__}: {reason}); copy it"
            " again from where it was made"
        ) from error


def has_graphs(source: Path) -> bool:
    """Whether a model's folder holds the graphs that onnxruntime runs."""
    return (source / ENCODE_FILE).is_file() and (source / DECIDE_FILE).is_file()


def _normalisation(settings: dict[str, Any]) -> NormalisationSettings:
    if settings["format"] == FORMAT:
        return NormalisationSettings(**settings["normalisation"])
    return NormalisationSettings(  # the first models know the level only
        target_rms=settings["level"],
        trim_db=settings.get("trim_db", 0.0),
        utterance_mean_norm=settings.get("own_mean", 0.0),
        speaker_mean_norm=settings.get("speaker_mean", 0.0),
    )
