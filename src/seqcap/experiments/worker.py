"""One run of a grid, done by the process that has its lock."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pandas as pd
import torch

from seqcap.corpora.labels import apply_labels
from seqcap.errors import SettingsError
from seqcap.experiments.gradients import save_gradients
from seqcap.experiments.packed_runs import packed_runs
from seqcap.experiments.plan import PlannedRun
from seqcap.experiments.run_files import ERROR_FILE, GRADIENTS_FILE
from seqcap.files import atomic_write
from seqcap.training.run import is_done, run_fold
from seqcap.training.run_identity import describe_run, run_name
from seqcap.training.run_locks import is_locked, lock_run


class State(StrEnum):
    """Where a run stands."""

    DONE = "done"
    FAILED = "failed"
    ELSEWHERE = "in progress elsewhere"
    WAITING = "waiting"


@dataclass(frozen=True)
class JobContext:
    """What all runs of a call have in common.

    Attributes:
        table: The corpus, or several joined.
        folder: Of the experiment; several processes and machines may share it.
        threads: Of each run, where its settings leave them open.
        accelerator: As pytorch-lightning names it.
        progress: Show each training's own progress.
        failures: Errors that were there before this call, by run: when each was written. Those
            are tried again; what another process has just failed at is not.
    """

    table: pd.DataFrame
    folder: Path
    threads: int = 1
    accelerator: str = "auto"
    progress: bool = False
    failures: Mapping[str, int] = field(default_factory=dict)


def is_complete(run: PlannedRun, experiment: Path) -> bool:
    """Says whether a run has left all its results, in its folder or packed.

    Args:
        run: One of a plan.
        experiment: Folder of the experiment.
    """
    folder = run.folder(experiment)
    if is_done(folder) and (not run.gradients or (folder / GRADIENTS_FILE).is_file()):
        return True
    return packed_runs(experiment).is_complete(run.name, run.gradients)


def state_of(run: PlannedRun, experiment: Path) -> State:
    """Finds out where a run stands; nothing is changed.

    Args:
        run: One of a plan.
        experiment: Folder of the experiment.
    """
    if is_complete(run, experiment):
        return State.DONE
    if is_locked(experiment, run.name):
        return State.ELSEWHERE
    return State.WAITING if failed_at(run, experiment) is None else State.FAILED


def failed_at(run: PlannedRun, experiment: Path) -> int | None:
    """When the last try of a run failed, by the folder's own clock; None if it did not.

    Args:
        run: One of a plan.
        experiment: Folder of the experiment.
    """
    try:
        return (run.folder(experiment) / ERROR_FILE).stat().st_mtime_ns
    except OSError:
        return None


def failures(runs: Sequence[PlannedRun], experiment: Path) -> dict[str, int]:
    """Finds the runs whose last try failed, and when that was; `Work` wants to know.

    Args:
        runs: Of a plan.
        experiment: Folder of the experiment.
    """
    times = {run.name: failed_at(run, experiment) for run in runs}
    return {name: time_ns for name, time_ns in times.items() if time_ns is not None}


def run_job(work: JobContext, run: PlannedRun) -> State:
    """Does a run, unless it is done or another process is doing it.

    Args:
        work: What it has in common with others.
        run: Which.

    Returns:
        DONE, FAILED (its folder then has `error.txt`), or ELSEWHERE.
    """
    if is_complete(run, work.folder):
        return State.DONE
    with lock_run(work.folder, run.name) as ours:
        if not ours:
            return State.ELSEWHERE
        if is_complete(run, work.folder):  # another process was faster
            return State.DONE
        failed = failed_at(run, work.folder)
        if failed is not None and failed != work.failures.get(run.name):
            return State.FAILED
        folder = run.folder(work.folder)
        try:
            _do(work, run, folder)
        except Exception:
            write_error(folder, traceback.format_exc())
            return State.FAILED
        (folder / ERROR_FILE).unlink(missing_ok=True)
        return State.DONE


def write_error(folder: Path, text: str) -> None:
    """Leaves the reason why a run failed in its folder.

    Args:
        folder: Of the run.
        text: With a traceback; its last line is shown in reports.
    """
    with atomic_write(folder / ERROR_FILE) as scratch:
        scratch.write_text(text, "utf-8")


def _do(work: JobContext, run: PlannedRun, folder: Path) -> None:
    # Here and not in the settings: how many cores a machine has names no other run.
    torch.set_num_threads(work.threads)
    labelled = apply_labels(work.table, run.label_set).reset_index(drop=True)
    made = describe_run(labelled, run.fold, run.label_set, run.settings)
    here = run_name(made)
    if here != run.name:
        raise SettingsError(
            f"run {here} came, {run.name} was planned; the same recordings and the same versions "
            "of seqcap, Python's torch and your own systems are expected on all machines"
        )
    run_fold(
        work.table,
        run.fold,
        run.label_set,
        run.settings,
        folder,
        run.name,
        work.accelerator,
        progress=work.progress,
        made=made,
    )
    if run.gradients:
        save_gradients(labelled, run.fold, folder)
