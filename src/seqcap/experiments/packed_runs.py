"""Runs of an experiment packed into a few files, small enough for version control.

A packed folder holds, beside `plans/`:

- `results.csv`: one row per run, for people and spreadsheets; the program does not read it,
- `runs.parquet`: settings, scores, resources and errors of each run as JSON text,
- `recordings.parquet`: the recordings and their SHA-256, once for all runs,
- `validation.parquet`, `test.parquet`, `test-unknown-speakers.parquet`: the probabilities of every
  utterance, one row per run and utterance, exactly as the run wrote them,
- `curves.parquet`: the training, epoch by epoch,
- `gradients/`: those that a figure shows,
- `peers.parquet`: the predictions of other tools that lay in `peers/`.

Models, logs and checkpoints are not packed.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from seqcap.errors import SettingsError
from seqcap.experiments.run_files import CURVES, PARTS, RunFiles, read_run_folder

RUNS_FILE = "runs.parquet"  # written last: with it the runs are packed
RECORDINGS_FILE = "recordings.parquet"
GRADIENTS_FOLDER = "gradients"
PEERS_FILE = Path("peers.parquet")
TABLES = (*PARTS, CURVES)


class PackedRuns:
    """The packed runs of an experiment; tables are read when they are first used.

    Args:
        experiment: Folder of the experiment; it need not hold packed runs.

    Raises:
        SettingsError: A packed file cannot be read.
    """

    def __init__(self, experiment: Path) -> None:
        self.folder = experiment
        file = experiment / RUNS_FILE
        rows: list[Any] = read_parquet(file).to_dict("records") if file.is_file() else []
        self._rows: dict[str, Mapping[str, Any]] = {row["run"]: row for row in rows}

    @property
    def names(self) -> list[str]:
        """Names of all packed runs."""
        return list(self._rows)

    def is_complete(self, name: str, gradients: bool = False) -> bool:
        """Says whether a run is packed with all its results.

        Args:
            name: Of the run.
            gradients: It must have computed gradients too.
        """
        row = self._rows.get(name)
        return row is not None and bool(row["scores"]) and (not gradients or row["had_gradients"])

    def costs(self) -> Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Gives settings and resources of each run that is done."""
        for row in self._rows.values():
            if row["scores"]:
                yield json.loads(row["settings"])["settings"], json.loads(row["resources"])

    def read(self, name: str) -> RunFiles:
        """Reads one run; it has nothing if it is not packed here.

        Args:
            name: Of the run.
        """
        if name not in self._rows:
            return RunFiles(name)
        row = self._rows[name]
        settings, scores, resources = (
            json.loads(row[column] or "{}") for column in ("settings", "scores", "resources")
        )
        if settings:
            settings["files"] = self._recordings[int(row["recordings"])]
        gradients = self.folder / GRADIENTS_FOLDER / f"{name}.npz"
        return RunFiles(
            name,
            settings,
            scores,
            resources,
            {part: runs[name] for part, runs in self._tables.items() if name in runs},
            row["error"],
            gradients if gradients.is_file() else None,
            bool(row["had_gradients"]),
        )

    @functools.cached_property
    def _recordings(self) -> dict[int, dict[str, str]]:
        table = read_parquet(self.folder / RECORDINGS_FILE)
        return {
            int(str(number)): {
                file: digest.hex()
                for file, digest in zip(rows["file"], rows["sha256"], strict=True)
            }
            for number, rows in table.groupby("recordings")
        }

    @functools.cached_property
    def _tables(self) -> dict[str, dict[str, pd.DataFrame]]:
        """Each table by run, without the columns that only other runs have."""
        tables = {}
        for name in TABLES:
            file = self.folder / f"{name}.parquet"
            if file.is_file():
                tables[name] = {
                    str(run): _own_columns(rows)
                    for run, rows in read_parquet(file).groupby("run", sort=False)
                }
        return tables


def packed_runs(experiment: Path) -> PackedRuns:
    """Opens the packed runs of an experiment, again only when their file has changed.

    Args:
        experiment: Its folder.
    """
    try:
        changed_ns = (experiment / RUNS_FILE).stat().st_mtime_ns
    except OSError:
        changed_ns = 0
    return _packed_runs(experiment.absolute(), changed_ns)


@functools.lru_cache(maxsize=8)
def _packed_runs(experiment: Path, changed_ns: int) -> PackedRuns:
    return PackedRuns(experiment)


def read_run_files(experiment: Path, name: str) -> RunFiles:
    """Reads what a run left, in its own folder or packed; a folder with results comes first.

    Args:
        experiment: Folder of the experiment.
        name: Of the run.

    Raises:
        SettingsError: A file of a run that is done is missing or cannot be read.
    """
    own = read_run_folder(experiment / "runs" / name)
    if own.is_done or (own.settings and not packed_runs(experiment).is_complete(name)):
        return own
    packed = packed_runs(experiment).read(name)
    return packed if packed.settings or not own.error else own


def _own_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one run as it wrote them: single precision becomes double, which is exact."""
    own = rows.drop(columns="run").dropna(axis=1, how="all")
    if "end" in rows and "end" not in own:  # whole recordings
        own.insert(list(own.columns).index("start") + 1, "end", np.nan)
    single = own.select_dtypes("float32").columns
    return own.astype(dict.fromkeys(single, float)).reset_index(drop=True)


def read_parquet(path: Path) -> pd.DataFrame:
    """Reads a packed table.

    Args:
        path: Of the file.

    Raises:
        SettingsError: It is missing or no Parquet.
    """
    try:
        return pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); pack the runs again") from error
