"""What a step of training takes, known from runs that are done or measured."""

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from seqcap.audio.spectrogram import BIN_COUNT, FRAMES_PER_S
from seqcap.experiments.packed_runs import packed_runs
from seqcap.experiments.run_files import RESOURCES_FILE, SETTINGS_FILE, read_json
from seqcap.memory import keep_freed_memory
from seqcap.models.systems import build
from seqcap.training.run import is_done
from seqcap.training.settings import TrainingSettings, hashed_settings

_WARM_UP = 1
_MEASURED = 2


class StepTime(NamedTuple):
    """What a step of training takes, and how that is known."""

    step_s: float
    testing_s: float
    source: str


def finished_step_times(folder: Path) -> dict[str, list[tuple[Mapping[str, Any], StepTime]]]:
    """Reads what the runs that are done have taken, with their settings, by system.

    Args:
        folder: Of the experiment.
    """
    paces: dict[str, list[tuple[Mapping[str, Any], StepTime]]] = {}
    own = [
        (read_json(run / SETTINGS_FILE)["settings"], read_json(run / RESOURCES_FILE))
        for run in sorted(folder.glob("runs/*"))
        if is_done(run)
    ]
    for settings, cost in (*own, *packed_runs(folder).costs()):
        # Of an interrupted training the last piece only was timed.
        step_s = max(cost["step_ms"] / 1000, cost["training_s"] / max(1, cost["training_steps"]))
        pace = StepTime(step_s, cost["testing_s"], "runs that are done")
        paces.setdefault(settings["system"], []).append((settings, pace))
    return paces


def measure_step_time(
    settings: TrainingSettings, emotion_count: int, threads: int
) -> StepTime | None:
    """Times a step of training on noise.

    Args:
        settings: With the system and the size of a batch.
        emotion_count: Number of emotions.
        threads: Where the settings leave them open.

    Returns:
        None for your own system if it fails; its run will record how.
    """
    keep_freed_memory()  # as a training does
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads or threads)
    try:
        return StepTime(_measure_step_s(settings, emotion_count), 0.0, "a step measured here")
    except Exception:
        if ":" in settings.system:
            return None
        raise
    finally:
        torch.set_num_threads(before)


def _measure_step_s(settings: TrainingSettings, emotion_count: int) -> float:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    system = build(settings.system, emotion_count, settings.capsules, settings.seed).to(device)
    optimizer = torch.optim.AdamW(system.parameters(), settings.learning_rate, fused=True)
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


def choose_step_time(
    settings: TrainingSettings, finished: Mapping[str, Sequence[tuple[Mapping[str, Any], StepTime]]]
) -> StepTime | None:
    """Takes the median of runs with the same settings but for the seed, or of the same system.

    Args:
        settings: Of the run to come.
        finished: As `finished_step_times` gives them.

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
    return StepTime(
        statistics.median(pace.step_s for pace in paces),
        statistics.median(pace.testing_s for pace in paces),
        source,
    )


def _comparable(settings: Mapping[str, Any]) -> dict[str, Any]:
    of_a_step = hashed_settings(settings)
    for name in ("seed", "epochs", "min_steps"):
        of_a_step.pop(name, None)
    return of_a_step


def measured_by(settings: TrainingSettings) -> str:
    """Settings of one step: what has the same ones is measured once.

    Args:
        settings: Of a run.
    """
    return json.dumps(_comparable(asdict(settings)), sort_keys=True)
