"""Speakers: one person spelled in two ways is one speaker; who speaks in a table, in order."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqcap.errors import CorpusError

if TYPE_CHECKING:
    import pandas as pd

_PIECE = re.compile(r"\d+|[^\W\d_]+")  # a run of digits or a run of letters
_WHOLE_NUMBER = re.compile(r"(?<=\d)[.,]0+$")  # 3.0, as spreadsheets and pandas write 3


@functools.lru_cache(maxsize=65536)
def speaker_key(speaker: str) -> str:
    """Reduces a speaker's name to what all its spellings share.

    Choice: case, white space, separators and leading zeros do not distinguish speakers. If a table
    has both `SP1` and `SP01`, they count as one, which costs a message. One speaker counted as two
    would leak from training into test without a message.

    Args:
        speaker: The name, any text.

    Returns:
        The key; empty for an empty name.

    Example:
        >>> speaker_key("SP01") == speaker_key("sp01 ") == speaker_key("Sp_1")
        True
        >>> speaker_key("emodb-03") == speaker_key("emodb-10")
        False
    """
    folded = unicodedata.normalize("NFKC", speaker).casefold().strip()
    pieces = _PIECE.findall(_WHOLE_NUMBER.sub("", folded)) or [
        folded
    ]  # a name like "?" has neither letter nor digit
    return "-".join(piece.lstrip("0") or "0" if piece.isdigit() else piece for piece in pieces)


def spellings_of(speakers: Iterable[str]) -> dict[str, list[str]]:
    """Groups the spellings of each speaker.

    Args:
        speakers: Names, in any order.

    Returns:
        Key -> spellings in order of first appearance.

    Example:
        >>> spellings_of(["SP01", "SP02", "sp01 "])
        {'sp-1': ['SP01', 'sp01 '], 'sp-2': ['SP02']}
    """
    grouped: dict[str, list[str]] = {}
    for speaker in dict.fromkeys(speakers):
        grouped.setdefault(speaker_key(speaker), []).append(speaker)
    return grouped


@dataclass(frozen=True)
class Speaker:
    """A speaker, under one spelling.

    Attributes:
        name: One of the spellings.
        corpus: The corpus, if the table has it.
        sessions: All sessions of the speaker.
        gender: `female`, `male`, or empty.

    Example:
        >>> Speaker("emodb-03", "emodb", gender="male").sessions
        ()
    """

    name: str
    corpus: str = ""
    sessions: tuple[str, ...] = ()
    gender: str = ""

    @property
    def order(self) -> tuple[str, list[tuple[int, str]], str]:
        """What speakers are sorted by; numbers count as numbers: actor 2 comes before actor 10."""
        pieces = re.findall(r"\d+|\D+", self.name.casefold())
        return self.corpus, [(int(p) if p.isdigit() else -1, p) for p in pieces], self.name


def speakers_of(table: pd.DataFrame) -> list[Speaker]:
    """Lists the speakers of a table, each once, corpus by corpus, in order of their names.

    Args:
        table: Column speaker; corpus, session and gender if known.

    Raises:
        CorpusError: A row has no speaker.

    Example:
        >>> import pandas as pd
        >>> [one.name for one in speakers_of(pd.DataFrame({"speaker": ["a10", "a2", "A2 "]}))]
        ['A2', 'a10']
    """
    nameless = (table["speaker"].str.strip() == "").to_numpy().nonzero()[0]
    if len(nameless):
        raise CorpusError(
            f"{len(nameless):,} rows without a speaker, the first in row {nameless[0] + 2}; folds "
            "need to know who speaks: fill the column 'speaker'"
        )
    columns = [c for c in ("speaker", "corpus", "session", "gender") if c in table]
    rows = table[columns].drop_duplicates().astype(str)
    speakers = []
    for _, of_one in rows.groupby(rows["speaker"].map(speaker_key)):
        told = {c: tuple(sorted({v.strip() for v in of_one[c]} - {""})) for c in columns}
        speakers.append(
            Speaker(
                name=told["speaker"][0],
                corpus=next(iter(told.get("corpus", ())), ""),
                sessions=told.get("session", ()),
                gender=next(iter(told.get("gender", ())), ""),
            )
        )
    return sorted(speakers, key=lambda speaker: speaker.order)
