"""A trained system as a folder: weights, settings, emotions, normalisation, provenance, card.

`model.safetensors` holds the weights and the normalisation, `model.json` everything else,
`CARD.md`, if there, is for people.
"""

import dataclasses
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from seqcap.audio.normalisation import Normalisation, NormalisationSettings
from seqcap.errors import CheckpointError, SettingsError
from seqcap.models.capsules import CapsuleSettings
from seqcap.models.systems import System, build
from seqcap.recognition.checkpoint_checks import (
    check_normalisation,
    check_settings,
    check_shapes,
    read_settings,
)
from seqcap.recognition.model_folder import (
    CARD_FILE,
    SETTINGS_FILE,
    WEIGHTS_FILE,
    check_model_folder,
)

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


@dataclass(frozen=True)
class Checkpoint:
    """A trained system and what is needed to use it.

    Attributes:
        system: The network, in evaluation mode.
        system_name: Its name in ``SYSTEMS``.
        capsule_settings: Windows and routing of its capsules.
        emotions: Names of its outputs, in their order.
        normalisation: Of the spectrograms it was trained on.
        temperature: What logits are divided by, fitted on validation speakers.
        name: What the trained model is called, with its version.
        provenance: Where it comes from: corpora, licences, speakers, scores, command, versions.
    """

    system: System
    system_name: str
    capsule_settings: CapsuleSettings
    emotions: tuple[str, ...]
    normalisation: Normalisation
    temperature: float = 1.0
    name: str = "unnamed"
    provenance: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(checkpoint: Checkpoint, folder: str | os.PathLike[str]) -> None:
    """Writes a checkpoint; nothing half-written is left if it fails.

    Args:
        checkpoint: What to write.
        folder: Where; a checkpoint there is replaced, and its card kept.
    """
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.system.state_dict().items()}
    tensors[MEAN] = torch.from_numpy(checkpoint.normalisation.mean)
    tensors[DEVIATION] = torch.from_numpy(checkpoint.normalisation.deviation)
    settings = {
        "format": FORMAT,
        "name": checkpoint.name,
        "system": checkpoint.system_name,
        "capsule_settings": dataclasses.asdict(checkpoint.capsule_settings),
        "emotions": list(checkpoint.emotions),
        "temperature": checkpoint.temperature,
        "normalisation": dataclasses.asdict(checkpoint.normalisation.settings),
        "provenance": checkpoint.provenance,
    }
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch) / "checkpoint"
        fresh.mkdir()
        save_file(tensors, fresh / WEIGHTS_FILE)
        (fresh / WEIGHTS_FILE).chmod(0o644)  # safetensors makes it for one's own eyes
        (fresh / SETTINGS_FILE).write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
        if target.exists():
            if (target / CARD_FILE).exists():
                shutil.copy2(target / CARD_FILE, fresh / CARD_FILE)
            target.rename(Path(scratch) / "replaced")
        fresh.rename(target)


def load_checkpoint(folder: str | os.PathLike[str] | None = None) -> Checkpoint:
    """Reads a checkpoint.

    Args:
        folder: As `save_checkpoint` wrote it; None or "-" for the shipped one.

    Raises:
        CheckpointError: Missing, incomplete, or not a checkpoint of this program.
    """
    source = check_model_folder(folder)
    try:
        settings = read_settings(source / SETTINGS_FILE)
        if settings["format"] not in (1, FORMAT):
            raise CheckpointError(
                f"{source}: model format {settings['format']} came, {FORMAT} is expected; "
                "use the version of seqcap that wrote it"
            )
        check_settings(settings)
        capsule_settings = CapsuleSettings(**settings["capsule_settings"])
        emotions = tuple(settings["emotions"])
        tensors = load_file(source / WEIGHTS_FILE)
        normalisation = Normalisation(
            tensors.pop(MEAN).numpy(), tensors.pop(DEVIATION).numpy(), _normalisation(settings)
        )
        check_normalisation(normalisation)
        # The sizes are compared before memory is taken for them.
        with torch.device("meta"):
            sketch = build(settings["system"], len(emotions), capsule_settings)
        check_shapes(sketch.state_dict(), tensors)
        system = build(settings["system"], len(emotions), capsule_settings)
        system.load_state_dict(tensors)
        return Checkpoint(
            system=system.eval(),
            system_name=settings["system"],
            capsule_settings=capsule_settings,
            emotions=emotions,
            normalisation=normalisation,
            temperature=settings["temperature"],
            name=settings["name"],
            provenance=settings["provenance"],
        )
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
