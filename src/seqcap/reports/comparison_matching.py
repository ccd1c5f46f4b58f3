"""Which answers are to the same utterance: by the end of the file's path, and the start."""

from collections.abc import Iterable, Sequence

import pandas as pd

from seqcap.errors import SettingsError


def match_utterances(tables: Sequence[pd.DataFrame]) -> list["pd.Series[str]"]:
    """Names every row's utterance in a way that all tables share.

    Tables name files from another folder each, or by nothing but their names. As many of a path's
    last parts are taken as tell the files of every table apart.

    Args:
        tables: With columns file and start (seconds).

    Returns:
        For each table a name for each row: the end of the path, and the start unless it is 0.

    Example:
        >>> one = pd.DataFrame({"file": ["/data/a/1.wav", "/data/b/1.wav"], "start": 0.0})
        >>> other = pd.DataFrame({"file": ["b/1.wav"], "start": 0.0})
        >>> [list(keys) for keys in match_utterances([one, other])]
        [['a/1.wav', 'b/1.wav'], ['b/1.wav']]
    """
    files = [[_parts(file) for file in table["file"]] for table in tables]
    depth = 1
    while not all(_told_apart(of_table, depth) for of_table in files):
        depth += 1
    return [
        pd.Series(
            [
                "/".join(parts[-depth:]) + (f" from {start:.3f} s" if start else "")
                for parts, start in zip(of_table, table["start"], strict=True)
            ],
            index=table.index,
            dtype=str,
        )
        for of_table, table in zip(files, tables, strict=True)
    ]


def common_utterances(
    names: Sequence[str], keys: Sequence["pd.Series[str]"]
) -> tuple[list[str], list[str]]:
    """Finds the utterances that all tables have, and says who has more.

    Args:
        names: Of the tables.
        keys: As `match_utterances` gives them.

    Returns:
        The utterances, in order, and what is to be said of the others.

    Raises:
        SettingsError: There are none in common.
    """
    each = [set(one) for one in keys]
    common = set.intersection(*each)
    if not common:
        examples = ", ".join(f"{name}: {min(one)}" for name, one in zip(names, each, strict=True))
        raise SettingsError(
            f"no utterance in common by file and start ({examples}); predictions of the same "
            "recordings are expected"
        )
    notes = [f"{len(common):,} utterances match, by file and start."]
    notes += [
        f"{len(one) - len(common):,} utterances of {name} are left out: not all others have them."
        for name, one in zip(names, each, strict=True)
        if len(one) > len(common)
    ]
    return sorted(common), notes


def _parts(file: str) -> tuple[str, ...]:
    return tuple(part for part in file.replace("\\", "/").split("/") if part not in ("", "."))


def _told_apart(files: Iterable[tuple[str, ...]], depth: int) -> bool:
    different = set(files)
    return len({parts[-depth:] for parts in different}) == len(different)
