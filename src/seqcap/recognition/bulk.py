"""Archives in, Parquet out: what is written already is not done again.

The output is a folder, or a URI, of `part-*.parquet`, which every reader of Parquet takes as one
table, and `_bulk.json`, which tells by which models it was made.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seqcap.errors import SettingsError
from seqcap.recognition.bulk_files import (
    READ_ERRORS,
    files_below,
    is_uri,
    join,
    kind_of,
    open_file,
    read_bytes,
    reason_of,
    write_bytes,
)
from seqcap.recognition.bulk_items import Keys, Unit, find_units, split, unpack
from seqcap.recognition.bulk_worker import BulkSettings, BulkWorker, Tally, failed_row
from seqcap.recognition.model_folder import check_model_folder

MANIFEST = "_bulk.json"  # readers of Parquet pass over names that begin so
UNIT_ITEMS = 1024

_FORMAT = "seqcap bulk 1"
_SMALLER = (32, 1)  # units in later rounds, of what killed workers
_DIED = "the worker that recognised it died three times; try the recording with 'seqcap predict'"


class Bulk:
    """One bulk recognition, resumed where its output has answers already.

    Args:
        source: Folder, table, Parquet with recordings, or URI; see `find_units`.
        settings: Models and output.
        unit_items: Recordings in a file of the output at most, what a worker gets at once.

    Attributes:
        before: Items that were done before.
        failed_before: How many of these have an error.
        waiting: Items that are to be done.

    Raises:
        CorpusError: Nothing is there to recognise, or a table cannot be used.
        CheckpointError: There is no such model.
        SettingsError: The output is within the source, holds the answers of other models, or
            cannot be read.
    """

    def __init__(self, source: str, settings: BulkSettings, unit_items: int = UNIT_ITEMS) -> None:
        if _is_within(settings.output, source):
            raise SettingsError(
                f"{settings.output}: the output is within the source {source}; give another place"
            )
        self.source = source
        self.settings = settings
        self.unit_items = unit_items
        manifest = _manifest(settings)
        _refuse_other_answers(settings.output, manifest)
        done, self.failed_before = keys_written(settings.output)
        self._units = find_units(source, unit_items, done)
        self.before = len(done)
        self.waiting = sum(unit.item_count for unit in self._units)
        _write_manifest(settings.output, manifest)

    def here(self) -> Iterator[Tally]:
        """Recognises in this process.

        Yields:
            What was done, file by file of the output.
        """
        if not self._units:
            return
        worker = BulkWorker(self.settings)
        # One stream over all units, so that reading ahead never pauses.
        sizes = iter([unit.item_count for unit in self._units])
        size, rows = next(sizes), []
        for row in worker.rows(item for unit in self._units for item in unpack(unit)):
            rows.append(row)
            if len(rows) == size:
                yield worker.write(rows)
                size, rows = next(sizes, 0), []

    def by_ray(self, address: str, jobs: int = 0, gpus: float = 0.0) -> Iterator[Tally]:
        """Recognises on a Ray cluster.

        A unit that kills three workers is split until one recording remains. It gets a row with
        that error.

        Args:
            address: As for `recognise_by_ray`.
            jobs: As for `recognise_by_ray`.
            gpus: As for `recognise_by_ray`.

        Yields:
            Counts of each file of the output.
        """
        from seqcap.recognition.bulk_ray import recognise_by_ray

        units = self._units
        for size in (self.unit_items, *_SMALLER):
            units = [small for unit in units for small in split(unit, size)]
            if units:
                yield from recognise_by_ray(self.settings, units, address, jobs, gpus)
                units = self._not_written(units)
        if units:
            rows = [failed_row(item, _DIED) for unit in units for item in unpack(unit)]
            yield BulkWorker(self.settings).write(rows)

    def _not_written(self, units: Sequence[Unit]) -> list[Unit]:
        keys, _ = keys_written(self.settings.output)
        written = set(keys.tolist())
        return [unit for unit in units if unpack(unit)[0].key not in written]


def keys_written(output: str) -> tuple[Keys, int]:
    """Finds the items that have a row.

    Args:
        output: Folder or URI of `seqcap bulk`.

    Returns:
        Their keys, sorted, and how many of them have an error.

    Raises:
        SettingsError: A file of the output cannot be read.
    """
    keys = [np.empty(0, np.uint64)]
    failed = 0
    if kind_of(output) == "folder":
        for place, _ in files_below(output):
            if place.endswith(".parquet"):
                try:
                    with open_file(place) as file:
                        rows = pq.read_table(file, columns=["key", "error"])
                except (*READ_ERRORS, KeyError) as error:
                    raise SettingsError(
                        f"{place}: no file of 'seqcap bulk' ({reason_of(error)}); give another "
                        "place for the output"
                    ) from error
                keys.append(rows["key"].to_numpy().astype(np.uint64))
                failed += len(rows) - rows["error"].null_count
    return np.sort(np.concatenate(keys)), failed


def _is_within(output: str, source: str) -> bool:
    if is_uri(output) or is_uri(source):
        return f"{output.rstrip('/')}/".startswith(f"{source.rstrip('/')}/")
    return Path(output).resolve().is_relative_to(Path(source).resolve())


def _manifest(settings: BulkSettings) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "models": [_model_hash(model) for model in settings.models],
        "timeline": settings.timeline,
        "abstain_below": settings.abstain_below,
    }


def _model_hash(model: str) -> str:
    digest = hashlib.sha256()
    for file in sorted(check_model_folder(model).iterdir()):
        if file.suffix in (".safetensors", ".json", ".onnx") and "fingerprint" not in file.name:
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _refuse_other_answers(output: str, manifest: dict[str, Any]) -> None:
    place = join(output, MANIFEST)
    if kind_of(place) != "file":
        return
    try:
        before = json.loads(read_bytes(place))
    except (*READ_ERRORS, ValueError) as error:
        raise SettingsError(f"{place}: cannot be read ({reason_of(error)})") from error
    other = [name for name in manifest if before.get(name) != manifest[name]]
    if other:
        raise SettingsError(
            f"{output}: its answers were made with another {' and another '.join(other)}; give "
            "the same options, or another place for the output"
        )


def _write_manifest(output: str, manifest: dict[str, Any]) -> None:
    place = join(output, MANIFEST)
    try:
        write_bytes(place, json.dumps(manifest, indent=1).encode() + b"\n")
    except READ_ERRORS as error:
        raise SettingsError(f"{place}: cannot be written ({reason_of(error)})") from error


def table_of(output: str) -> pa.Table:
    """Reads all answers, in the order of their files' names.

    Args:
        output: Folder or URI that `Bulk` has written.
    """
    tables = []
    for place, _ in files_below(output):
        if place.endswith(".parquet"):
            with open_file(place) as file:
                tables.append(pq.read_table(file))
    return pa.concat_tables(tables)
