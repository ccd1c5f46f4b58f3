"""How long a grid will take, from runs that are done or from one step, measured."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from seqcap.audio.normalisation import Normalisation, NormalisationSettings
from seqcap.audio.spectrogram import BIN_COUNT
from seqcap.corpora.audio_info import durations_s
from seqcap.corpora.fold import Fold, part_of
from seqcap.experiments.cores import Engine, core_count, share_cores
from seqcap.experiments.plan import Plan, PlannedRun
from seqcap.experiments.step_timing import (
    choose_step_time,
    finished_step_times,
    measure_step_time,
    measured_by,
)
from seqcap.scoring.evaluation import load_rows

_LISTENED_TO = 32


class Estimate(NamedTuple):
    """What a run will take, and how that is known."""

    duration_s: float
    source: str


def estimate(
    plans: Sequence[Plan],
    runs: Sequence[PlannedRun],
    folder: Path,
    engine: Engine,
    track: Callable[[list[PlannedRun]], Iterable[PlannedRun]] = iter,
) -> dict[str, Estimate]:
    """Estimates what each run will take.

    Args:
        plans: Where the runs come from.
        runs: To be done.
        folder: Of the experiment, whose finished runs say most.
        engine: Who will do them.
        track: Goes through the systems of which a step has to be measured, to show progress.

    Returns:
        By the run's name; runs of systems that cannot be built are left out.
    """
    finished = finished_step_times(folder)
    paces = {run.name: choose_step_time(run.settings, finished) for run in runs}
    unknown = {measured_by(run.settings): run for run in reversed(runs) if paces[run.name] is None}
    _, threads = share_cores(core_count(), engine.jobs, len(runs))
    measured = {
        measured_by(run.settings): measure_step_time(
            run.settings, len(run.label_set.emotions), threads
        )
        for run in track(list(unknown.values()))
    }
    steps = count_steps(_tables(plans), runs)
    estimates = {}
    for run in runs:
        pace = paces[run.name] or measured[measured_by(run.settings)]
        if pace is None:
            continue
        duration_s = steps[run.name] * pace.step_s + pace.testing_s
        estimates[run.name] = Estimate(duration_s, pace.source)
    return estimates


def sum_up(estimates: Sequence[Estimate], engine: Engine) -> Estimate:
    """Estimates what several runs will take together.

    Args:
        estimates: Of each.
        engine: Who will do them; of a cluster nothing is known, so it counts as this machine.

    Example:
        >>> sum_up([Estimate(60, "a"), Estimate(60, "b")], Engine(jobs=2))
        Estimate(duration_s=60.0, source='2 runs at once; from a (1 runs), b (1 runs)')
    """
    jobs, _ = share_cores(core_count(), engine.jobs, len(estimates))
    total_s = sum(one.duration_s for one in estimates)
    # The last runs do not end together; no more can be done at once than there are runs.
    longest_s = max((one.duration_s for one in estimates), default=0.0)
    sources = Counter(one.source for one in estimates)
    origin = ", ".join(f"{source} ({count} runs)" for source, count in sources.items())
    return Estimate(
        max(total_s / jobs, longest_s), f"{jobs} runs at once; from {origin or 'nothing to do'}"
    )


def rest_s(
    plans: Sequence[Plan], left: Sequence[PlannedRun], folder: Path, engine: Engine
) -> float | None:
    """Estimates how long the rest of a grid takes, from what is done, measuring nothing.

    Args:
        plans: Where the runs come from.
        left: Runs that are still to be done.
        folder: Of the experiment.
        engine: Who does them.

    Returns:
        Seconds; runs of a system that has not been done yet take as long as the others do. None
        if nothing is done yet.
    """
    finished = finished_step_times(folder)
    steps = count_steps(_tables(plans), left)
    paces = {run.name: choose_step_time(run.settings, finished) for run in left}
    known = [
        Estimate(steps[name] * pace.step_s + pace.testing_s, pace.source)
        for name, pace in paces.items()
        if pace is not None
    ]
    if left and not known:
        return None
    rest = sum_up(known, engine).duration_s
    return rest * len(left) / len(known) if left else 0.0


def _tables(plans: Sequence[Plan]) -> dict[str, pd.DataFrame]:
    return {run.name: plan.labelled for plan in plans for run in plan.runs}


def count_steps(labelled: Mapping[str, pd.DataFrame], runs: Sequence[PlannedRun]) -> dict[str, int]:
    """Counts the steps of each run's training.

    Args:
        labelled: The corpus, its labels applied, by the run's name.
        runs: Whose steps.

    Returns:
        By the run's name.
    """
    counts = {}
    trained: dict[tuple[int, Fold, float], pd.Series[float]] = {}
    for run in runs:
        table = labelled[run.name]
        trim_db = run.settings.normalisation.trim_db
        key = (id(table), run.fold, trim_db)
        if key not in trained:
            durations = durations_s(table).fillna(0.0) * _share_after_trimming(table, trim_db)
            trained[key] = durations[part_of(table, run.fold) == "train"]
        segments = int(np.ceil(trained[key] / run.settings.segment_s).sum())
        steps = max(1, -(-segments // run.settings.batch_size))
        counts[run.name] = run.settings.count_epochs(steps) * steps
    return counts


def _share_after_trimming(table: pd.DataFrame, trim_db: float) -> float:
    """What is left of a corpus without the quiet around its utterances, from some of them."""
    if not trim_db or table.empty:
        return 1.0
    some = table.sample(min(len(table), _LISTENED_TO), random_state=0)
    nothing = np.zeros(BIN_COUNT, np.float32)
    unmeasured = Normalisation(nothing, nothing, NormalisationSettings(trim_db=trim_db))
    waveforms = load_rows(some)
    kept = sum(len(unmeasured.prepare(waveform)) for waveform in waveforms)
    return kept / sum(len(waveform) for waveform in waveforms)
