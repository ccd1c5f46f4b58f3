"""Learning curves, and Fig. 8: which part of a spectrogram mattered."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqcap.audio.spectrogram import DFT_SAMPLES
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.errors import SettingsError
from seqcap.reports.experiment_results import Plan
from seqcap.reports.experiment_runs import Run
from seqcap.reports.report_blocks import Block, Figure, Text
from seqcap.reports.report_figures import draw_curves, draw_gradients
from seqcap.scoring.metrics import WHAT_SCORES_MEAN

_GRADIENTS_FILE = "gradients.npz"
_BESIDE = ("CNN_SeqCap", "CNN_GRU_Att")  # Fig. 8


def curves(plan: Plan) -> list[Block]:
    """Loss and UA on the validation part, epoch by epoch, mean and range over runs."""
    tables = {
        entry.label: pd.concat([_metrics(run) for run in entry.done]) for entry in plan.trained
    }
    return [
        Text(
            f"{WHAT_SCORES_MEAN} Mean over runs, shaded from the least to the greatest. The "
            "training loss of systems with two branches is a sum of two."
        ),
        Figure(
            f"{plan.grid}-losses",
            draw_curves(tables, {"loss": "training", "validation_loss": "validation"}, "loss"),
            "Loss by epoch.",
        ),
        Figure(
            f"{plan.grid}-validation-ua",
            draw_curves(tables, {"validation_ua": "UA"}, "validation UA"),
            "UA on the validation speakers by epoch.",
        ),
    ]


def figure8(plan: Plan) -> list[Block]:
    """Gradients of the predicted emotion with respect to the spectrogram, systems together."""
    by_file: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for entry in plan.trained:
        for run in entry.done:
            file = run.folder / _GRADIENTS_FILE if run.folder is not None else None
            if file is not None and file.is_file():
                example = {"label": entry.label, "system": entry.system, **_gradients(file)}
                by_file.setdefault((example["file"], run.fold, run.seed), []).append(example)
    if not by_file:
        return [Text("No run has left gradients (gradients.npz) yet.")]
    # One utterance: of those that most systems have, the paper's two before others, the first.
    (utterance, fold, seed), examples = min(
        by_file.items(),
        key=lambda item: (-sum(e["system"] in _BESIDE for e in item[1]), -len(item[1]), item[0]),
    )
    places = {system: place for place, system in enumerate(_BESIDE)}
    paper_first = sorted(examples, key=lambda e: places.get(e["system"], len(places)))
    return [
        Text(
            "Size of the gradient of the predicted emotion's logit with respect to the "
            f"spectrogram, on the same utterance, which none of the systems was trained on: "
            f"`{utterance}` ({examples[0]['emotion']}), fold {fold}, seed {seed}. Each panel by "
            "its own scale: only where it is bright can be compared."
        ),
        Figure(
            f"{plan.grid}-gradients",
            draw_gradients(paper_first),
            "Spectrogram, and beneath it where it mattered to each system (Fig. 8).",
        ),
    ]


def _metrics(run: Run) -> pd.DataFrame:
    if run.folder is None:
        return pd.DataFrame()
    try:
        rows = pd.read_csv(run.folder / "metrics.csv")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{run.folder / 'metrics.csv'}: cannot be read ({error}); run it again"
        ) from error
    # Runs of version 0.1.0 have loss and validation in different rows of the same epoch.
    return rows.groupby("epoch", as_index=False).first()


def _gradients(file: Path) -> dict[str, Any]:
    with np.load(file) as arrays:
        values = {name: arrays[name] for name in arrays.files}
    return {
        **{name: values[name] for name in ("spectrogram", "gradient")},
        **{name: str(values[name]) for name in ("file", "emotion", "predicted")},
        "frame_shift_s": float(values["frame_shift_s"]),
        "bin_hz": SAMPLE_RATE_HZ / DFT_SAMPLES,
    }
