"""What is known of a model without its network, read without torch."""

import dataclasses
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
from seqcap.recognition.model_folder import SETTINGS_FILE, WEIGHTS_FILE, check_model_folder

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
        folder: As `save_checkpoint` wrote it; None or "-" for the included one.

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


def settings_of(model: ModelDescription, capsule_settings: dict[str, Any]) -> dict[str, Any]:
    """Gives a model's settings file as `load_description` reads it.

    Args:
        model: What is written.
        capsule_settings: Windows and routing of its capsules.

    Example:
        >>> list(settings_of(load_description(), {}))[:4]
        ['format', 'name', 'system', 'capsule_settings']
    """
    return {
        "format": FORMAT,
        "name": model.name,
        "system": model.system_name,
        "capsule_settings": capsule_settings,
        "emotions": list(model.emotions),
        "temperature": model.temperature,
        "normalisation": dataclasses.asdict(model.normalisation.settings),
        "provenance": model.provenance,
    }


def read_settings(source: Path) -> dict[str, Any]:
    """Reads a model's settings file, of this format or of an earlier one.

    Args:
        source: Folder of the model.

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
    """Turns errors of a damaged model into one line that names the model.

    Args:
        source: Folder of the model.

    Raises:
        CheckpointError: The block failed to read the model.
    """
    try:
        yield
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{source}: the model cannot be read ({type(error).__name__}: {reason}); copy it"
            " again from where it was made"
        ) from error


def _normalisation(settings: dict[str, Any]) -> NormalisationSettings:
    if settings["format"] == FORMAT:
        return NormalisationSettings(**settings["normalisation"])
    return NormalisationSettings(  # the first models know the level only
        target_rms=settings["level"],
        trim_db=settings.get("trim_db", 0.0),
        utterance_mean_norm=settings.get("own_mean", 0.0),
        speaker_mean_norm=settings.get("speaker_mean", 0.0),
    )
