"""Answers as people and programs want them: table, CSV, JSON, JSON lines.

One index everywhere: ``file,start,end``, one column per emotion, ``predicted``.
"""

import csv
import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from seqcap.apps.table import TableWriter
from seqcap.errors import SettingsError
from seqcap.files import atomic_write

if TYPE_CHECKING:
    from seqcap.recognition.recognizer import Answer


class Format(StrEnum):
    """How answers are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


class Writer(Protocol):
    """Takes answers one by one."""

    def write(self, answer: "Answer") -> None:
        """Takes the next answer."""

    def close(self) -> None:
        """Writes what is still to be written."""


def choose_format(wanted: Format | None, output: Path | None) -> Format:
    """Takes the format that is asked for, or that the file's ending means.

    Raises:
        SettingsError: The ending means none.

    Example:
        >>> choose_format(None, None).value, choose_format(None, Path("a.CSV")).value
        ('table', 'csv')
    """
    if wanted is not None:
        return wanted
    if output is None:
        return Format.TABLE
    endings = {".txt": Format.TABLE} | {f".{f}": f for f in Format}
    if output.suffix.lower() not in endings:
        raise SettingsError(
            f"{output}: the ending tells no format; .csv, .json, .jsonl or .txt is expected, "
            "or give --format"
        )
    return endings[output.suffix.lower()]


@contextmanager
def open_output(output: Path | None) -> Iterator[TextIO]:
    """Opens what is written to; a file takes its name when it is whole, and not if all failed.

    Args:
        output: A file; standard output if None.

    Raises:
        SettingsError: The file cannot be written.
    """
    if output is None:
        yield sys.stdout
        return
    try:
        if output.exists() and not output.is_file():  # a device or a pipe, not to be replaced
            with output.open("w", encoding="utf-8", newline="") as file:
                yield file
            return
        with (
            atomic_write(output) as temporary,
            temporary.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file,
        ):
            yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SettingsError(f"{output}: cannot be written ({error.strerror})") from error


def writer_for(written_as: Format, file: TextIO, emotions: Sequence[str], timeline: bool) -> Writer:
    """Makes the writer of a format.

    Args:
        written_as: The format.
        file: What it writes to.
        emotions: Columns of the answers.
        timeline: Write pieces as well; in CSV instead of whole recordings.
    """
    if written_as is Format.TABLE:
        return TableWriter(file, emotions)
    if written_as is Format.CSV:
        return _CSVWriter(file, emotions, timeline)
    return _JSONWriter(file, lines=written_as is Format.JSONL)


def as_row(answer: "Answer") -> dict[str, Any]:
    """Gives an answer's columns; a probability has six decimals, and is None without speech."""
    probabilities = {
        emotion: None if math.isnan(p) else round(p, 6)
        for emotion, p in answer.probabilities.items()
    }
    times = {"file": answer.file, "start": answer.start, "end": answer.end}
    return {**times, **probabilities, "predicted": answer.predicted}


class _CSVWriter:
    def __init__(self, file: TextIO, emotions: Sequence[str], timeline: bool) -> None:
        self._file = file
        self._timeline = timeline
        columns = ["file", "start", "end", *emotions, "predicted"]
        self._rows = csv.DictWriter(file, columns, lineterminator="\n")
        self._rows.writeheader()

    def write(self, answer: "Answer") -> None:
        self._rows.writerows(map(as_row, answer.timeline if self._timeline else [answer]))
        self._file.flush()

    def close(self) -> None:
        self._file.flush()


class _JSONWriter:
    """Writes an array, or one object a line; a timeline is nested in its recording."""

    def __init__(self, file: TextIO, lines: bool) -> None:
        self._file = file
        self._lines = lines
        self._first = True

    def write(self, answer: "Answer") -> None:
        row = as_row(answer)
        if answer.timeline:
            row["timeline"] = [as_row(piece) for piece in answer.timeline]
        text = json.dumps(row, ensure_ascii=False)
        if self._lines:
            self._file.write(f"{text}\n")
        else:
            self._file.write(f"{'[' if self._first else ','}\n {text}")
        self._first = False
        self._file.flush()

    def close(self) -> None:
        if not self._lines:
            self._file.write("[]\n" if self._first else "\n]\n")
