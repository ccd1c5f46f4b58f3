"""TOML files, the program's own by name and anybody's by path."""

import os
import tomllib
from pathlib import Path
from typing import Any

from seqcap.errors import SettingsError


def find_toml(what: str, name: str | os.PathLike[str], folder: Path) -> Path:
    """Finds one of the program's files by its name, or anybody's by its path.

    Args:
        what: What it is, for the error: "recipe", "grid".
        name: Without ending for one of ours; else a path that ends in `.toml`.
        folder: Where ours are.

    Raises:
        SettingsError: No such name.
    """
    path = Path(name)
    if path.suffix == ".toml":
        return path
    ours = folder / f"{name}.toml"
    if not ours.is_file():
        names = ", ".join(sorted(file.stem for file in folder.glob("*.toml")))
        raise SettingsError(
            f"{what} '{name}': no such {what}; one of {names}, or a .toml file, is expected"
        )
    return ours


def read_toml(what: str, path: Path) -> tuple[str, dict[str, Any]]:
    """Reads a TOML file.

    Args:
        what: What it holds, for the error: "settings", "grid".
        path: The file.

    Returns:
        Its text, comments and all, and its values.

    Raises:
        SettingsError: No such file, or not TOML.
    """
    try:
        text = path.read_text("utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"{path}: no {what} here ({error.strerror})") from error
    except ValueError as error:  # not UTF-8, not TOML
        raise SettingsError(f"{path}: not TOML: {error}") from error
