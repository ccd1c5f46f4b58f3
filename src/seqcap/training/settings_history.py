"""Earlier names and defaults of settings, so that runs on file keep their identity.

The name of a run is a hash of its settings (`hashed_settings`). A setting added later is left out
of the hash where it changes nothing. A renamed setting is hashed under its first name.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

# First name -> current name, with its table.
RENAMED = {
    "averaging": "ema_decay",
    "balance": "sampling_balance",
    "choose": "monitor",
    "gradient_norm": "clip_grad_norm",
    "least_steps": "min_steps",
    "level": "normalisation.target_rms",
    "normalise_per_bin": "normalisation.per_bin",
    "own_mean": "normalisation.utterance_mean_norm",
    "sorted_batches": "bucket_size_batches",
    "speaker_mean": "normalisation.speaker_mean_norm",
    "start_from": "init_from",
    "start_in_the_middle": "lsuv_init",
    "strangers": "unknown_speaker_share",
    "trim_db": "normalisation.trim_db",
}
# The same for settings that were in a table from the start: table -> first name -> current name.
RENAMED_IN_TABLE = {"augmentation": {"voices": "speaker_mixing"}}
# Removed settings, with the value that equals today's behaviour.
REMOVED = {"loss": "cross_entropy"}


def added_field(default: Any, neutral: Any) -> Any:
    """Declares a setting that was added later.

    Args:
        default: Default value.
        neutral: The value that equals earlier behaviour; the hash leaves it out.

    Returns:
        A field of a dataclass.

    Example:
        >>> @dataclasses.dataclass
        ... class Settings:
        ...     stretch: float = added_field(0.1, neutral=0.0)
        >>> Settings().stretch
        0.1
    """
    return dataclasses.field(default=default, metadata={"neutral": neutral})


def current_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Gives settings on file their current names.

    Args:
        settings: By name, of any version of the program.

    Returns:
        A copy; tables of settings are dictionaries. A removed setting stays if it had an effect.

    Example:
        >>> current_names({"averaging": 0.9, "level": 0.01, "loss": "cross_entropy"})
        {'ema_decay': 0.9, 'normalisation': {'target_rms': 0.01}}
    """
    current: dict[str, Any] = {}
    for name, value in settings.items():
        if name in REMOVED and value == REMOVED[name]:
            continue
        table, _, key = RENAMED.get(name, name).rpartition(".")
        if table:
            current.setdefault(table, {})[key] = value
        elif isinstance(value, Mapping):
            names = RENAMED_IN_TABLE.get(key, {})
            current.setdefault(key, {}).update({names.get(k, k): v for k, v in value.items()})
        else:
            current[key] = value
    return current


def first_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Gives settings the names that runs are hashed with; undoes `current_names`.

    Args:
        settings: By current name; tables of settings are mappings.

    Returns:
        A copy, by first name.

    Example:
        >>> first_names({"ema_decay": 0.9, "normalisation": {"target_rms": 0.01}})
        {'averaging': 0.9, 'level': 0.01}
    """
    first_of = {new: old for old, new in RENAMED.items()}
    tables = {new.partition(".")[0] for new in first_of if "." in new}
    first: dict[str, Any] = {}
    for name, value in settings.items():
        if name in tables and isinstance(value, Mapping):
            for key, one in value.items():
                first[first_of.get(f"{name}.{key}", f"{name}.{key}")] = one
        elif isinstance(value, Mapping):
            old = {new: old for old, new in RENAMED_IN_TABLE.get(name, {}).items()}
            first[first_of.get(name, name)] = {old.get(k, k): v for k, v in value.items()}
        else:
            first[first_of.get(name, name)] = value
    return first


def without_neutral(settings: Mapping[str, Any], like: Any) -> dict[str, Any]:
    """Leaves out settings added by `added_field` where they change nothing.

    Args:
        settings: By name; tables of settings are mappings.
        like: Any instance of the settings' dataclass.

    Returns:
        A copy without them.
    """
    fields = {each.name: each for each in dataclasses.fields(like)}
    kept = {}
    for name, value in settings.items():
        field = fields.get(name)
        if field is not None and "neutral" in field.metadata:
            if value == field.metadata["neutral"]:
                continue
        elif isinstance(value, Mapping) and field is not None:
            value = without_neutral(value, getattr(like, name))
        kept[name] = value
    return kept
