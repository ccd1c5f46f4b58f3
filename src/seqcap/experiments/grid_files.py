"""Grids as TOML files, the program's own and those of its users.

A grid opens with a comment that says what it is for, its command, time and expected numbers. Keys:
`title`, `shows` (sections of the report), `labels`, `folds`, `seeds`, `recipe`, `trains` (false:
nothing has to be run), `gradients` (true: those of Fig. 8 are kept), `[set]` settings of all
entries; `[[entry]]` with `system`, `label` and `[entry.set]`; `[[combination]]` with `of` and
`label`. Your own system is an entry whose system is `module:function`.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqcap.errors import SettingsError, suggestion
from seqcap.experiments.grid import Entry, Grid
from seqcap.experiments.plan_files import SECTION_NAMES, Combination
from seqcap.models.systems import SYSTEMS
from seqcap.training.settings_files import KIND_NAMES, find_toml, read_toml

GRIDS = Path(__file__).parent / "grids"
_OWNED = ("system", "seed")  # an entry, and `seeds`, say these
_KINDS = {
    "title": str,
    "shows": [str],
    "labels": str,
    "folds": str,
    "seeds": [int],
    "recipe": str,
    "trains": bool,
    "gradients": bool,
    "set": dict,
    "entry": [dict],
    "combination": [dict],
}


def grid_file(grid: str | os.PathLike[str]) -> Path:
    """Finds a grid: one of the program's by its name, or a TOML file.

    Args:
        grid: Name or path.

    Raises:
        SettingsError: No such grid.

    Example:
        >>> grid_file("table5").name
        'table5.toml'
    """
    return find_toml("grid", grid, GRIDS)


def read_grid(grid: str | os.PathLike[str]) -> Grid:
    """Makes a grid from its file.

    Args:
        grid: As for `grid_file`.

    Raises:
        SettingsError: No such grid, not TOML, an unknown key, a value of the wrong kind, an
            unknown system or section, or a label that is used twice.

    Example:
        >>> [entry.label for entry in read_grid("table6").entries]
        ['CNN_SeqCap']
    """
    path = grid_file(grid)
    text, values = read_toml("grid", path)
    chosen = _checked(values, _KINDS, f"{path}: ")
    entries = [_entry(one, f"{path}: entry: ") for one in chosen.pop("entry", ())]
    combinations = [_combination(one, f"{path}: ") for one in chosen.pop("combination", ())]
    read = Grid(
        name=path.stem,
        title=chosen.pop("title", path.stem),
        purpose=_opening_comment(text),
        overrides=_overrides(chosen.pop("set", {}), f"{path}: set: "),
        entries=tuple(entries),
        combinations=tuple(combinations),
        **chosen,
    )
    _check_labels(read, path)
    for section in read.shows:
        if section not in SECTION_NAMES:
            way_out = suggestion(section, SECTION_NAMES)
            raise SettingsError(f"{path}: shows: section '{section}' is unknown; {way_out}")
    return read


def choose(
    grid: Grid,
    folds: str | None = None,
    labels: str | None = None,
    seeds: str | None = None,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
) -> Grid:
    """Applies the options of a command line to a grid; None leaves what the grid says.

    Args:
        grid: As read.
        folds: Scheme, or a file of folds.
        labels: Label set.
        seeds: Whole numbers with commas between them.
        recipe: What settings begin with.
        overrides: Settings that win over the grid's.

    Raises:
        SettingsError: Seeds that are none.

    Example:
        >>> choose(read_grid("table5"), seeds="0,1").seeds
        (0, 1)
    """
    wanted = {"folds": folds, "labels": labels, "recipe": recipe}
    chosen: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
    if seeds is not None:
        words = [word.strip() for word in seeds.split(",")]
        if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
            raise SettingsError(
                f"seeds '{seeds}': whole numbers with commas are expected, each once, as in 0,1,2"
            )
        chosen["seeds"] = tuple(map(int, words))
    for override in overrides:
        if override.partition("=")[0].strip() in _OWNED:
            raise SettingsError(
                f"setting '{override}' belongs to the grid; give --seeds, or a grid of your own"
            )
    return replace(grid, last_overrides=tuple(overrides), **chosen)


def _checked(values: Mapping[str, Any], kinds: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Refuses unknown keys and values of another kind; lists become tuples."""
    checked = {}
    for key, value in values.items():
        if key not in kinds:
            raise SettingsError(f"{where}key '{key}' is unknown; {suggestion(key, kinds)}")
        kind = kinds[key]
        if isinstance(kind, list):
            fits = isinstance(value, list) and all(type(one) is kind[0] for one in value)
            name = f"a list, each {KIND_NAMES[kind[0]]},"
        else:
            fits, name = type(value) is kind, KIND_NAMES[kind]
        if not fits:
            raise SettingsError(f"{where}key '{key}': {value!r} came, {name} is expected")
        checked[key] = tuple(value) if isinstance(kind, list) else value
    return checked


def _entry(values: Mapping[str, Any], where: str) -> Entry:
    chosen = _checked(values, {"system": str, "label": str, "set": dict}, where)
    if "system" not in chosen:
        raise SettingsError(f'{where}a system is missing; system = "CNN_SeqCap" is expected')
    system = chosen["system"]
    if system not in SYSTEMS and ":" not in system:
        way_out = suggestion(system, SYSTEMS)
        raise SettingsError(
            f"{where}system '{system}' is unknown; {way_out} (your own is module:function)"
        )
    return Entry(chosen.get("label", system), system, _overrides(chosen.get("set", {}), where))


def _combination(values: Mapping[str, Any], where: str) -> Combination:
    chosen = _checked(values, {"label": str, "of": [str]}, f"{where}combination: ")
    of = chosen.get("of", ())
    if len(of) < 2:
        raise SettingsError(f"{where}combination: two labels at least are expected under 'of'")
    return Combination(chosen.get("label", " + ".join(of)), of)


def _overrides(values: Mapping[str, Any], where: str, prefix: str = "") -> tuple[str, ...]:
    """Writes a TOML table of settings as ``key=value``, which a command line says too."""
    lines: list[str] = []
    for key, value in values.items():
        if prefix + key in _OWNED:
            raise SettingsError(
                f"{where}setting '{key}' belongs to the grid: system to an entry, seeds to 'seeds'"
            )
        if isinstance(value, dict):
            lines += _overrides(value, where, f"{prefix}{key}.")
        else:
            lines.append(f"{prefix}{key}={json.dumps(value)}")
    return tuple(lines)


def _opening_comment(text: str) -> str:
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)


def _check_labels(grid: Grid, path: Path) -> None:
    labels = [entry.label for entry in grid.entries]
    for twice in _twice([*labels, *(c.label for c in grid.combinations)]):
        raise SettingsError(f"{path}: label '{twice}' stands there twice; give another `label`")
    for combination in grid.combinations:
        for label in combination.of:
            if label not in labels:
                raise SettingsError(
                    f"{path}: combination '{combination.label}': there is no entry '{label}'; "
                    f"there are {', '.join(labels)}"
                )


def _twice(words: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [word for word in words if word in seen or seen.add(word)]  # type: ignore[func-returns-value]
