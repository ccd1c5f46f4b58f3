"""Plans: the runs of a grid on a corpus, most useful first.

`plans/<grid>.json` says which run's folder belongs to which entry, fold and seed: all that a
report needs beside the runs themselves.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from seqcap.corpora.fold import Fold
from seqcap.corpora.folds import ALL_FOLDS, choose_folds
from seqcap.corpora.labels import LabelSet, apply_labels, label_set_named
from seqcap.errors import SettingsError
from seqcap.experiments.grid import Grid
from seqcap.experiments.plan_files import (
    FilePlan,
    PlannedEntry,
    PlannedFolder,
    plan_as_json,
    read_plan_file,
)
from seqcap.files import atomic_write
from seqcap.models.system_check import check_own_system
from seqcap.training.fine_tuning import refuse_known_speakers
from seqcap.training.run_identity import describe_data, describe_run, run_name
from seqcap.training.run_locks import lock_run
from seqcap.training.settings import TrainingSettings

_SAME = ("labels", "folds", "recipe", "overrides", "corpus", "corpus_facts")


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of a plan.

    Attributes:
        label: Of its entry.
        label_set: Which emotions.
        fold: Who trains, validates and tests.
        settings: With system and seed.
        name: Of its folder, a function of all that can change its result.
        gradients: Keep those of Fig. 8.
    """

    label: str
    label_set: LabelSet
    fold: Fold
    settings: TrainingSettings
    name: str
    gradients: bool = False

    @property
    def title(self) -> str:
        """Entry, fold and seed, for people."""
        return f"{self.label}, {self.fold.name}, seed {self.settings.seed}"

    def folder(self, experiment: Path) -> Path:
        """Where it leaves its results, below the experiment's folder.

        Args:
            experiment: Its folder.
        """
        return experiment / "runs" / self.name


@dataclasses.dataclass(frozen=True)
class Plan:
    """The runs that a grid needs on a corpus.

    Attributes:
        grid: The grid.
        labelled: The corpus table with its labels applied; columns as `read_table` gives them.
        label_set: Which emotions.
        runs: Seed by seed, fold by fold, entry by entry, so that an interrupted grid has whole
            comparisons.

    Example:
        >>> pair = label_set_named("anger,sadness")
        >>> Plan(Grid("mine", "Mine"), pd.DataFrame(), pair, runs=()).runs
        ()
    """

    grid: Grid
    labelled: pd.DataFrame
    label_set: LabelSet
    runs: tuple[PlannedRun, ...]


def make_plan(grid: Grid, table: pd.DataFrame) -> Plan:
    """Finds the runs that a grid needs on a corpus; nothing is trained.

    Args:
        grid: The grid.
        table: The corpus table, or several joined; columns as `read_table` gives them.

    Raises:
        CorpusError: No row has one of the emotions, or the folds cannot be made.
        SettingsError: Impossible settings, or two entries that are the same with them.

    Example:
        >>> table = pd.DataFrame({"file": ["a", "b"], "speaker": ["a", "b"], "session": "",
        ...                       "emotion": ["anger", "sadness"]})
        >>> make_plan(Grid("table3", "Utterances", labels="all", trains=False), table).runs
        ()
    """
    label_set = label_set_named(grid.labels, table)
    labelled = apply_labels(table, label_set).reset_index(drop=True)
    runs = []
    if grid.trains:
        folds = choose_folds(table, grid.folds, ALL_FOLDS, False)
        data = describe_data(labelled)
        for seed in grid.seeds:
            for fold in folds:
                for entry in grid.entries:
                    settings = grid.settings(entry, seed)
                    made = describe_run(labelled, fold, label_set, settings, data)
                    refuse_known_speakers(made["started_from"], fold)
                    name = run_name(made)
                    runs.append(
                        PlannedRun(entry.label, label_set, fold, settings, name, grid.gradients)
                    )
    _refuse_same_entries(runs)
    return Plan(grid, labelled, label_set, tuple(runs))


def in_order(plans: Sequence[Plan], only: Sequence[str] = ()) -> list[PlannedRun]:
    """Joins the runs of several plans, each once, seed by seed and fold by fold.

    Args:
        plans: Of one corpus.
        only: Labels of the entries to take; all if empty.

    Raises:
        SettingsError: A label that no plan has.
    """
    labels = list(dict.fromkeys(entry.label for plan in plans for entry in plan.grid.entries))
    for label in only:
        if label not in labels:
            raise SettingsError(
                f"entry '{label}' is unknown; there are {', '.join(repr(one) for one in labels)}"
            )
    joined: dict[str, PlannedRun] = {}
    places: dict[str, tuple[int, int]] = {}
    for plan in plans:
        seeds = list(dict.fromkeys(run.settings.seed for run in plan.runs))
        folds = list(dict.fromkeys(run.fold.name for run in plan.runs))
        for run in plan.runs:
            if only and run.label not in only:
                continue
            before = joined.get(run.name, run)
            gradients = before.gradients or run.gradients
            joined[run.name] = dataclasses.replace(before, gradients=gradients)
            places.setdefault(
                run.name, (seeds.index(run.settings.seed), folds.index(run.fold.name))
            )
    return sorted(joined.values(), key=lambda run: places[run.name])


