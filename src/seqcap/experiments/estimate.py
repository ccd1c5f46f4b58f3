"""How long a grid will take, from runs that are done or from one step, measured."""

import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from seqcap.audio.spectrogram import BIN_COUNT, FRAMES_PER_S
from seqcap.corpora.fold import Fold, part_of
from seqcap.corpora.sounds import durations_s
from seqcap.experiments.engines import Engine, core_count, share_cores
from seqcap.experiments.plan import Plan, PlannedRun
from seqcap.experiments.runs import is_done
from seqcap.experiments.settings import TrainingSettings
from seqcap.models.memory import keep_freed_memory
from seqcap.models.systems import build

_WARM_UP = 1
_MEASURED = 2


class Pace(NamedTuple):
    """What a step of training takes, and how that is known."""

    step_s: float
    testing_s: float
    source: str


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
    finished = finished_paces(folder)
    paces = {run.name: choose_pace(run.settings, finished) for run in runs}
    unknown = {_measured_by(run.settings): run for run in reversed(runs) if paces[run.name] is None}
    _, threads = share_cores(core_count(), engine.jobs, len(runs))
    measured = {
        _measured_by(run.settings): measure_pace(run.settings, len(run.label_set.emotions), threads)
        for run in track(list(unknown.values()))
    }
    steps = count_steps(_tables(plans), runs)
    estimates = {}
    for run in runs:
        pace = paces[run.name] or measured[_measured_by(run.settings)]
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
    finished = finished_paces(folder)
    steps = count_steps(_tables(plans), left)
    paces = {run.name: choose_pace(run.settings, finished) for run in left}
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
    trained: dict[tuple[int, Fold], pd.Series[float]] = {}
    for run in runs:
        table = labelled[run.name]
        key = (id(table), run.fold)
        if key not in trained:
            durations = durations_s(table).fillna(0.0)
            trained[key] = durations[part_of(table, run.fold) == "train"]
        segments = int(np.ceil(trained[key] / run.settings.segment_s).sum())
        counts[run.name] = run.settings.epochs * -(-segments // run.settings.batch_size)
    return counts


def finished_paces(folder: Path) -> dict[str, list[tuple[Mapping[str, Any], Pace]]]:
    """Reads what the runs that are done have taken, with their settings, by system.

    Args:
        folder: Of the experiment.
    """
    paces: dict[str, list[tuple[Mapping[str, Any], Pace]]] = {}
    for run in sorted(folder.glob("runs/*")):
        if not is_done(run):
            continue
        cost = json.loads((run / "resources.json").read_text("utf-8"))
        settings = json.loads((run / "settings.json").read_text("utf-8"))["settings"]
        # Of an interrupted training the last piece only was timed.
        step_s = max(cost["step_ms"] / 1000, cost["training_s"] / max(1, cost["training_steps"]))
        pace = Pace(step_s, cost["testing_s"], "runs that are done")
        paces.setdefault(settings["system"], []).append((settings, pace))
    return paces


def measure_pace(settings: TrainingSettings, emotion_count: int, threads: int) -> Pace | None:
    """Times a step of training on noise.

    Args:
        settings: With the system and the size of a batch.
        emotion_count: Emotions told apart.
        threads: Where the settings leave them open.

    Returns:
        None for a system of one's own that fails; its run will record how.
    """
    keep_freed_memory()  # as a training does
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads or threads)
    try:
        return Pace(_measure_step_s(settings, emotion_count), 0.0, "a step measured here")
    except Exception:
        if ":" in settings.system:
            return None
        raise
    finally:
        torch.set_num_threads(before)


def _measure_step_s(settings: TrainingSettings, emotion_count: int) -> float:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    system = build(settings.system, emotion_count, settings.capsules, settings.seed).to(device)
    optimizer = torch.optim.AdamW(system.parameters(), settings.learning_rate)
    frames = round(settings.segment_s * FRAMES_PER_S)
    generator = torch.Generator().manual_seed(settings.seed)
    noise = torch.randn(settings.batch_size, frames, BIN_COUNT, generator=generator).to(device)
    counts = torch.full((settings.batch_size,), frames, device=device)
    labels = torch.arange(settings.batch_size, device=device) % emotion_count
    half = torch.float16 if settings.precision.startswith("16") else torch.bfloat16
    mixed = "mixed" in settings.precision
    times_s = []
    for _ in range(_WARM_UP + _MEASURED):
        began_s = time.perf_counter()
        with torch.autocast(device, half, enabled=mixed):
            loss = sum(F.cross_entropy(logits, labels) for logits in system(noise, counts))
        optimizer.zero_grad()
        torch.as_tensor(loss).backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        times_s.append(time.perf_counter() - began_s)
    return min(times_s[_WARM_UP:])


def choose_pace(
    settings: TrainingSettings, finished: Mapping[str, Sequence[tuple[Mapping[str, Any], Pace]]]
) -> Pace | None:
    """Takes the median of runs with the same settings but for the seed, or of the same system.

    Args:
        settings: Of the run to come.
        finished: As `finished_paces` gives them.

    Returns:
        None if the system has no run that is done.
    """
    of_system = finished.get(settings.system, ())
    wanted = _comparable(json.loads(json.dumps(asdict(settings))))
    same = [pace for theirs, pace in of_system if _comparable(theirs) == wanted]
    paces = same or [pace for _, pace in of_system]
    if not paces:
        return None
    source = paces[0].source if same else f"{paces[0].source}, with other settings"
    return Pace(
        statistics.median(pace.step_s for pace in paces),
        statistics.median(pace.testing_s for pace in paces),
        source,
    )


def _comparable(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in ("seed", "epochs")}


def _measured_by(settings: TrainingSettings) -> str:
    """Settings of one step: what has the same ones is measured once."""
    return json.dumps(_comparable(asdict(settings)), sort_keys=True)
