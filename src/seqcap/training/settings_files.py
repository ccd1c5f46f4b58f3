"""TOML files: built-in ones by name, others by path."""

import os
import tomllib
from pathlib import Path
from typing import Any

from seqcap.errors import SettingsError, suggestion

KIND_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    tuple: "a list",
    dict: "a table",
}


def find_toml(what: str, name: str | os.PathLike[str], folder: Path) -> Path:
    """Finds a built-in file by its name, or another by its path.

    Args:
        what: Kind of file, for the error: "recipe", "grid".
        name: Name of a built-in file without its ending, or a path that ends in `.toml`.
        folder: Folder of the built-in files.

    Returns:
        Path of the file; whether a given path exists is not checked.

    Raises:
        SettingsError: No such name.
    """
    path = Path(name)
    if path.suffix == ".toml":
        return path
    built_in = folder / f"{name}.toml"
    if not built_in.is_file():
        names = sorted(file.stem for file in folder.glob("*.toml"))
        way_out = suggestion(str(name), names)
        file = "" if way_out.endswith("?") else "; or give a .toml file"
        raise SettingsError(f"{what} '{name}' is unknown; {way_out}{file}")
    return built_in


def read_toml(what: str, path: Path) -> tuple[str, dict[str, Any]]:
    """Reads a TOML file.

    Args:
        what: Kind of content, for the error: "settings", "grid".
        path: Path of the file.

    Returns:
        The text with its comments, and the values.

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
