"""One fold: who trains, who validates, who tests, and to which of them each row belongs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqcap.corpora.speakers import speaker_key, spellings_of
from seqcap.errors import CorpusError

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "validation", "test")

_SPLIT_NAMES = {
    "train": "train training tr",
    "validation": "validation valid val dev devel development",
    "test": "test testing eval evaluation",
}
_PART_OF_NAME = {name: part for part, names in _SPLIT_NAMES.items() for name in names.split()}


@dataclass(frozen=True)
class Fold:
    """Speakers of the training, validation and test parts.

    Attributes:
        name: Scheme and test speakers; unique in a scheme, usable as a folder name.
        train: Speakers of the training part.
        validation: Speakers of the validation part.
        test: Speakers of the test part.
        column: Empty if the speakers decide. Otherwise the column of the table that decides, for
            splits that share speakers.

    Example:
        >>> Fold("loso-c", train=("a",), validation=("b",), test=("c",)).shared_speakers
        ()
    """

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    column: str = ""

    @property
    def shared_speakers(self) -> tuple[str, ...]:
        """Speakers in more than one part, however they are spelled.

        Example:
            >>> Fold("f", ("SP01", "SP02"), ("SP03",), ("sp01 ",)).shared_speakers
            ('SP01',)
        """
        parts = (self.train, self.validation, self.test)
        keys = [{speaker_key(speaker) for speaker in part} for part in parts]
        shared = set().union(*(a & b for a, b in itertools.combinations(keys, 2)))
        spellings = spellings_of(itertools.chain(*parts))
        return tuple(sorted(spellings[key][0] for key in shared))

    def among(self, speakers: Iterable[str]) -> Fold:
        """The same fold without speakers that are not there, as in a part of the corpora.

        Args:
            speakers: That are there, however they are spelled.

        Example:
            >>> Fold("f", ("a", "b"), ("c",), ("d",)).among(["b", "C", "d"]).train
            ('b',)
        """
        there = {speaker_key(speaker) for speaker in speakers}

        def those(part: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(speaker for speaker in part if speaker_key(speaker) in there)

        return dataclasses.replace(
            self, train=those(self.train), validation=those(self.validation), test=those(self.test)
        )


def part_of(table: pd.DataFrame, fold: Fold) -> pd.Series[str]:
    """Gives the part of each row: training, validation or test.

    Args:
        table: Column speaker; all its speakers are in the fold.
        fold: As `make_folds` gives it.

    Returns:
        `train`, `validation` or `test` for each row, on the table's index.

    Raises:
        CorpusError: A speaker of the table is in no part, or in several.

    Example:
        >>> import pandas as pd
        >>> fold = Fold("f", ("SP01",), ("SP02",), ("SP03",))
        >>> part_of(pd.DataFrame({"speaker": ["sp03", "SP01"]}), fold).tolist()
        ['test', 'train']
    """
    if fold.column:
        return parts_in_column(table, fold.column)
    if fold.shared_speakers:
        raise shared_speakers_error(fold)
    part_by_key = {
        speaker_key(speaker): part
        for part, speakers in zip(PARTS, (fold.train, fold.validation, fold.test), strict=True)
        for speaker in speakers
    }
    parts = table["speaker"].map(lambda speaker: part_by_key.get(speaker_key(speaker), ""))
    if (parts == "").any():
        unknown = sorted(set(table["speaker"][parts == ""]))
        raise CorpusError(
            f"speakers {', '.join(map(repr, unknown[:5]))} are in no part of fold {fold.name}; "
            "make the folds from this table"
        )
    return parts


def part_named(word: str) -> str:
    """Reads one word for a part, under the names in use; empty for any other word.

    Args:
        word: Such as `dev`, in any case.

    Example:
        >>> part_named("Dev"), part_named("eval"), part_named("anna")
        ('validation', 'test', '')
    """
    return _PART_OF_NAME.get(word.strip().casefold(), "")


def parts_in_column(table: pd.DataFrame, column: str = "split") -> pd.Series[str]:
    """Reads a column of `train`, `dev`, `test` (and their usual other names) as parts.

    Args:
        table: The corpus.
        column: Its name.

    Raises:
        CorpusError: there is no such column, or another word in it.

    Example:
        >>> import pandas as pd
        >>> parts_in_column(pd.DataFrame({"split": ["train", "Dev", "eval"]})).tolist()
        ['train', 'validation', 'test']
    """
    if column not in table:
        raise CorpusError(
            f"no column {column!r} in the table; one that says train, dev or test in each row "
            "was expected"
        )
    parts = table[column].map(lambda word: part_named(str(word)))
    if (parts == "").any():
        row = int((parts == "").to_numpy().nonzero()[0][0])
        raise CorpusError(
            f"row {row + 2}: {table[column].iloc[row]!r} in column {column!r}; train, dev or "
            "test was expected"
        )
    return parts


def shared_speakers_error(fold: Fold) -> CorpusError:
    """The error that names shared speakers, and the way out.

    Args:
        fold: Whose parts share speakers.
    """
    return CorpusError(
        f"fold {fold.name}: speakers in more than one of training, validation and test: "
        f"{', '.join(fold.shared_speakers)}; move each to one part (--allow-shared-speakers "
        "goes on and marks the results)"
    )
