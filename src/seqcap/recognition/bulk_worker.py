"""One worker of bulk recognition: its model is loaded once; each unit becomes a Parquet file."""

import hashlib
import io
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from seqcap.audio.source import Source
from seqcap.errors import AudioError, SettingsError
from seqcap.memory import keep_freed_memory
from seqcap.recognition.answers import Answer, Failure
from seqcap.recognition.bulk_files import (
    READ_ERRORS,
    is_uri,
    join,
    open_file,
    read_bytes,
    reason_of,
    write_bytes,
)
from seqcap.recognition.bulk_items import Item, content_column
from seqcap.recognition.combination import Combination
from seqcap.recognition.recognizer import Recognizer
from seqcap.recognition.recordings import Segment

_BATCH_ROWS = 64  # recordings read at once out of Parquet


@dataclass(frozen=True)
class BulkSettings:
    """What makes the answers of a bulk recognition.

    Attributes:
        output: Folder or URI that gets the Parquet files.
        models: Folders of models, whose answers are averaged.
        timeline: Also answer for each 2-s piece.
        abstain_below: Answers less sure than this are "uncertain".
        device: As for `Recognizer`.
    """

    output: str
    models: tuple[str, ...] = ("-",)
    timeline: bool = False
    abstain_below: float = 0.0
    device: str = "auto"


@dataclass(frozen=True)
class Tally:
    """What was done.

    Attributes:
        recognised: Items with an answer.
        failed: Items with a reason why there is none.
        duration_s: Sound in what was recognised, s.
    """

    recognised: int = 0
    failed: int = 0
    duration_s: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.recognised + other.recognised,
            self.failed + other.failed,
            self.duration_s + other.duration_s,
        )


class BulkWorker:
    """Recognises items and writes what it finds.

    Args:
        settings: Of the whole recognition.

    Raises:
        CheckpointError: A model cannot be read.
        SettingsError: The device cannot be used.
    """

    def __init__(self, settings: BulkSettings) -> None:
        keep_freed_memory()
        self._settings = settings
        each = [
            Recognizer.from_pretrained(model, settings.device, settings.abstain_below)
            for model in settings.models
        ]
        self.recognizer = Combination(each, settings.abstain_below) if len(each) > 1 else each[0]
        self._schema = schema_of(self.recognizer.emotions)

    def rows(self, items: Iterable[Item]) -> Iterator[dict[str, Any]]:
        """Recognises items, in their order.

        Args:
            items: Recordings, or parts of them.

        Yields:
            A row of the output for each.
        """
        begun: deque[Item] = deque()

        def sources() -> Iterator[Segment]:
            for item, source in _sources(items):
                begun.append(item)
                yield Segment(source, item.start, item.end)

        timeline = self._settings.timeline
        for answer in self.recognizer.recognize_many(sources(), timeline=timeline, warn=False):
            yield self._row(begun.popleft(), answer)

    def write(self, rows: Sequence[dict[str, Any]]) -> Tally:
        """Writes rows as one file, named by what it holds; the same rows replace it.

        Args:
            rows: As `rows` gives them.

        Raises:
            SettingsError: The output cannot be written.
        """
        digest = hashlib.blake2b(digest_size=8)
        for row in rows:
            digest.update(row["key"].to_bytes(8, "big"))
        content = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(list(rows), self._schema), content, compression="zstd")
        place = join(self._settings.output, f"part-{digest.hexdigest()}.parquet")
        try:
            write_bytes(place, content.getvalue().to_pybytes())
        except READ_ERRORS as error:
            raise SettingsError(f"{place}: cannot be written ({reason_of(error)})") from error
        failed = sum(row["error"] is not None for row in rows)
        heard_s = sum(row["end"] - row["start"] for row in rows if row["error"] is None)
        return Tally(len(rows) - failed, failed, heard_s)

    def _row(self, item: Item, answer: Answer | Failure) -> dict[str, Any]:
        if isinstance(answer, Failure):
            return failed_row(item, answer.reason)
        return {
            "key": item.key,
            **_columns(answer),
            "file": _text(item.file),
            "parquet": item.parquet or None,
            "warnings": answer.to_dict()["warnings"],
            "timeline": [_columns(piece) for piece in answer.timeline],
        }


