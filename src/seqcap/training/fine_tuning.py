"""Fine-tuning: a training that begins with the weights of another model, or of one of its branches.

Weights that belong to no emotion are copied. Those of an emotion come from the emotion of the same
name. New emotions get random weights with the mean and the deviation of the known ones.
Normalisation is measured anew.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqcap.corpora.fold import Fold
from seqcap.corpora.provenance import file_hash
from seqcap.corpora.speakers import speaker_key
from seqcap.errors import CorpusError, SettingsError
from seqcap.models.capsules import output_places
from seqcap.models.systems import System, build, part_of
from seqcap.recognition.checkpoint import Checkpoint, load_checkpoint
from seqcap.recognition.model_folder import WEIGHTS_FILE, check_model_folder
from seqcap.scoring.seen_speakers import seen_speakers, validation_speakers
from seqcap.training.settings import TrainingSettings

_NAMED = 3  # known speakers that an error names


def load_init_model(settings: TrainingSettings) -> Checkpoint:
    """Loads the initial model of a training.

    Args:
        settings: Settings with `init_from`.

    Returns:
        The model; of one that has the system to be trained as a part, this part.

    Raises:
        CheckpointError: There is no model.
        SettingsError: Its system does not have the one to be trained as a part, or its capsule
            settings differ.
    """
    model = _load(_folder(settings))
    try:
        weights = part_of(settings.system, model.system_name, model.system.state_dict())
    except SettingsError as error:
        raise SettingsError(
            f"setting 'init_from': {model.name} is {model.system_name}, but {settings.system} is "
            f"to be trained; give '--system {model.system_name}', or another model"
        ) from error
    for name, theirs in dataclasses.asdict(model.capsule_settings).items():
        ours = getattr(settings.capsules, name)
        if name != "dropout" and theirs != ours:
            raise SettingsError(
                f"setting 'init_from': {model.name} has capsules.{name}={theirs}, but {ours} is to "
                "be trained; give the same, or another model"
            )
    if settings.system == model.system_name:
        return model
    part = build(settings.system, len(model.emotions), model.capsule_settings)
    part.load_state_dict(weights)
    return dataclasses.replace(model, system=part, system_name=settings.system)


def describe_init_model(settings: TrainingSettings) -> dict[str, Any]:
    """Describes the initial model, for the record of a run.

    Args:
        settings: Settings with or without `init_from`.

    Returns:
        Name, SHA-256 of the weights, emotions, seen speakers, and those of them who only
        validated; empty without a model.

    Raises:
        CheckpointError, SettingsError: As `load_init_model`.
    """
    if not settings.init_from:
        return {}
    model = load_init_model(settings)
    return {
        "name": model.name,
        "weights_sha256": file_hash(_folder(settings) / WEIGHTS_FILE),
        "emotions": list(model.emotions),
        "speakers": sorted(seen_speakers(model.provenance)),
        "validation": sorted(validation_speakers(model.provenance)),
    }


def refuse_known_speakers(init_model: Mapping[str, Any], fold: Fold) -> None:
    """Refuses a fold whose validation or test speakers the initial model has seen.

    Speakers who only validated the initial model may validate again.

    Args:
        init_model: As `describe_init_model` gives it.
        fold: Speakers of validation and test.

    Raises:
        CorpusError: The initial model was trained on one of them.
    """
    seen_keys = {speaker_key(speaker) for speaker in init_model.get("speakers", ())}
    trained_keys = seen_keys - {speaker_key(one) for one in init_model.get("validation", ())}
    known = [one for one in fold.validation if speaker_key(one) in trained_keys]
    known += [one for one in fold.test if speaker_key(one) in seen_keys]
    if known:
        others = len(known) - _NAMED
        more = f" and {others} more" if others > 0 else ""
        raise CorpusError(
            f"fold {fold.name}: the initial model {init_model['name']} was trained on speakers "
            f"of validation or test: {', '.join(known[:_NAMED])}{more}; choose another fold or "
            "model. If the names coincide by chance, rename the speakers in the table"
        )


@torch.no_grad()
def load_pretrained_weights(
    system: System, emotions: Sequence[str], model: Checkpoint, seed: int
) -> None:
    """Gives a system the weights of a model, in place.

    Args:
        system: The same as the model's except for its emotions.
        emotions: Emotions of the system, in their order.
        model: The model to copy from.
        seed: Random seed of the weights of new emotions.
    """
    one_more = build(model.system_name, len(emotions) + 1, model.capsule_settings).state_dict()
    theirs = model.system.state_dict()
    generator = torch.Generator().manual_seed(seed)
    for name, weights in system.state_dict().items():
        axis = _axis_of_emotions(weights, one_more[name])
        if axis is None:
            weights.copy_(theirs[name])
            continue
        known = theirs[name].movedim(axis, 0)
        fresh = torch.randn(weights.shape, generator=generator)
        weights.copy_(known.mean() + known.std(correction=0) * fresh)
        ours = weights.movedim(axis, 0)  # a view
        places = output_places(len(emotions), len(ours))
        their_places = output_places(len(model.emotions), len(known))
        for place, emotion in zip(places, emotions, strict=True):
            if emotion in model.emotions:
                ours[place] = known[their_places[model.emotions.index(emotion)]]


def _axis_of_emotions(weights: Tensor, with_one_more: Tensor) -> int | None:
    sizes = zip(weights.shape, with_one_more.shape, strict=True)
    return next((axis for axis, (size, larger) in enumerate(sizes) if size != larger), None)


@functools.lru_cache(maxsize=1)
def _load_once(folder: Path, changed_ns: int) -> Checkpoint:
    return load_checkpoint(folder)


def _load(folder: Path) -> Checkpoint:
    """Loads a model; the same files are loaded once."""
    return _load_once(folder, (folder / WEIGHTS_FILE).stat().st_mtime_ns)


def _folder(settings: TrainingSettings) -> Path:
    return check_model_folder(settings.init_from)
