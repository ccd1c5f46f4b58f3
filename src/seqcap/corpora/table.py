"""The corpus table: who said what, how and where, one row an utterance.

A pandas table with the columns `file, start, end, speaker, session, emotion` and whatever else a
corpus tells (gender, text, intensity, part, language, corpus, split). Times are seconds; an end
of NaN is the end of the file. On disk it is CSV or Parquet, which nkululeko and audformat read.
"""

import csv
import os
from pathlib import Path

import pandas as pd

from seqcap.corpora.checks import check_table
from seqcap.corpora.columns import with_canonical_columns, with_canonical_values
from seqcap.corpora.corpus import COLUMNS
from seqcap.corpora.problems import Problem
from seqcap.errors import CorpusError
from seqcap.files import atomic_write

__all__ = ["COLUMNS", "Problem", "check_table", "read_table", "write_table"]


def read_table(path: str | os.PathLike[str], *, emotion_needed: bool = True) -> pd.DataFrame:
    r"""Reads a corpus table; other tools' column names and spellings are understood.

    Args:
        path: `.csv`, `.tsv` or `.parquet`; relative files in it are relative to its folder.
        emotion_needed: A table without emotions is refused; else its emotions are empty.

    Returns:
        The canonical columns first, then all others; files as absolute paths, rows in order.

    Raises:
        CorpusError: No such file, no table, no column for the file or the emotion.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "mine.csv")
        ...     _ = path.write_text("path,label,SpkrID\na.wav,Angry,7\n")
        ...     print(read_table(path).loc[0, ["speaker", "emotion"]].tolist())
        ['7', 'anger']
    """
    source = Path(path)
    if not source.is_file():
        raise CorpusError(f"{path}: no such file; a corpus table (.csv, .parquet) was expected")
    raw = _read_parquet(source) if source.suffix.lower() == ".parquet" else _read_csv(source)
    if raw.empty:
        raise CorpusError(f"{path}: no rows; a header and one row an utterance were expected")
    needed = ("file", "emotion") if emotion_needed else ("file",)
    table = with_canonical_values(with_canonical_columns(raw, str(path), needed), str(path))
    folder = str(source.absolute().parent)
    table["file"] = [
        os.path.normpath(os.path.join(folder, file.strip())) if file.strip() else ""  # noqa: PTH118
        for file in table["file"]
    ]
    return table


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Writes a corpus table; a reader sees the old file or the new one, never a part.

    Choice: files below the table's folder are written relative to it, so that a corpus moves with
    its table; all others absolute.

    Args:
        table: Columns as `read_table` or a reader gives them.
        path: `.csv` or `.parquet`.

    Raises:
        CorpusError: Another ending.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = pd.DataFrame({"file": [f"{folder}/a.wav"], "emotion": ["anger"]})
        ...     write_table(table, f"{folder}/mine.csv")
        ...     print(Path(folder, "mine.csv").read_text().splitlines())
        ['file,emotion', 'a.wav,anger']
    """
    check_table_ending(path)
    target = Path(path)
    folder = str(target.absolute().parent)
    written = table.assign(file=[_relative(file, folder) for file in table["file"]])
    with atomic_write(target) as temporary:
        if target.suffix.lower() == ".csv":
            written.to_csv(temporary, index=False)
        else:
            written.to_parquet(temporary, index=False)


def check_table_ending(path: str | os.PathLike[str]) -> None:
    """Refuses the name of a table that `write_table` would not write.

    Args:
        path: Of the table.

    Raises:
        CorpusError: An ending other than .csv and .parquet.

    Example:
        >>> check_table_ending("mine.csv")
    """
    suffix = Path(path).suffix
    if suffix.lower() not in (".csv", ".parquet"):
        raise CorpusError(f"{path}: ends in {suffix!r}; .csv or .parquet was expected")


def _relative(file: str, folder: str) -> str:
    prefix = folder.rstrip(os.sep) + os.sep
    return Path(file.removeprefix(prefix)).as_posix() if file.startswith(prefix) else file


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
        separator = max(",;\t", key=header.count)
        return pd.read_csv(
            path,
            sep=separator,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            quoting=csv.QUOTE_MINIMAL,
            index_col=False,
        )
    except (UnicodeDecodeError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise CorpusError(
            f"{path}: cannot be read as a table: {_one_line(error)}; UTF-8 text with a header "
            "was expected"
        ) from error


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"{path}: cannot be read as Parquet: {_one_line(error)}; write it again"
        ) from error
    # audformat keeps file, start and end as the index.
    return table.reset_index() if any(table.index.names) else table


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
