"""Learning curves, and Fig. 8: which part of a spectrogram mattered."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqcap.audio.spectrogram import DFT_SAMPLES
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.errors import SettingsError
from seqcap.experiments.run_files import PICTURES
from seqcap.reports.experiment_results import PlanResults
from seqcap.reports.experiment_runs import Run
from seqcap.reports.report_blocks import Block, Figure, Text
from seqcap.reports.report_figures import draw_curves, draw_gradients
from seqcap.scoring.metrics import WHAT_SCORES_MEAN

_BESIDE = ("CNN_SeqCap", "CNN_GRU_Att")  # Fig. 8


def curves(plan: PlanResults) -> list[Block]:
    """Loss and UA on the validation part, epoch by epoch, mean and range over runs."""
    tables = {
        entry.label: pd.concat([_curves(run) for run in entry.done]) for entry in plan.trained
    }
    return [
        Text(
            f"{WHAT_SCORES_MEAN} Line: mean over runs; shaded: lowest to highest. The training "
            "loss of systems with two branches is the sum of two losses."
        ),
        Figure(
            f"{plan.grid}-losses",
            draw_curves(
                tables, {"loss": "training", "validation_loss": "validation"}, "cross-entropy"
            ),
            "Cross-entropy loss by epoch.",
        ),
        Figure(
            f"{plan.grid}-validation-ua",
            draw_curves(tables, {"validation_ua": "UA"}, "UA (mean recall), 0 to 1"),
            "UA on validation speakers by epoch.",
        ),
    ]


def figure8(plan: PlanResults) -> list[Block]:
    """Gradients of the predicted emotion with respect to the spectrogram, systems together."""
    (utterance, fold, seed), examples = figure8_examples(plan)
    if not examples:
        return [Text("No run has left gradients (gradients.npz) yet.")]
    return [
        Text(
            "Size of the gradient of the predicted emotion's logit with respect to the "
            f"spectrogram, for one utterance that no system was trained on: "
            f"`{utterance}` ({examples[0]['emotion']}), fold {fold}, seed {seed}. Each panel has "
            "its own scale, so only the places of bright spots can be compared."
        ),
        Figure(
            f"{plan.grid}-gradients",
            draw_gradients(examples),
            "Spectrogram, and below it the gradient of each system.",
        ),
    ]


def figure8_examples(plan: PlanResults) -> tuple[tuple[str, str, int], list[Mapping[str, Any]]]:
    """Chooses the gradients that Fig. 8 shows.

    Args:
        plan: Some of whose runs may have left gradients.

    Returns:
        Recording, fold and seed; and per system its label, its run's name, spectrogram and
        gradient ``(frame, bin)``, emotion and prediction. Nothing where no run has any.
    """
    by_file: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for entry in plan.trained:
        for run in entry.done:
            if run.gradients is not None:
                told = {"label": entry.label, "system": entry.system, "run": run.name}
                example = {**told, **_gradients(run.gradients)}
                by_file.setdefault((example["file"], run.fold, run.seed), []).append(example)
    if not by_file:
        return ("", "", 0), []
    # One utterance: of those that most systems have, the paper's two before others, the first.
    key, examples = min(
        by_file.items(),
        key=lambda item: (-sum(e["system"] in _BESIDE for e in item[1]), -len(item[1]), item[0]),
    )
    places = {system: place for place, system in enumerate(_BESIDE)}
    return key, sorted(examples, key=lambda e: places.get(e["system"], len(places)))


def _curves(run: Run) -> pd.DataFrame:
    if run.curves.empty:
        raise SettingsError(f"{run.name}: metrics.csv is missing; run it again")
    # Runs of version 0.1.0 have loss and validation in different rows of the same epoch.
    return run.curves.groupby("epoch", as_index=False).first()


def _gradients(file: Path) -> dict[str, Any]:
    with np.load(file) as arrays:
        values = {name: arrays[name] for name in arrays.files}
    for name in PICTURES:
        if values[name].dtype == np.uint8:  # packed
            low, high = values[f"{name}_range"]
            values[name] = low + (high - low) * values[name].astype(float) / 255
    return {
        **{name: values[name] for name in PICTURES},
        **{name: str(values[name]) for name in ("file", "emotion", "predicted")},
        "frame_shift_s": float(values["frame_shift_s"]),
        "bin_hz": SAMPLE_RATE_HZ / DFT_SAMPLES,
    }
