"""Who is who: one person spelled in two ways is one speaker."""

import functools
import re
import unicodedata
from collections.abc import Iterable

_PIECE = re.compile(r"\d+|[^\W\d_]+")  # a run of digits or a run of letters


@functools.lru_cache(maxsize=65536)
def speaker_key(speaker: str) -> str:
    """Reduces a speaker's name to what is the same in all its spellings.

    Choice: case, white space, separators and leading zeros do not tell people apart. Two
    persons named `SP1` and `SP01` in one table would be taken for one, which costs a message;
    one person taken for two would leak from training into the test, unseen.

    Example:
        >>> speaker_key("SP01") == speaker_key("sp01 ") == speaker_key("Sp_1")
        True
        >>> speaker_key("emodb-03") == speaker_key("emodb-10")
        False
    """
    folded = unicodedata.normalize("NFKC", speaker).casefold().strip()
    pieces = _PIECE.findall(folded) or [folded]  # a name like "?" has neither letter nor digit
    return "-".join(piece.lstrip("0") or "0" if piece.isdigit() else piece for piece in pieces)


def spellings_of(speakers: Iterable[str]) -> dict[str, list[str]]:
    """Groups the spellings of each person: key -> spellings in order of first appearance.

    Example:
        >>> spellings_of(["SP01", "SP02", "sp01 "])
        {'sp-1': ['SP01', 'sp01 '], 'sp-2': ['SP02']}
    """
    grouped: dict[str, list[str]] = {}
    for speaker in dict.fromkeys(speakers):
        grouped.setdefault(speaker_key(speaker), []).append(speaker)
    return grouped
