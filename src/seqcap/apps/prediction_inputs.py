"""Everything that the arguments of `predict` name, as items to recognise."""

import collections
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqcap.apps.items import Item, is_table, items_of_recordings, items_of_table
from seqcap.apps.sources import find_recordings
from seqcap.apps.turns import read_turns
from seqcap.apps.writers import refuse_to_overwrite
from seqcap.errors import SettingsError


@dataclass(frozen=True)
class Inputs:
    """What is to be recognised.

    Attributes:
        items: In the order of the arguments, tables last.
        problems: Why an argument means nothing, a line each.
        passed_over: Files in folders that are no recordings, counted by ending.
    """

    items: list[Item]
    problems: list[str]
    passed_over: "collections.Counter[str]"


def find_items(
    paths: Sequence[str], channel: str, segments: Path | None, output: Path | None
) -> Inputs:
    """Finds what is to be recognised.

    Args:
        paths: Recordings, folders, patterns, tables, or ``-``.
        channel: As for `items_of_recordings`.
        segments: Table of turns, if these are to be recognised.
        output: Is no input.

    Raises:
        SettingsError: The output is an input, or turns go with tables.
        CorpusError: A table cannot be read.
    """
    tables = [path for path in paths if is_table(path)]
    if tables and segments is not None:
        raise SettingsError(f"{tables[0]}: a table with --segments; recordings are expected")
    turns = None if segments is None else read_turns(segments)
    found = find_recordings([path for path in paths if path not in tables])
    items = items_of_recordings(found, channel, turns)
    for table in tables:
        items += items_of_table(table, channel)
    read = [*tables, *([str(segments)] if segments else []), *(item.name for item in items)]
    refuse_to_overwrite(output, read)
    return Inputs(items, found.problems, found.passed_over)
