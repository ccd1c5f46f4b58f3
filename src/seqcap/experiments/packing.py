"""Packing: the runs of an experiment in a few small files; see `packed_runs` for what they hold."""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from seqcap.corpora.emotions import canonical_emotion
from seqcap.errors import SettingsError
from seqcap.experiments.packed_runs import (
    GRADIENTS_FOLDER,
    PEERS_FILE,
    RECORDINGS_FILE,
    RUNS_FILE,
    TABLES,
    packed_runs,
    read_run_files,
)
from seqcap.experiments.plan_files import read_plan_file
from seqcap.experiments.run_files import (
    ERROR_FILE,
    FIRST_NAMES,
    GRADIENTS_FILE,
    METRICS_FILE,
    PARTS,
    PICTURES,
    RESOURCES_FILE,
    SCORES_FILE,
    SETTINGS_FILE,
    RunFiles,
    save_arrays,
)
from seqcap.files import atomic_write

RESULTS_FILE = "results.csv"
_PARQUET: dict[str, Any] = {"compression": "zstd", "compression_level": 19}
_PACKED_FILES = (
    SCORES_FILE, SETTINGS_FILE, RESOURCES_FILE, METRICS_FILE, GRADIENTS_FILE, ERROR_FILE,
    *(f"{part}.csv" for part in (*PARTS, *FIRST_NAMES.values())),
)  # fmt: skip
_COSTS = (
    "parameters", "training_s", "training_steps", "step_ms", "testing_s", "peak_memory_mb",
    "machine",
)  # fmt: skip
_NOTHING = pd.DataFrame()


def pack_runs(experiment: Path, output: Path, gradients: Collection[str] = ()) -> list[str]:
    """Packs all runs of an experiment, those that are packed already too.

    Args:
        experiment: Folder of the experiment; nothing in it changes.
        output: Folder that gets the packed files and `plans/`; may be the same folder.
        gradients: Names of the runs whose gradients are kept, in 256 shades.

    Returns:
        Names of the packed runs.

    Raises:
        SettingsError: No runs, or one that cannot be read.
    """
    own = [file.parent.name for file in sorted(experiment.glob("runs/*/settings.json"))]
    names = sorted({*own, *packed_runs(experiment).names})
    if not names:
        raise SettingsError(f"{experiment}: no runs; the folder of an experiment is expected")
    runs = [read_run_files(experiment, name) for name in names]
    labels = _labels(experiment)
    for run in runs:
        if run.gradients is not None and run.name in gradients:
            _copy_gradients(run.gradients, output / GRADIENTS_FOLDER / f"{run.name}.npz")
    for plan in sorted(experiment.glob("plans/*.json")):
        _write_bytes(output / "plans" / plan.name, plan.read_bytes())
    texts, recordings = _texts(runs)
    _write_parquet(output / RECORDINGS_FILE, recordings)
    if (experiment / PEERS_FILE).is_file():
        _write_bytes(output / PEERS_FILE, (experiment / PEERS_FILE).read_bytes())
    pack_peers(experiment / "peers", output / PEERS_FILE)
    for name in TABLES:
        table = _joined(runs, name)
        if not table.empty:
            _write_parquet(output / f"{name}.parquet", table)
    _write_bytes(
        output / RESULTS_FILE,
        _summary(runs, labels).to_csv(index=False, float_format="%.6g").encode(),
    )
    _write_parquet(output / RUNS_FILE, texts)  # last: with it the runs are packed
    return names


def pack_peers(folder: Path, output: Path) -> None:
    """Packs the predictions of other tools, `*.csv`, into one table; nothing where none are.

    Args:
        folder: With one CSV per peer, named after it.
        output: Parquet file with their rows and `peer`; probabilities at single precision.
    """
    tables = []
    for file in sorted(folder.glob("*.csv")):
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        known = [str(name) for name in table if canonical_emotion(str(name))]
        tables.append(table.astype(dict.fromkeys(known, np.float32)).assign(peer=file.stem))
    if tables:
        _write_parquet(output, pd.concat(tables, ignore_index=True))


def remove_run_files(experiment: Path, names: Iterable[str]) -> int:
    """Removes the files of packed runs and peers; models and logs stay.

    Args:
        experiment: Folder of the experiment, which holds the packed files.
        names: Of runs that are done; others are left alone.

    Returns:
        How many runs had files of their own.
    """
    packed, count = packed_runs(experiment), 0
    if (experiment / PEERS_FILE).is_file():
        for table in experiment.glob("peers/*.csv"):
            table.unlink()
    for name in names:
        folder = experiment / "runs" / name
        if not packed.is_complete(name) or not (folder / SCORES_FILE).is_file():
            continue
        for file in _PACKED_FILES:
            (folder / file).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()
        count += 1
    return count


