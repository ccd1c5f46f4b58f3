"""The file of a plan, `plans/<grid>.json`: whose runs are in which folders.

A plan lists the runs of a grid on one corpus. Reports read it.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from seqcap.errors import SettingsError
from seqcap.experiments.run_files import read_json

EntryT = TypeVar("EntryT")
# Of a report, in the order in which they are read.
SECTION_NAMES = (
    "table2", "table3", "table4", "table5", "significance", "table6", "table7", "confusions",
    "figure7", "figure8", "trials", "curves", "speakers", "calibration", "cost",
)  # fmt: skip
_LISTS = ("shows", "corpus", "emotions", "seeds", "overrides")


@dataclass(frozen=True)
class Combination:
    """The average of finished entries' probabilities, made without training (Sec. VI-F).

    Attributes:
        label: As the paper writes it, ``CNN_GRU + CNN_SeqCap``.
        of: Labels of entries.

    Example:
        >>> Combination("CNN_GRU + CNN_SeqCap", ("CNN_GRU", "CNN_SeqCap")).of
        ('CNN_GRU', 'CNN_SeqCap')
    """

    label: str
    of: tuple[str, ...]


@dataclass(frozen=True)
class PlannedFolder:
    """The folder of a run, below `runs/`."""

    fold: str
    seed: int
    folder: str


@dataclass(frozen=True)
class PlannedEntry:
    """An entry of a grid and its runs.

    Attributes:
        label: Its name in the report.
        system: Name of the system.
        overrides: Its own settings, each ``key=value``.
        runs: Seed by seed and fold by fold.
    """

    label: str
    system: str
    overrides: tuple[str, ...]
    runs: tuple[PlannedFolder, ...]


@dataclass(frozen=True)
class PlanDescription(Generic[EntryT]):
    """The runs of a grid on a corpus.

    Attributes:
        grid: Name of the grid.
        title: One line.
        purpose: Comment at the top of the grid's file.
        shows: Sections of the report; the usual ones if empty.
        corpus: Names of the corpora, as far as the table tells them.
        corpus_facts: Numbers of utterances and speakers, and utterances by emotion.
        label_set: Description of the label set.
        labels: Name of the label set.
        emotions: In the order of confusion matrices.
        folds: Scheme or file.
        seeds: Of the trainings.
        recipe: Settings before the overrides.
        overrides: Settings of all entries, each ``key=value``.
        command: What was typed.
        entries: `PlannedEntry`, or what a report knows of each entry.
        combinations: Averages of entries.
    """

    grid: str
    title: str
    purpose: str
    shows: tuple[str, ...]
    corpus: tuple[str, ...]
    corpus_facts: Mapping[str, Any]
    label_set: str
    labels: str
    emotions: tuple[str, ...]
    folds: str
    seeds: tuple[int, ...]
    recipe: str
    overrides: tuple[str, ...]
    command: str
    entries: tuple[EntryT, ...]
    combinations: tuple[Combination, ...]


FilePlan = PlanDescription[PlannedEntry]


def plan_as_json(plan: FilePlan) -> str:
    """Writes a plan as the text of its file.

    Args:
        plan: With its entries and their runs.
    """
    return json.dumps(dataclasses.asdict(plan), indent=1, ensure_ascii=False) + "\n"


def read_plan_file(path: Path) -> FilePlan:
    """Reads the file of a plan.

    Args:
        path: ``plans/<grid>.json``.

    Raises:
        SettingsError: It is missing, no JSON, or no plan.
    """
    content = {"labels": "", **read_json(path)}
    try:
        content["entries"] = tuple(
            PlannedEntry(
                entry["label"],
                entry["system"],
                tuple(entry.get("overrides", ())),
                tuple(PlannedFolder(r["fold"], r["seed"], r["folder"]) for r in entry["runs"]),
            )
            for entry in content["entries"]
        )
        content["combinations"] = tuple(
            Combination(one["label"], tuple(one["of"])) for one in content["combinations"]
        )
        names = [field.name for field in dataclasses.fields(PlanDescription)]
        values: dict[str, Any] = {name: content[name] for name in names}
    except KeyError as error:
        raise SettingsError(
            f"{path}: a plan without {error}; plans that 'seqcap experiment run' wrote are expected"
        ) from error
    for name in _LISTS:
        values[name] = tuple(values[name])
    return PlanDescription(**values)
