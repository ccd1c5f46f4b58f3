"""Checks of untrusted models: settings are plain values within bounds, sizes are known.

A model is JSON and safetensors, so loading it runs no code. What is left to refuse are values that
would take memory or time without end, or answers that mean nothing.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqcap.audio.normalisation import Normalisation
from seqcap.audio.spectrogram import BIN_COUNT

_MOST_SETTINGS_BYTES = 16 * 2**20
_MOST_EMOTIONS = 200
_MOST = {"window_steps": 1000, "shift_steps": 1000, "primary_stride": 16, "routing_iterations": 100}


def read_json(path: Path) -> dict[str, Any]:
    """Reads a model's settings.

    Args:
        path: Of the file.

    Raises:
        ValueError: Too large, or no JSON object.
    """
    if path.stat().st_size > _MOST_SETTINGS_BYTES:
        raise ValueError(f"{path.name} has more than {_MOST_SETTINGS_BYTES:,} bytes")
    settings = json.loads(path.read_text("utf-8"))
    if not isinstance(settings, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return settings


def check_settings(settings: Mapping[str, Any]) -> None:
    """Looks at a model's settings before anything is made from them.

    Args:
        settings: As read.

    Raises:
        KeyError: One is missing.
        ValueError: One is of another type or out of its bounds.

    Example:
        >>> check_settings({"capsule_settings": {"window_steps": 2**31}})
        Traceback (most recent call last):
            ...
        ValueError: window_steps 2147483648; a whole number up to 1000 is expected
    """
    for name, most in _MOST.items():
        value = settings["capsule_settings"].get(name, 1)
        if type(value) is not int or value > most:
            raise ValueError(f"{name} {value!r:.40}; a whole number up to {most} is expected")
    emotions = settings["emotions"]
    if not isinstance(emotions, list) or not 2 <= len(emotions) <= _MOST_EMOTIONS:
        raise ValueError(f"emotions; a list of 2 to {_MOST_EMOTIONS} names is expected")
    if not all(isinstance(e, str) and e for e in emotions) or len(set(emotions)) < len(emotions):
        raise ValueError("emotions; names are expected, none of them twice")
    temperature = settings["temperature"]
    is_number = isinstance(temperature, (int, float)) and not isinstance(temperature, bool)
    if not is_number or not 0.01 <= temperature <= 100:
        raise ValueError(f"temperature {temperature!r:.40}; a number from 0.01 to 100 is expected")
    if not isinstance(settings["name"], str) or not isinstance(settings["provenance"], dict):
        raise ValueError("name and provenance; a text and an object are expected")


def check_normalisation(normalisation: Normalisation) -> None:
    """Looks at a model's normalisation.

    Args:
        normalisation: As read.

    Raises:
        ValueError: Its statistics or settings are of another size, not finite, or out of bounds.
    """
    for name in ("mean", "deviation"):
        values = getattr(normalisation, name)
        if (
            values.shape != (BIN_COUNT,)
            or values.dtype.kind != "f"
            or not np.isfinite(values).all()
        ):
            raise ValueError(f"normalisation.{name}; {BIN_COUNT} finite numbers are expected")
    if not (normalisation.deviation > 0).all():
        raise ValueError("normalisation.deviation; numbers above 0 are expected")
    for name, value in vars(normalisation.settings).items():
        if isinstance(value, bool):
            continue
        if not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) > 1000:
            raise ValueError(f"normalisation.{name} {value!r:.40}; a number is expected")