def _joined(runs: Iterable[RunFiles], name: str) -> pd.DataFrame:
    tables = [
        run.tables[name].assign(run=run.name)
        for run in runs
        if not run.tables.get(name, _NOTHING).empty
    ]
    return pd.concat(tables, ignore_index=True) if tables else _NOTHING


def _texts(runs: Iterable[RunFiles]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per run with its JSON files, and the recordings that many runs share, once."""
    numbers: dict[str, int] = {}  # of what a run says of its recordings, as JSON
    rows = []
    for run in runs:
        files = json.dumps(run.settings.get("files", {}), sort_keys=True)
        rows.append(
            {
                "run": run.name,
                "recordings": numbers.setdefault(files, len(numbers)),
                "settings": json.dumps({k: v for k, v in run.settings.items() if k != "files"}),
                "scores": json.dumps(run.scores) if run.scores else "",
                "resources": json.dumps(run.resources) if run.resources else "",
                "error": run.error,
                "had_gradients": run.had_gradients,
            }
        )
    recordings = [
        {"recordings": number, "file": file, "sha256": bytes.fromhex(digest)}
        for files, number in numbers.items()
        for file, digest in json.loads(files).items()
    ]
    columns = ["recordings", "file", "sha256"]
    return pd.DataFrame(rows), pd.DataFrame(recordings, columns=columns)


def _labels(experiment: Path) -> dict[str, str]:
    """What the plans call each run's entry."""
    return {
        run.folder: entry.label
        for plan in sorted(experiment.glob("plans/*.json"), reverse=True)
        for entry in read_plan_file(plan).entries
        for run in entry.runs
    }


def _summary(runs: Iterable[RunFiles], labels: Mapping[str, str]) -> pd.DataFrame:
    """One row per run: what it was, how good it was, what it took."""
    rows = []
    for run in runs:
        made, took = run.settings, run.resources
        row = {
            "run": run.name,
            "state": "done" if run.is_done else "failed" if run.error else "begun",
            "label": labels.get(run.name, ""),
            "system": made["settings"]["system"],
            "corpus": " ".join(sorted(set(run.tables.get("test", _NOTHING).get("corpus", ())))),
            "labels": made["label_set"].partition(":")[0],
            "fold": made["fold"]["name"],
            "seed": made["settings"]["seed"],
        }
        for part, scores in run.scores.items():
            row |= {f"{part}_{score}": scores["all"][score] for score in ("wa", "ua", "ece")}
        row |= {
            **{name: took.get(name) for name in _COSTS},
            "commit": made["commit"],
            "version": made["versions"]["seqcap"],
            "table_sha256": made["table_sha256"],
            "error": run.error.strip().splitlines()[-1] if run.error.strip() else "",
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _copy_gradients(source: Path, target: Path) -> None:
    """Keeps what a picture shows: 256 shades of size, without the most extreme values."""
    with np.load(source) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    for name in PICTURES:
        if kept[name].dtype != np.uint8:  # packed before
            values = np.abs(kept[name]) if name == "gradient" else kept[name]
            low, high = np.percentile(values, [0 if name == "gradient" else 0.5, 99.5])
            shades = np.clip((values - low) / (high - low), 0, 1) * 255
            kept |= {name: shades.round().astype(np.uint8), f"{name}_range": (low, high)}
    save_arrays(target, kept)


def _write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Writes a table; probabilities at single precision where that loses nothing."""
    exact = {
        column: np.float32
        for column in table.select_dtypes("float")
        if column not in ("start", "end")
        and np.array_equal(table[column], table[column].astype(np.float32), equal_nan=True)
    }
    single = [str(column) for column in exact]
    words = [str(column) for column in table if column not in exact]
    arrow = pa.Table.from_pandas(table.astype(exact), preserve_index=False)
    with atomic_write(path) as scratch:
        pq.write_table(
            arrow.replace_schema_metadata(None),
            scratch,
            use_dictionary=words,
            use_byte_stream_split=single,
            **_PARQUET,
        )


def _write_bytes(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    with atomic_write(path) as scratch:
        scratch.write_bytes(content)
