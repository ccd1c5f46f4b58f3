"""Folds: who trains, who validates, who tests; made by name, checked, written, read back."""

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
from seqcap.corpora.writing import written_whole
from seqcap.errors import CorpusError

__all__ = [
    "PARTS",
    "SCHEMES",
    "Fold",
    "FoldReport",
    "check_fold",
    "make_folds",
    "part_of",
    "read_folds",
    "write_folds",
]

_FORMAT = "seqcap folds 1"


def write_folds(folds: Sequence[Fold], path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Writes folds to a JSON file that can be cited: who trains, validates, tests, on which table.

    Args:
        folds: see `make_folds`.
        path: the file.
        table: what the folds were made from; its hash and size are written too.

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
    with written_whole(path) as temporary:
        text = json.dumps(content, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_folds(path: str | os.PathLike[str], allow_shared_speakers: bool = False) -> list[Fold]:
    """Reads folds back; equal to those that were written.

    Args:
        path: a file that `write_folds` wrote, or one like it.
        allow_shared_speakers: as in `make_folds`.

    Raises:
        CorpusError: no such file, not of this format, or speakers shared by the parts.
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
