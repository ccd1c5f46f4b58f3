"""A trained system as a folder: weights, settings, emotions, normalisation, provenance, card.

`model.safetensors` holds the weights and the normalisation, `model.json` everything else,
`CARD.md`, if there, is for people.
"""

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from seqcap.models.capsules import CapsuleSettings
from seqcap.models.systems import System, build
from seqcap.recognition.model_description import (
    DEVIATION,
    MEAN,
    ModelDescription,
    load_description,
    read_settings,
    settings_of,
    unreadable_models_named,
)
from seqcap.recognition.model_folder import CARD_FILE, SETTINGS_FILE, WEIGHTS_FILE


@dataclass(frozen=True, kw_only=True)
class Checkpoint(ModelDescription):
    """A trained system and what is needed to use it.

    Attributes:
        system: The network, in evaluation mode.
        capsule_settings: Windows and routing of its capsules.

    Example:
        >>> load_checkpoint().system_name  # the included model
        'Whisper-SeqCap'
    """

    system: System
    capsule_settings: CapsuleSettings


def save_checkpoint(checkpoint: Checkpoint, folder: str | os.PathLike[str]) -> None:
    """Writes a checkpoint; nothing half-written is left if it fails.

    Args:
        checkpoint: What to write.
        folder: Where; a checkpoint there is replaced, and its card kept.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_checkpoint(load_checkpoint(), f"{folder}/copy")
        ...     sorted(path.name for path in Path(folder, "copy").iterdir())
        ['model.json', 'model.safetensors']
    """
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.system.state_dict().items()}
    tensors[MEAN] = torch.from_numpy(checkpoint.normalisation.mean)
    tensors[DEVIATION] = torch.from_numpy(checkpoint.normalisation.deviation)
    settings = settings_of(checkpoint, dataclasses.asdict(checkpoint.capsule_settings))
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch) / "checkpoint"
        fresh.mkdir()
        save_file(tensors, fresh / WEIGHTS_FILE)
        (fresh / WEIGHTS_FILE).chmod(0o644)  # safetensors lets only its owner read it
        (fresh / SETTINGS_FILE).write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
        if target.exists():
            if (target / CARD_FILE).exists():
                shutil.copy2(target / CARD_FILE, fresh / CARD_FILE)
            target.rename(Path(scratch) / "replaced")
        fresh.rename(target)


def load_checkpoint(folder: str | os.PathLike[str] | None = None) -> Checkpoint:
    """Reads a checkpoint.

    Args:
        folder: As `save_checkpoint` wrote it; None or "-" for the included one.

    Raises:
        CheckpointError: Missing, incomplete, or not a checkpoint of this program.

    Example:
        >>> load_checkpoint().emotions
        ('neutral', 'anger', 'happiness', 'sadness')
    """
    model = load_description(folder)
    source = Path(model.folder or "")
    with unreadable_models_named(source):
        capsule_settings = CapsuleSettings(**read_settings(source)["capsule_settings"])
        tensors = load_file(source / WEIGHTS_FILE)
        del tensors[MEAN], tensors[DEVIATION]
        # The sizes are compared before memory is taken for them.
        with torch.device("meta"):
            sketch = build(model.system_name, len(model.emotions), capsule_settings)
        check_shapes(sketch.state_dict(), tensors)
        system = build(model.system_name, len(model.emotions), capsule_settings)
        system.load_state_dict(tensors)
    known = {each.name: getattr(model, each.name) for each in dataclasses.fields(model)}
    return Checkpoint(**known, system=system.eval(), capsule_settings=capsule_settings)


def check_shapes(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Compares the weights of a file with those that the settings need.

    Args:
        expected: Weights of a new system, by name.
        tensors: Those of the file, by name.

    Raises:
        ValueError: A weight is missing, of another shape or type, or not finite.
    """
    for name, tensor in expected.items():
        if name not in tensors:
            raise ValueError(f"weight {name} is missing")
        known_type = tensors[name].dtype in (tensor.dtype, torch.float16)
        if tensors[name].shape != tensor.shape or not known_type:
            raise ValueError(f"weight {name} has another shape than the settings need")
        if not bool(tensors[name].isfinite().all()):
            raise ValueError(f"weight {name} has values that are not finite")