def check_own_systems(runs: Iterable[PlannedRun]) -> None:
    """Tries each system of your own once, so that a mistake in it does not fail run after run.

    Args:
        runs: Those to be done.

    Raises:
        SettingsError: One does not work; see `check_own_system`.

    Example:
        >>> check_own_systems([])
    """
    tried = set()
    for run in runs:
        settings = run.settings
        variant = (settings.system, settings.capsules, len(run.label_set.emotions))
        if variant not in tried:
            tried.add(variant)
            check_own_system(settings.system, len(run.label_set.emotions), settings.capsules)


def write_plan(plan: Plan, folder: Path, command: str) -> Path:
    """Writes a plan for the report to find.

    Seeds add up: a plan that was written there before, alike in all but its seeds, keeps them.

    Args:
        plan: What is to be run.
        folder: Of the experiment.
        command: What was typed.

    Returns:
        The file, ``plans/<grid>.json``.
    """
    file = folder / "plans" / f"{plan.grid.name}.json"
    content = describe_plan(plan, command)
    while True:
        with lock_run(folder, f"plan-{plan.grid.name}") as ours:
            if not ours:
                continue
            if file.is_file():
                content = _with_seeds_of(read_plan_file(file), content)
            with atomic_write(file) as scratch:
                scratch.write_text(plan_as_json(content), "utf-8")
            return file


def describe_plan(plan: Plan, command: str) -> FilePlan:
    """Describes a plan for its file and the report.

    Args:
        plan: What is to be run.
        command: What was typed.
    """
    grid, labelled = plan.grid, plan.labelled
    counts = labelled["emotion"].value_counts()
    corpora = set(labelled["corpus"].astype(str)) if "corpus" in labelled else set()
    folders: dict[str, list[PlannedFolder]] = {entry.label: [] for entry in grid.entries}
    for run in plan.runs:
        folders[run.label].append(PlannedFolder(run.fold.name, run.settings.seed, run.name))
    return FilePlan(
        grid=grid.name,
        title=grid.title,
        purpose=grid.purpose,
        shows=grid.shows,
        corpus=tuple(sorted(corpora)),
        corpus_facts={
            "utterances": len(labelled),
            "speakers": int(labelled["speaker"].nunique()),
            "emotions": {e: int(counts.get(e, 0)) for e in plan.label_set.emotions},
        },
        label_set=plan.label_set.description,
        labels=grid.labels,
        emotions=plan.label_set.emotions,
        folds=grid.folds,
        seeds=grid.seeds if grid.trains else (),
        recipe=grid.recipe,
        overrides=(*grid.overrides, *grid.last_overrides),
        command=command,
        entries=tuple(
            PlannedEntry(entry.label, entry.system, entry.overrides, tuple(folders[entry.label]))
            for entry in grid.entries
        ),
        combinations=grid.combinations,
    )


def _refuse_same_entries(runs: Iterable[PlannedRun]) -> None:
    labels: dict[str, str] = {}
    for run in runs:
        other = labels.setdefault(run.name, run.label)
        if other != run.label:
            raise SettingsError(
                f"entries '{other}' and '{run.label}' are the same with these settings; "
                "leave out the setting that they differ by"
            )


def _with_seeds_of(before: FilePlan, plan: FilePlan) -> FilePlan:
    """Takes over the runs with other seeds, if the same entries were made in the same way."""
    theirs = {(e.label, e.system, *e.overrides): e for e in before.entries}
    ours = {(e.label, e.system, *e.overrides): e for e in plan.entries}
    if set(theirs) != set(ours) or any(getattr(before, k) != getattr(plan, k) for k in _SAME):
        return plan
    seeds = [seed for seed in before.seeds if seed not in plan.seeds]
    entries = []
    for key, entry in ours.items():
        kept = [run for run in theirs[key].runs if run.seed in seeds]
        runs = sorted([*entry.runs, *kept], key=lambda run: run.seed)
        entries.append(dataclasses.replace(entry, runs=tuple(runs)))
    return dataclasses.replace(
        plan, entries=tuple(entries), seeds=tuple(sorted([*plan.seeds, *seeds]))
    )
