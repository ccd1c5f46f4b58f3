"""What bulk recognition is to recognise: folders, tables and Parquet that holds recordings.

An item is one recording or a part of one. Items come in units, which is what a worker gets at
once; a unit is kept as compressed bytes, so that millions of items fit in memory.
"""

import hashlib
import pickle
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from seqcap.audio.formats import has_sound_ending
from seqcap.errors import CorpusError
from seqcap.recognition.bulk_files import (
    READ_ERRORS,
    files_below,
    is_uri,
    join,
    kind_of,
    open_file,
    reason_of,
)

UNIT_BYTES = 1 << 30  # of files in a unit, where their sizes are known

_TABLES = (".csv", ".parquet")
_COLUMNS = {"file": pa.string(), "start": pa.float64(), "end": pa.float64()}
_CONTENT = ("bytes", "audio", "content")  # columns of recordings; `audio` as in Hugging Face sets
_NAMES = ("file", "path", "id", "name")  # and of what they are called
_BATCH_ROWS = 4096

Keys = NDArray[np.uint64]


class Item(NamedTuple):
    """A recording, or a part of one.

    Attributes:
        file: What answers call it: its path or URI, or its name in Parquet.
        start: Where it begins, s.
        end: Where it ends, s; None for the end of the recording.
        parquet: The Parquet file that holds its bytes; "" where it is a file of its own.
        row: Its row there.
    """

    file: str
    start: float = 0.0
    end: float | None = None
    parquet: str = ""
    row: int = 0

    @property
    def key(self) -> int:
        """64 bits that stand for it.

        Choice: two of ten million items share a key with a probability of 3 in a million.
        """
        text = repr(tuple(self)).encode("utf-8", "surrogateescape")
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


class Unit(NamedTuple):
    """Items that a worker gets at once.

    Attributes:
        item_count: How many.
        packed: What `unpack` turns into the items.
    """

    item_count: int
    packed: bytes


def pack(items: list[Item]) -> Unit:
    """Packs items to a tenth of their size.

    Args:
        items: Of one unit.
    """
    return Unit(len(items), zlib.compress(pickle.dumps([tuple(item) for item in items]), 1))


def unpack(unit: Unit) -> list[Item]:
    """Gives the items of a unit.

    Args:
        unit: As `find_units` gives it.

    Example:
        >>> unpack(pack([Item("a.wav"), Item("b.wav", 0.5)]))[1].start
        0.5
    """
    return [Item(*item) for item in pickle.loads(zlib.decompress(unit.packed))]


def split(unit: Unit, size: int) -> list[Unit]:
    """Cuts a unit into smaller ones.

    Args:
        unit: As `find_units` gives it.
        size: Items in each at most.
    """
    items = unpack(unit)
    return [pack(items[first : first + size]) for first in range(0, len(items), size)]


def find_units(source: str, size: int, done: Keys) -> list[Unit]:
    """Finds what is to be recognised.

    Args:
        source: A folder, a table (CSV or Parquet with a column `file`, and `start` and `end`
            where parts are meant), or Parquet with recordings as bytes.
        size: Items in a unit at most.
        done: Keys of items that are done already, sorted.

    Raises:
        CorpusError: Nothing is there to recognise; the table cannot be used; an item is there
            twice.
    """
    units: list[Unit] = []
    keys: list[Keys] = []
    for items in _groups(_items(source), size):
        own = np.array([item.key for item in items], np.uint64)
        keys.append(own)
        known = _contains(done, own)
        waiting = [item for item, is_done in zip(items, known, strict=True) if not is_done]
        if waiting:
            units.append(pack(waiting))
    if not keys:
        raise CorpusError(
            f"{source}: nothing to recognise; sound files, a table with a column 'file' or Parquet "
            "with recordings are expected"
        )
    _refuse_twice(source, np.concatenate(keys))
    return units


def _contains(ordered: Keys, asked: Keys) -> NDArray[np.bool_]:
    places = np.minimum(np.searchsorted(ordered, asked), max(len(ordered) - 1, 0))
    return ordered[places] == asked if len(ordered) else np.zeros(len(asked), bool)


def _groups(items: Iterable[tuple[Item, int]], size: int) -> Iterator[list[Item]]:
    group: list[Item] = []
    weight = 0
    for item, byte_count in items:
        if group and (len(group) == size or weight + byte_count > UNIT_BYTES):
            yield group
            group, weight = [], 0
        group.append(item)
        weight += byte_count
    if group:
        yield group


