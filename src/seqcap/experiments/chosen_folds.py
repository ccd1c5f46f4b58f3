"""Folds and parts as a command names them."""

from pathlib import Path

import pandas as pd

from seqcap.corpora.fold import Fold, part_of, shared_speakers_error
from seqcap.corpora.folds import make_folds, read_folds
from seqcap.errors import CorpusError

ALL_FOLDS = "all"


def choose_folds(
    table: pd.DataFrame, folds: str, fold: str, allow_shared_speakers: bool
) -> list[Fold]:
    """Finds one fold, as `choose_fold` does, or all of them, where `fold` is "all"."""
    if fold != ALL_FOLDS:
        return [choose_fold(table, folds, fold, allow_shared_speakers)]
    return [
        choose_fold(table, folds, one.name, allow_shared_speakers)
        for one in _folds_named(table, folds, allow_shared_speakers)
    ]


def choose_fold(table: pd.DataFrame, folds: str, fold: str, allow_shared_speakers: bool) -> Fold:
    """Finds one fold of a scheme, or of a file of folds.

    Args:
        table: The corpus.
        folds: A scheme's name, or a file that `seqcap corpus folds` wrote.
        fold: Its place, from 0, or its name.
        allow_shared_speakers: Do not refuse a fold that shares speakers.

    Raises:
        CorpusError: No such fold, or its parts share speakers.
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
    return chosen


def rows_of_part(table: pd.DataFrame, fold: Fold, part: str) -> pd.DataFrame:
    """The rows of a table that train, validate or test.

    Raises:
        CorpusError: No such part, or none of its speakers is in the table.
    """
    rows = table[part_of(table, fold) == part]
    if rows.empty:
        raise CorpusError(f"part {part}: no rows; one of train, validation, test is expected")
    return rows.reset_index(drop=True)


def _folds_named(table: pd.DataFrame, folds: str, allow_shared_speakers: bool) -> list[Fold]:
    if Path(folds).suffix == ".json":
        return read_folds(folds)
    return make_folds(table, folds, allow_shared_speakers)
