"""Folds: who trains, validates and tests; made, chosen by name, checked, written, read back."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from seqcap.corpora.fold import PARTS, Fold, part_of, shared_speakers_error
from seqcap.corpora.leaks import FoldReport, check_fold
from seqcap.corpora.provenance import table_hash
from seqcap.corpora.schemes import SCHEMES, make_folds
from seqcap.errors import CorpusError
from seqcap.files import atomic_write

__all__ = [
    "ALL_FOLDS",
    "PARTS",
    "SCHEMES",
    "Fold",
    "FoldReport",
    "check_fold",
    "choose_fold",
    "choose_folds",
    "make_folds",
    "part_of",
    "read_folds",
    "rows_of_part",
    "write_folds",
]

ALL_FOLDS = "all"
_FORMAT = "seqcap folds 1"


def write_folds(folds: Sequence[Fold], path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Writes folds to a JSON file that can be cited.

    Args:
        folds: As `make_folds` gives them.
        path: The file.
        table: The table that the folds were made from, columns file and speaker at least; its hash
            and its number of rows are written too.

    Example:
        >>> import tempfile
        >>> table = pd.DataFrame({"file": list("abc"), "speaker": list("abc")})
        >>> folds = make_folds(table, "loso")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_folds(folds, f"{folder}/folds.json", table)
        ...     read_folds(f"{folder}/folds.json") == folds
        True
    """
    content = {
        "format": _FORMAT,
        "table_sha256": table_hash(table),
        "utterances": len(table),
        "folds": [dataclasses.asdict(fold) for fold in folds],
    }
    with atomic_write(path) as temporary:
        text = json.dumps(content, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_folds(path: str | os.PathLike[str], allow_shared_speakers: bool = False) -> list[Fold]:
    """Reads folds back, equal to those that were written.

    Args:
        path: A file that `write_folds` wrote, or one like it.
        allow_shared_speakers: As in `make_folds`.

    Raises:
        CorpusError: No such file, another format, or speakers shared by the parts.

    Example:
        >>> read_folds("absent.json")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        seqcap.errors.CorpusError: absent.json: no such file; ...
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        folds = [
            Fold(
                name=str(fold["name"]),
                train=tuple(map(str, fold["train"])),
                validation=tuple(map(str, fold["validation"])),
                test=tuple(map(str, fold["test"])),
                column=str(fold.get("column", "")),
            )
            for fold in content["folds"]
        ]
    except FileNotFoundError:
        raise CorpusError(
            f"{path}: no such file; folds as `seqcap corpus folds` writes them were expected"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise CorpusError(
            f"{path}: cannot be read as folds ({type(error).__name__}: {error}); write it again "
            "with `seqcap corpus folds`"
        ) from error
    for fold in folds:
        if fold.shared_speakers and not (fold.column and allow_shared_speakers):
            raise shared_speakers_error(fold)
    return folds


def choose_folds(
    table: pd.DataFrame, folds: str, fold: str, allow_shared_speakers: bool
) -> list[Fold]:
    """Finds one fold, as `choose_fold` does, or all folds if `fold` is "all".

    Args:
        table: The corpus table, columns speaker and session at least.
        folds: A scheme's name, or a file that `seqcap corpus folds` wrote.
        fold: Its number from 0, its name, or "all".
        allow_shared_speakers: Do not refuse a fold that shares speakers.

    Raises:
        CorpusError: No such fold, or its parts share speakers.

    Example:
        >>> table = pd.DataFrame({"speaker": ["a", "b", "c"]})
        >>> [one.name for one in choose_folds(table, "loso", "all", allow_shared_speakers=False)]
        ['loso-a', 'loso-b', 'loso-c']
    """
    if fold != ALL_FOLDS:
        return [choose_fold(table, folds, fold, allow_shared_speakers)]
    return [
        choose_fold(table, folds, one.name, allow_shared_speakers)
        for one in _folds_named(table, folds, allow_shared_speakers)
    ]


def choose_fold(table: pd.DataFrame, folds: str, fold: str, allow_shared_speakers: bool) -> Fold:
    """Finds one fold of a scheme, or of a file of folds; it lists speakers of the table only.

    Args:
        table: The corpus table, columns speaker and session at least.
        folds: A scheme's name, or a file that `seqcap corpus folds` wrote.
        fold: Its number from 0, or its name.
        allow_shared_speakers: Do not refuse a fold that shares speakers.

    Raises:
        CorpusError: No such fold, or its parts share speakers.

    Example:
        >>> table = pd.DataFrame({"speaker": ["a", "b", "c"]})
        >>> choose_fold(table, "loso", "1", allow_shared_speakers=False).test
        ('b',)
    """
    there = _folds_named(table, folds, allow_shared_speakers)
    by_name = {str(place): one for place, one in enumerate(there)}
    by_name.update((one.name, one) for one in there)
    if fold not in by_name:
        raise CorpusError(
            f"fold {fold}: no such fold; there are 0 to {len(there) - 1}, by name "
            f"{', '.join(one.name for one in there)}"
        )
    chosen = by_name[fold]
    if chosen.shared_speakers and not allow_shared_speakers:
        raise shared_speakers_error(chosen)
    return chosen.among(table["speaker"])


def rows_of_part(table: pd.DataFrame, fold: Fold, part: str) -> pd.DataFrame:
    """Gives the rows of one part of a fold.

    Args:
        table: The corpus table, column speaker at least.
        fold: As `make_folds` gives it.
        part: train, validation or test.

    Returns:
        The rows in order, numbered from 0.

    Raises:
        CorpusError: No such part, or none of its speakers is in the table.

    Example:
        >>> table = pd.DataFrame({"speaker": ["a", "b", "c"]})
        >>> rows_of_part(table, Fold("f", ("a",), ("b",), ("c",)), "test")["speaker"].tolist()
        ['c']
    """
    rows = table[part_of(table, fold) == part]
    if rows.empty:
        raise CorpusError(f"part {part}: no rows; one of train, validation, test is expected")
    return rows.reset_index(drop=True)


def _folds_named(table: pd.DataFrame, folds: str, allow_shared_speakers: bool) -> list[Fold]:
    if Path(folds).suffix == ".json":
        return read_folds(folds)
    return make_folds(table, folds, allow_shared_speakers)