def _refuse_twice(source: str, keys: Keys) -> None:
    found, counts = np.unique(keys, return_counts=True)
    if len(found) == len(keys):
        return
    twice = set(found[counts > 1].tolist())
    first = next(item for item, _ in _items(source) if item.key in twice)
    raise CorpusError(
        f"{source}: {len(keys) - len(found):,} rows stand for what another row stands for, the "
        f"first for {first.file}; keep one of each"
    )


def _items(source: str) -> Iterator[tuple[Item, int]]:
    """Items and how many bytes a worker will read for each, 0 where that is unknown."""
    try:
        kind = kind_of(source)
        if kind == "nothing":
            raise CorpusError(f"{source}: no such file or folder; check the path")
        if kind == "file":
            yield from _in_file(source)
            return
        for place, size in files_below(source):
            if place.lower().endswith(".parquet"):
                yield from _in_file(place)
            elif has_sound_ending(place):
                yield Item(place), size
    except READ_ERRORS as error:
        raise CorpusError(f"{source}: cannot be read ({reason_of(error)})") from error


def _in_file(place: str) -> Iterator[tuple[Item, int]]:
    if not place.lower().endswith(_TABLES):
        yield Item(place), 0
        return
    try:
        with open_file(place) as file:
            if place.lower().endswith(".csv"):
                yield from _rows(place, _csv_batches(place, file))
                return
            parquet = pq.ParquetFile(file)
            if content_column(parquet.schema_arrow):
                yield from _stored(place, parquet)
                return
            _check_columns(place, parquet.schema_arrow.names)
            names = [name for name in _COLUMNS if name in parquet.schema_arrow.names]
            yield from _rows(place, parquet.iter_batches(_BATCH_ROWS, columns=names))
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{place}: no table that can be read ({reason_of(error)})") from error


def _csv_batches(place: str, file: Any) -> Iterator[pa.RecordBatch]:
    options = pyarrow.csv.ConvertOptions(column_types=_COLUMNS)
    with pyarrow.csv.open_csv(file, convert_options=options) as reader:
        _check_columns(place, reader.schema.names)
        yield from reader


def _check_columns(place: str, names: list[str]) -> None:
    if "file" not in names:
        raise CorpusError(
            f"{place}: columns {', '.join(names[:8])} came; 'file' is expected ('start' and 'end' "
            f"beside it for parts), or recordings in one of {', '.join(_CONTENT)}"
        )


def _rows(place: str, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Item, int]]:
    folder = place.rpartition("/")[0] if is_uri(place) else str(Path(place).parent)
    for batch in batches:
        columns = {name: batch[name].to_pylist() for name in _COLUMNS if name in batch.schema.names}
        nothing = [None] * batch.num_rows
        rows = zip(
            columns["file"],
            columns.get("start", nothing),
            columns.get("end", nothing),
            strict=True,
        )
        for file, start, end in rows:
            if not file:
                raise CorpusError(f"{place}: a row without 'file'; fill it in or take it out")
            own = is_uri(file) or Path(file).is_absolute()
            end_s = None if end is None or end != end else float(end)
            yield Item(file if own else join(folder, file), float(start or 0.0), end_s), 0


def content_column(schema: pa.Schema) -> str:
    """Names the column that holds recordings as bytes; "" if there is none.

    Args:
        schema: Of a Parquet file.

    Example:
        >>> content_column(pa.schema({"file": pa.string(), "bytes": pa.binary()}))
        'bytes'
    """
    for name in _CONTENT:
        if name in schema.names:
            kind = schema.field(name).type
            if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
                return f"{name}.bytes"
            if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
                return name
    return ""


def _stored(place: str, parquet: pq.ParquetFile) -> Iterator[tuple[Item, int]]:
    schema = parquet.schema_arrow
    content = content_column(schema)
    named = next((n for n in _NAMES if n in schema.names), "")
    if not named and content.endswith(".bytes"):
        struct = content.rpartition(".")[0]
        if schema.field(struct).type.get_field_index("path") >= 0:
            named = f"{struct}.path"
    count = parquet.metadata.num_rows
    groups = map(parquet.metadata.row_group, range(parquet.num_row_groups))
    each = sum(group.total_byte_size for group in groups) // max(count, 1)
    if not named:
        for row in range(count):
            yield Item(f"{place}#{row}", 0.0, None, place, row), each
        return
    row = 0
    for batch in parquet.iter_batches(_BATCH_ROWS, columns=[named]):
        column = batch.column(0)
        for name in (column.field(0) if "." in named else column).to_pylist():
            yield Item(f"{place}#{row}" if name is None else str(name), 0.0, None, place, row), each
            row += 1
