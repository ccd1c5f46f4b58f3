"""Settings that came after runs were made: at a neutral value, runs keep their names."""

import dataclasses
from collections.abc import Mapping
from typing import Any


def later(default: Any, neutral: Any) -> Any:
    """Declares a setting, with the value that does what was done before there was it."""
    return dataclasses.field(default=default, metadata={"neutral": neutral})


def leave_out_neutral(settings: Mapping[str, Any], like: Any) -> dict[str, Any]:
    """Leaves out later settings where they change nothing.

    Args:
        settings: By name; tables of settings are mappings.
        like: Some instance of the dataclass that they are settings of.
    """
    fields = {each.name: each for each in dataclasses.fields(like)}
    left = {}
    for name, value in settings.items():
        field = fields.get(name)
        if field is not None and "neutral" in field.metadata:
            if value == field.metadata["neutral"]:
                continue
        elif isinstance(value, Mapping):
            value = leave_out_neutral(value, getattr(like, name))
        left[name] = value
    return left
