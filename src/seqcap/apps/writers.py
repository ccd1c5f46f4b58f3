"""Answers as programs and people read them: table, CSV, JSON, JSON lines, Parquet.

The schema is in `docs/schema.md`. One rule in all formats: first the recording, then its pieces.
"""

import csv
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from seqcap.errors import SettingsError
from seqcap.files import atomic_write
from seqcap.recognition.answers import SCHEMA_VERSION

if TYPE_CHECKING:
    from seqcap.recognition.recognizer import Answer


class Format(StrEnum):
    """How answers are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    TEXTGRID = "textgrid"
    EAF = "eaf"
    VTT = "vtt"
    SRT = "srt"
    AUDACITY = "audacity"
    SVG = "svg"
    PNG = "png"
    HTML = "html"


# One file for each recording: what is read beside the sound.
BY_RECORDING = {
    Format.TEXTGRID: ".TextGrid",
    Format.EAF: ".eaf",
    Format.VTT: ".vtt",
    Format.SRT: ".srt",
    Format.AUDACITY: ".labels.txt",
    Format.SVG: ".svg",
    Format.PNG: ".png",
}
_FILES_ONLY = {Format.PARQUET, Format.HTML, *BY_RECORDING}
_ENDINGS = {
    ".txt": Format.TABLE,
    ".csv": Format.CSV,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".parquet": Format.PARQUET,
    ".textgrid": Format.TEXTGRID,
    ".eaf": Format.EAF,
    ".vtt": Format.VTT,
    ".srt": Format.SRT,
    ".svg": Format.SVG,
    ".png": Format.PNG,
    ".html": Format.HTML,
}


class Writer(Protocol):
    """Takes answers one by one."""

    def write(self, answer: "Answer", columns: Mapping[str, Any]) -> None:
        """Takes the next answer, and what its rows keep beside it."""

    def close(self) -> None:
        """Writes what is still to be written."""


def choose_format(wanted: Format | None, output: Path | None) -> Format:
    """Takes the requested format, or the one of the file's ending.

    Raises:
        SettingsError: The ending means none, or the format needs a file or a folder.

    Example:
        >>> choose_format(None, None).value, choose_format(None, Path("a.CSV")).value
        ('table', 'csv')
    """
    if output is None:
        if wanted is not None and wanted in _FILES_ONLY:
            raise SettingsError(f"--format {wanted.value} needs a file or folder, give --output")
        return wanted or Format.TABLE
    chosen = wanted or _format_of(output)
    if output.is_dir() and chosen not in BY_RECORDING:
        raise SettingsError(f"{output}: is a folder; a file is expected for {chosen.value}")
    if chosen in _FILES_ONLY and not (output.is_dir() or is_replaced(output)):
        raise SettingsError(f"{output}: is a device; {chosen.value} needs a file")
    return chosen


def _format_of(output: Path) -> Format:
    if output.name.lower().endswith(BY_RECORDING[Format.AUDACITY]):
        return Format.AUDACITY
    if output.suffix.lower() not in _ENDINGS:
        raise SettingsError(
            f"{output}: the ending tells no format; {', '.join(_ENDINGS)} is expected, or give "
            "--format"
        )
    return _ENDINGS[output.suffix.lower()]


@contextmanager
def open_output(output: Path | None) -> Iterator[TextIO]:
    """Opens what is written to; a file takes its name when it is whole, and not if all failed.

    Args:
        output: A file; standard output if None.

    Raises:
        SettingsError: It cannot be written.
    """
    try:
        if output is None:
            yield sys.stdout
            sys.stdout.flush()
        elif output.exists() and not output.is_file():  # a device or a pipe, not to be replaced
            with output.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
                yield file
        else:
            with (
                atomic_write(output) as temporary,
                temporary.open(
                    "w", encoding="utf-8", newline="", errors="backslashreplace"
                ) as file,
            ):
                yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "standard output" if output is None else output
        raise SettingsError(f"{name}: cannot be written ({error.strerror})") from error


def is_replaced(output: Path | None) -> bool:
    """Whether an output is a file that takes its name at the end, not a screen or a device."""
    return output is not None and (output.is_file() or not output.exists())


def refuse_to_overwrite(output: Path | None, inputs: Sequence[str]) -> None:
    """Keeps an output from replacing a recording or a table that is read.

    Raises:
        SettingsError: It is one of them.
    """
    if output is None:
        return
    own = os.path.realpath(output)
    if any(os.path.realpath(each) == own for each in inputs):
        raise SettingsError(
            f"{output}: is one of the inputs and would be replaced; give another --output"
        )


def row_writer(
    written_as: Format,
    file: TextIO,
    emotions: Sequence[str],
    column_names: Sequence[str],
    timeline: bool,
) -> Writer:
    """Makes the writer of CSV, JSON or JSON lines.

    Args:
        written_as: The format.
        file: What it writes to.
        emotions: Columns of the answers.
        column_names: What rows keep beside them.
        timeline: There are rows of pieces, too.
    """
    if written_as is Format.CSV:
        return _CSVWriter(file, names_of_columns(emotions, column_names, timeline))
    return _JSONWriter(file, lines=written_as is Format.JSONL)


def free_names(column_names: Sequence[str], emotions: Sequence[str]) -> dict[str, str]:
    """Names for a table's own columns beside those of an answer, which would replace them.

    A table of answers to the same emotions is answered anew: their columns get no name.

    Args:
        column_names: Of the table.
        emotions: Columns of the answers.

    Example:
        >>> free_names(["speaker", "anger", "predicted"], ["anger", "sadness"])
        {'speaker': 'speaker', 'anger': 'given_anger', 'predicted': 'given_predicted'}
        >>> free_names(["speaker", "anger", "predicted", "warnings"], ["anger"])
        {'speaker': 'speaker'}
    """
    answers = {"piece", *emotions, "predicted", "warnings"}
    kept = list(column_names)
    if answers - {"piece"} <= set(kept):
        kept = [name for name in kept if name not in answers]
    taken = {"file", "start", "end", "timeline", *answers}
    names: dict[str, str] = {}
    for name in kept:
        free = name
        while free in taken or (free != name and free in kept):
            free = f"given_{free}"
        names[name] = free
    return names


def names_of_columns(
    emotions: Sequence[str], column_names: Sequence[str], timeline: bool
) -> list[str]:
    """The columns of flat tables, in their order.

    Args:
        emotions: Columns of the answers.
        column_names: What rows keep beside them, as `free_names` gives it.
        timeline: There are rows of pieces, too.

    Example:
        >>> names_of_columns(["anger", "sadness"], ["speaker"], timeline=True)
        ['file', 'start', 'end', 'piece', 'speaker', 'anger', 'sadness', 'predicted', 'warnings']
    """
    answers = ["file", "start", "end", *(["piece"] if timeline else [])]
    return [*answers, *column_names, *emotions, "predicted", "warnings"]


def as_row(answer: "Answer") -> dict[str, Any]:
    """The row of an answer without its pieces; six decimals, None for no number."""
    fields = answer.to_dict()
    fields.pop("timeline", None)
    return {name: _rounded(value) for name, value in fields.items()}


def flat_rows(
    answer: "Answer", columns: Mapping[str, Any], timeline: bool
) -> Iterator[dict[str, Any]]:
    """The rows of an answer: the recording, then its pieces; six decimals, None for no number."""
    for row in answer.to_rows():
        rounded = {name: _rounded(value) for name, value in row.items()}
        yield {**({"piece": None} if timeline else {}), **columns, **rounded}


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else round(value, 6)


class _CSVWriter:
    def __init__(self, file: TextIO, names: Sequence[str]) -> None:
        self._file = file
        self._timeline = "piece" in names
        self._rows = csv.DictWriter(file, names, lineterminator="\n", extrasaction="ignore")
        self._rows.writeheader()

    def write(self, answer: "Answer", columns: Mapping[str, Any]) -> None:
        self._rows.writerows(flat_rows(answer, columns, self._timeline))
        self._file.flush()

    def close(self) -> None:
        self._file.flush()


class _JSONWriter:
    """Writes an array, or one object a line; a timeline is nested in its recording."""

    def __init__(self, file: TextIO, lines: bool) -> None:
        self._file = file
        self._lines = lines
        self._first = True

    def write(self, answer: "Answer", columns: Mapping[str, Any]) -> None:
        nested = _nested(answer)
        times = {name: nested.pop(name) for name in ("file", "start", "end")}
        kept = {name: _plain(value) for name, value in columns.items()}
        text = json.dumps({**times, **kept, **nested}, ensure_ascii=False, allow_nan=False)
        if self._lines:
            self._file.write(f"{text}\n")
        else:
            self._file.write(f"{'[' if self._first else ','}\n {text}")
        self._first = False
        self._file.flush()

    def close(self) -> None:
        if not self._lines:
            self._file.write("[]\n" if self._first else "\n]\n")


def _nested(answer: "Answer") -> dict[str, Any]:
    fields = {name: _rounded(value) for name, value in answer.to_dict().items()}
    if answer.timeline:
        fields["timeline"] = [_nested(piece) for piece in answer.timeline]
    return fields


def _plain(value: Any) -> Any:
    """A value of a table as JSON has it."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    return _rounded(value) if isinstance(value, float) else str(value)


def write_content(path: Path, content: bytes) -> None:
    """Writes a file in one piece; it is there whole or not at all.

    Raises:
        SettingsError: It cannot be written.
    """
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror})") from error


def write_parquet(
    path: Path,
    answers: Iterator[tuple[Mapping[str, Any], "Answer"]],
    names: Sequence[str],
) -> None:
    """Writes the rows of `flat_rows` as Parquet; needs pyarrow (extra `train`).

    Args:
        path: Where.
        answers: Each with what its rows keep.
        names: Of the columns.
    """
    import pyarrow
    import pyarrow.parquet

    rows = [
        {name: row.get(name) for name in names}
        for columns, answer in answers
        for row in flat_rows(answer, columns, "piece" in names)
    ]
    table = pyarrow.Table.from_pylist(rows)
    table = table.replace_schema_metadata({"seqcap_schema": str(SCHEMA_VERSION)})
    with atomic_write(path) as temporary:
        pyarrow.parquet.write_table(table, temporary)
