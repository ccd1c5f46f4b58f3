"""What an experiment's folder holds: plans, their entries, and the runs of each.

Only result files are read (`plans/*.json`, and runs in their folders or packed), so that a report
needs neither the recordings nor torch.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqcap.errors import SettingsError
from seqcap.experiments.packed_runs import read_run_files
from seqcap.experiments.plan_files import FilePlan, PlanDescription, read_plan_file
from seqcap.reports import paper_values as paper
from seqcap.reports.experiment_runs import (
    DONE,
    Key,
    Run,
    as_run,
    as_unknown_speakers,
    average_runs,
)

_PAPER_RECIPE = "paper"
_SYSTEMS_IN_ORDER = 3
_UNKNOWN_SPEAKERS = ", unknown speakers"

Track = Callable[[list[Any]], Iterable[Any]]


@dataclass(frozen=True)
class EntryResults:
    """A row of a grid: a system with its settings, or what follows from others' answers.

    Attributes:
        label: What it is called.
        system: Name of the system; "" for what follows from others.
        of: Labels of the entries that a combination averages, or of the one that adapts to
            speakers and here answers without knowing them; else empty.
        runs: In the plan's order.
    """

    label: str
    system: str
    of: tuple[str, ...]
    runs: tuple[Run, ...]

    @property
    def done(self) -> tuple[Run, ...]:
        """The runs with results."""
        return tuple(run for run in self.runs if run.state == DONE)

    @property
    def is_of_unknown_speakers(self) -> bool:
        """Whether a system that adapts to speakers answers without knowing them."""
        return len(self.of) == 1

    def on_validation(self) -> "EntryResults":
        """The same entry as if its validation speakers were its test."""
        runs = tuple(dataclasses.replace(run, test=run.validation) for run in self.runs)
        return dataclasses.replace(self, runs=runs)

    def on_runs(self, keys: Collection[Key]) -> "EntryResults":
        """The same entry with only these runs.

        Args:
            keys: Folds and seeds.
        """
        return dataclasses.replace(self, runs=tuple(run for run in self.runs if run.key in keys))

    @property
    def by_key(self) -> dict[Key, Run]:
        """The runs with results, by fold and seed."""
        return {run.key: run for run in self.done}


class PlanResults(PlanDescription["EntryResults"]):
    """The runs of one grid, and which of them are done."""

    @property
    def corpus_name(self) -> str:
        """Names of the corpora, as far as the table tells them."""
        return ", ".join(self.corpus) or "a corpus without a name"

    @property
    def done(self) -> tuple[EntryResults, ...]:
        """The entries with at least one result, what follows from others last."""
        return tuple(entry for entry in self.entries if entry.done)

    @property
    def trained(self) -> tuple[EntryResults, ...]:
        """The entries with at least one result that were trained."""
        return tuple(entry for entry in self.done if not entry.of)

    @property
    def is_beside_paper(self) -> bool:
        """Whether the paper's figures stand beside ours.

        They do for its emotions, in grids that ask for its tables by name, with its recipe or with
        enough of its systems to compare their order.
        """
        same_emotions = set(self.emotions) == set(paper.EMOTIONS)
        systems = [entry.label for entry in self.done if entry.label in paper.TABLE_5]
        enough = self.recipe == _PAPER_RECIPE or len(systems) >= _SYSTEMS_IN_ORDER
        return bool(self.shows) and same_emotions and enough

    def test_share(self, runs: Sequence[Run]) -> float:
        """Utterances of the test part over those of the training part, mean over runs.

        All other speakers than those of validation and test are in training.

        Args:
            runs: Finished runs.
        """
        every = int(self.corpus_facts["utterances"])
        shares = [len(run.test) / (every - len(run.validation) - len(run.test)) for run in runs]
        return float(np.mean(shares))


def read_plans(folder: Path, track: Track = iter) -> list[PlanResults]:
    """Reads all plans of an experiment's folder with all that their runs have left.

    Args:
        folder: Of the experiment.
        track: Goes through the runs' folders and may show progress.

    Returns:
        Plans of the paper's recipe first, its tables before its figures.

    Raises:
        SettingsError: No plans, or something in them or their runs that cannot be read.
    """
    files = sorted((folder / "plans").glob("*.json"))
    if not files:
        raise SettingsError(
            f"{folder}: no plans/*.json; a folder that 'seqcap experiment run' wrote is expected"
        )
    plans = [read_plan_file(file) for file in files]
    wanted = {
        run.folder: (run.fold, run.seed)
        for plan in plans
        for entry in plan.entries
        for run in entry.runs
    }
    names = sorted(wanted)
    runs = {name: as_run(read_run_files(folder, name), *wanted[name]) for name in track(names)}
    read = [_with_results(plan, runs) for plan in plans]
    return sorted(
        read,
        key=lambda plan: (
            plan.recipe != _PAPER_RECIPE,
            not plan.grid.startswith("table"),
            plan.grid,
        ),
    )


def _with_results(plan: FilePlan, runs: Mapping[str, Run]) -> PlanResults:
    entries = {
        entry.label: EntryResults(
            entry.label, entry.system, (), tuple(runs[run.folder] for run in entry.runs)
        )
        for entry in plan.entries
    }
    combined = []
    for combination in plan.combinations:
        parts = [{run.key: run for run in entries[label].runs} for label in combination.of]
        shared = [key for key in parts[0] if all(key in part for part in parts)]
        averaged = [average_runs([part[key] for part in parts], plan.emotions) for key in shared]
        combined.append(EntryResults(combination.label, "", combination.of, tuple(averaged)))
    unknown_speakers = [
        EntryResults(
            f"{entry.label}{_UNKNOWN_SPEAKERS}",
            "",
            (entry.label,),
            tuple(map(as_unknown_speakers, entry.runs)),
        )
        for entry in (*entries.values(), *combined)
        if entry.done and not any(run.unknown_speakers.empty for run in entry.done)
    ]
    everything = (*entries.values(), *combined, *unknown_speakers)
    of_plan = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
    return PlanResults(**{**of_plan, "entries": everything})
