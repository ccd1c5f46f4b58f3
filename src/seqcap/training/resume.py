"""Resuming: prepares the files of an interrupted training.

pytorch-lightning starts its log anew. Its checkpoints may be incomplete if the temporary folder is
on another disk.
"""

import contextlib
import csv
import zipfile
from pathlib import Path

from seqcap.files import atomic_write

METRICS_FILE = "metrics.csv"
_EARLIER_FILE = "metrics-before.csv"


def remove_corrupt_checkpoints(folder: Path) -> None:
    """Removes checkpoints that an interruption left half-written.

    pytorch-lightning writes them to the system's temporary folder and moves them, which is a copy
    where that is another disk.
    """
    for file in folder.glob("*.ckpt"):
        if not zipfile.is_zipfile(file):  # a zip's table of contents comes last
            file.unlink()


def keep_earlier_metrics(folder: Path) -> None:
    """Renames the log of an interrupted training, which Lightning would overwrite."""
    if (folder / METRICS_FILE).is_file():
        join_metrics(folder)
        (folder / METRICS_FILE).replace(folder / _EARLIER_FILE)


def join_metrics(folder: Path) -> None:
    """Joins the epochs logged before an interruption with those logged after it."""
    earlier = _rows(folder / _EARLIER_FILE)
    later = _rows(folder / METRICS_FILE)
    if not earlier:
        return
    first = min((int(row["epoch"]) for row in later), default=None)
    rows = [row for row in earlier if first is None or int(row["epoch"]) < first] + later
    with (
        atomic_write(folder / METRICS_FILE) as scratch,
        scratch.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
    (folder / _EARLIER_FILE).unlink()


def _rows(file: Path) -> list[dict[str, str]]:
    with contextlib.suppress(FileNotFoundError), file.open(encoding="utf-8", newline="") as lines:
        # A row that was cut off by an interruption has too few columns; its epoch comes again.
        return [row for row in csv.DictReader(lines) if None not in row.values()]
    return []