def failed_row(item: Item, reason: str) -> dict[str, Any]:
    """The row of an item without an answer.

    Args:
        item: The recording.
        reason: One line.
    """
    return {
        "key": item.key,
        "file": _text(item.file),
        "start": item.start,
        "end": item.end,
        "parquet": item.parquet or None,
        "error": _text(reason),
        "warnings": [],
        "timeline": [],
    }


def schema_of(emotions: Sequence[str]) -> pa.Schema:
    """Columns of the output.

    Args:
        emotions: In the model's order.

    Example:
        >>> schema_of(["anger"]).names[:6]
        ['file', 'start', 'end', 'anger', 'predicted', 'error']
    """
    answer = [
        ("start", pa.float64()),
        ("end", pa.float64()),
        *((emotion, pa.float32()) for emotion in emotions),
        ("predicted", pa.string()),
    ]
    return pa.schema(
        [
            ("file", pa.string()),
            *answer,
            ("error", pa.string()),
            ("warnings", pa.list_(pa.string())),
            ("timeline", pa.list_(pa.struct(answer))),
            ("parquet", pa.string()),
            ("key", pa.uint64()),
        ]
    )


def _columns(answer: Answer) -> dict[str, Any]:
    answered = {e: None if math.isnan(p) else p for e, p in answer.probabilities.items()}
    return {
        "start": answer.start,
        "end": answer.end,
        **answered,
        "predicted": answer.predicted,
        "error": None,
    }


def _text(text: str) -> str:
    """Names of files may be no UTF-8, which is what Parquet holds."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _Fetched(io.BytesIO):
    """A recording that was fetched, under its name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


class _Lost(io.BytesIO):
    """A recording that could not be fetched: its row says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__()
        self.name = name
        self._reason = reason

    def read(self, size: int | None = -1, /) -> bytes:
        raise AudioError(f"{self.name}: cannot be fetched ({self._reason}); check the place")


def _sources(items: Iterable[Item]) -> Iterator[tuple[Item, Source]]:
    """Opens items one after the other, where they are no files of this machine."""
    for parquet, some in groupby(items, key=lambda item: item.parquet):
        if parquet:
            yield from _out_of_parquet(parquet, list(some))
            continue
        for item in some:
            if is_uri(item.file):
                yield item, _fetched(item)
            else:
                yield item, item.file


def _fetched(item: Item) -> Source:
    try:
        return _Fetched(read_bytes(item.file), item.file)
    except (*READ_ERRORS, SettingsError) as error:
        return _Lost(item.file, reason_of(error))


def _out_of_parquet(place: str, items: list[Item]) -> Iterator[tuple[Item, Source]]:
    """Takes recordings out of Parquet, as few at a time as its pages allow; rows ascend."""
    waiting = list(reversed(items))
    try:
        with open_file(place) as file:
            parquet = pq.ParquetFile(file)
            column = content_column(parquet.schema_arrow)
            first = 0
            for group in range(parquet.num_row_groups):
                behind = first + parquet.metadata.row_group(group).num_rows
                if waiting and waiting[-1].row < behind:
                    batches = parquet.iter_batches(
                        _BATCH_ROWS, row_groups=[group], columns=[column]
                    )
                    for batch in batches:
                        values = batch.column(0)
                        values = values.field(0) if "." in column else values
                        while waiting and waiting[-1].row < first + len(values):
                            item = waiting[-1]
                            content = values[item.row - first].as_py()
                            source = (
                                _Lost(item.file, "no bytes in its row")
                                if content is None
                                else _Fetched(content, item.file)
                            )
                            waiting.pop()
                            yield item, source
                        first += len(values)
                first = behind
    except READ_ERRORS as error:
        for item in reversed(waiting):
            yield item, _Lost(item.file, f"{place}: {reason_of(error)}")
