"""What one run of an experiment left in its folder, as `seqcap train` writes it."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqcap.corpora.emotions import EMOTIONS
from seqcap.errors import SettingsError
from seqcap.files import atomic_write

PARTS = ("validation", "test", "test-unknown-speakers")
CURVES = "curves"
SETTINGS_FILE, SCORES_FILE, RESOURCES_FILE = "settings.json", "scores.json", "resources.json"
METRICS_FILE, ERROR_FILE, GRADIENTS_FILE = "metrics.csv", "error.txt", "gradients.npz"
PICTURES = ("spectrogram", "gradient")  # arrays of gradients.npz, (frame, bin)
# Version 0.1.0 wrote the last part under another name.
FIRST_NAMES = {"test-unknown-speakers": "test-strangers"}
_TEXT = ("file", "speaker", "session", "emotion", "predicted")


@dataclass(frozen=True)
class RunFiles:
    """What one run left, wherever it is kept.

    Attributes:
        name: Of the run.
        settings: Content of `settings.json`; empty before the run began.
        scores: Content of `scores.json`; empty before the run was done.
        resources: Content of `resources.json`; empty before the run was done.
        tables: Predictions by part, and `curves`; only those that exist.
        error: Text of `error.txt`.
        gradients: File with the gradients of Fig. 8, if there is one.
        had_gradients: The run computed gradients, which need not have been kept.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    error: str = ""
    gradients: Path | None = None
    had_gradients: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the run has all its results."""
        return bool(self.scores)


def read_run_folder(folder: Path) -> RunFiles:
    """Reads what a run left in its own folder, which may be missing.

    Args:
        folder: With `settings.json`, `scores.json` and so on.

    Raises:
        SettingsError: A file of a run that is done is missing or cannot be read.
    """
    done = (folder / SCORES_FILE).is_file()
    begun, error = (folder / SETTINGS_FILE).is_file(), folder / ERROR_FILE
    gradients = folder / GRADIENTS_FILE
    tables = {}
    if done:
        tables = {part: _read_predictions(folder / f"{part}.csv") for part in PARTS[:2]}
        for name in (PARTS[2], FIRST_NAMES[PARTS[2]]):
            if (folder / f"{name}.csv").is_file():
                tables[PARTS[2]] = _read_predictions(folder / f"{name}.csv")
        if (folder / METRICS_FILE).is_file():
            tables[CURVES] = _read_csv(folder / METRICS_FILE)
    return RunFiles(
        name=folder.name,
        settings=read_json(folder / SETTINGS_FILE) if begun else {},
        scores=_current_parts(read_json(folder / SCORES_FILE)) if done else {},
        resources=read_json(folder / RESOURCES_FILE) if done else {},
        tables=tables,
        error=error.read_text("utf-8") if error.is_file() and not done else "",
        gradients=gradients if gradients.is_file() else None,
        had_gradients=gradients.is_file(),
    )


def read_json(path: Path) -> dict[str, Any]:
    """Reads a file of results.

    Args:
        path: Of the file.

    Raises:
        SettingsError: It is missing or no JSON.
    """
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); run it again") from error


def _read_predictions(path: Path) -> pd.DataFrame:
    """Reads the predictions of one part; names such as "007" and "NA" stay text.

    Probabilities are empty where there is no speech.
    """
    return _read_csv(
        path,
        dtype=dict.fromkeys(_TEXT, str),
        keep_default_na=False,
        na_values={column: [""] for column in ("end", *EMOTIONS)},
    )


def _read_csv(path: Path, **options: Any) -> pd.DataFrame:
    try:
        return pd.read_csv(path, **options)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise SettingsError(f"{path}: cannot be read ({error}); run it again") from error


def _current_parts(scores: Mapping[str, Any]) -> dict[str, Any]:
    parts = {first: today for today, first in FIRST_NAMES.items()}
    return {parts.get(part, part): one for part, one in scores.items()}


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes what `numpy.load` reads; `numpy.savez` refuses an array named file.

    Args:
        path: Of the file, replaced if it exists.
        arrays: By name.
    """
    with (
        atomic_write(path) as scratch,
        zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
