"""Who speaks in a table, what is known of them, and in which order they stand."""

import re
from dataclasses import dataclass

import pandas as pd

from seqcap.corpora.speakers import speaker_key
from seqcap.errors import CorpusError


@dataclass(frozen=True)
class Person:
    """A speaker, under one spelling."""

    name: str
    corpus: str = ""
    sessions: tuple[str, ...] = ()
    gender: str = ""

    @property
    def order(self) -> tuple[str, list[tuple[int, str]], str]:
        """What people are sorted by; numbers count as numbers: actor 2 comes before actor 10."""
        pieces = re.findall(r"\d+|\D+", self.name.casefold())
        return self.corpus, [(int(p) if p.isdigit() else -1, p) for p in pieces], self.name


def people_of(table: pd.DataFrame) -> list[Person]:
    """Lists who speaks in a table, each person once, corpus by corpus and in order of their names.

    Raises:
        CorpusError: a row has no speaker.

    Example:
        >>> [person.name for person in people_of(pd.DataFrame({"speaker": ["a10", "a2", "A2 "]}))]
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
    people = []
    for _, of_one in rows.groupby(rows["speaker"].map(speaker_key)):
        told = {c: tuple(sorted({v.strip() for v in of_one[c]} - {""})) for c in columns}
        people.append(
            Person(
                name=told["speaker"][0],
                corpus=next(iter(told.get("corpus", ())), ""),
                sessions=told.get("session", ()),
                gender=next(iter(told.get("gender", ())), ""),
            )
        )
    return sorted(people, key=lambda person: person.order)
