"""What is wrong with a corpus table, row by row, in words."""

import os
from collections.abc import Callable, Collection, Iterable

import numpy as np
import pandas as pd

from seqcap.corpora.audio_checks import audio_problems
from seqcap.corpora.audio_info import unique_files
from seqcap.corpora.emotions import EMOTIONS, UNDECIDED, nearest_emotion
from seqcap.corpora.problems import (
    FIRST_ROW,
    TOLERANCE_S,
    Problem,
    rows_where,
    said_differently,
)
from seqcap.corpora.speakers import spellings_of


def check_table(
    table: pd.DataFrame,
    *,
    audio: bool = True,
    emotions: Collection[str] = (),
    track: Callable[[list[str]], Iterable[str]] = iter,
) -> list[Problem]:
    """Finds everything that would make figures from a table worthless.

    Args:
        table: As `read_table` gives it; columns file, start, end, speaker and emotion.
        audio: Decode all recordings, which takes minutes for large corpora; otherwise only check
            that they exist.
        emotions: Your own emotion names beside the known ones.
        track: Iterates over the files and may show progress.

    Returns:
        Problems by row; none for a sound table.

    Example:
        >>> table = pd.DataFrame(
        ...     {"file": [""], "start": [0.0], "end": [1.0], "speaker": ["7"], "emotion": ["angr"]}
        ... )
        >>> for problem in check_table(table):
        ...     print(f"row {problem.row}: {problem.kind}: {problem.text}")
        row 2: no file: the column 'file' is empty
        row 2: unknown emotion: 'angr' in row 2; did you mean 'anger'? (your own can be allowed)
    """
    rows = table.reset_index(drop=True)
    problems = [
        *_file_problems(rows),
        *_speaker_problems(rows),
        *_emotion_problems(rows, {*EMOTIONS, UNDECIDED, *emotions}),
        *_time_problems(rows),
        *_duplicate_problems(rows),
    ]
    if audio:
        problems += audio_problems(rows, track)
    return sorted(problems)


def _in_rows(numbers: list[int]) -> str:
    some = ", ".join(map(str, numbers[:5]))
    more = f" and {len(numbers) - 5:,} more" if len(numbers) > 5 else ""
    return f"row{'s' * (len(numbers) > 1)} {some}{more}"


def _file_problems(rows: pd.DataFrame) -> Iterable[Problem]:
    absent = {file for file in unique_files(rows) if not os.path.isfile(file)}  # noqa: PTH113
    for row in rows_where(rows["file"] == ""):
        yield Problem(row, "no file", "the column 'file' is empty")
    for index, file in enumerate(rows["file"]):
        if file in absent:
            yield Problem(index + FIRST_ROW, "missing file", f"{file}: no such file")


def _speaker_problems(rows: pd.DataFrame) -> Iterable[Problem]:
    nameless = rows_where(rows["speaker"].str.strip() == "")
    if nameless:
        yield Problem(nameless[0], "no speaker", f"empty in {_in_rows(nameless)}")
    counts = rows["speaker"].value_counts()
    for spellings in spellings_of(speaker for speaker in counts.index if speaker.strip()).values():
        # value_counts gives the most frequent spelling first.
        usual, *others = spellings
        for other in others:
            numbers = rows_where(rows["speaker"] == other)
            yield Problem(
                numbers[0],
                "speaker spelled twice",
                f"{other!r} in {_in_rows(numbers)}, {usual!r} in {counts[usual]:,} others: one "
                "person under two names",
            )


def _emotion_problems(rows: pd.DataFrame, known: Collection[str]) -> Iterable[Problem]:
    for label in sorted(set(rows["emotion"]) - set(known)):
        numbers = rows_where(rows["emotion"] == label)
        if not label:
            yield Problem(numbers[0], "no emotion", f"no emotion in {_in_rows(numbers)}")
            continue
        nearest = nearest_emotion(label)
        hint = f"did you mean {nearest!r}?" if nearest else f"known are {', '.join(EMOTIONS)}"
        yield Problem(
            numbers[0],
            "unknown emotion",
            f"{label!r} in {_in_rows(numbers)}; {hint} (your own can be allowed)",
        )


def _time_problems(rows: pd.DataFrame) -> Iterable[Problem]:
    starts, ends = rows["start"].tolist(), rows["end"].tolist()
    for row in rows_where(rows["start"] < 0):
        yield Problem(row, "time", f"start {starts[row - FIRST_ROW]:g} s is below 0")
    reversed_times = (rows["end"] <= rows["start"]).to_numpy()
    for row in rows_where(reversed_times):
        index = row - FIRST_ROW
        yield Problem(row, "time", f"end {ends[index]:g} s is not after start {starts[index]:g} s")
    pieces = rows[~reversed_times & (rows["file"] != "").to_numpy()]
    pieces = pieces.drop_duplicates(["file", "start", "end"]).fillna({"end": np.inf})
    pieces = pieces.sort_values(["file", "start", "end"])
    latest: dict[str, tuple[float, int]] = {}  # of each file: the end so far, and whose it is
    columns = (pieces["file"], pieces["start"], pieces["end"], pieces.index)
    for file, start, end, index in zip(*columns, strict=True):
        latest_end, other = latest.get(file, (-np.inf, 0))
        if latest_end > start + TOLERANCE_S:
            yield Problem(
                index + FIRST_ROW,
                "overlap",
                f"{start:g} to {end:g} s overlaps row {other + FIRST_ROW} of the same file, "
                f"{starts[other]:g} to {latest_end:g} s",
            )
        if end > latest_end:
            latest[file] = (end, index)


def _duplicate_problems(rows: pd.DataFrame) -> Iterable[Problem]:
    emotions = rows["emotion"].tolist()
    first_of: dict[tuple[str, float, float], int] = {}
    columns = (rows["file"], rows["start"], rows["end"].fillna(np.inf))
    for index, (file, start, end) in enumerate(zip(*columns, strict=True)):
        first = first_of.setdefault((file, start, end), index)
        if first != index and file:
            said = said_differently(emotions[first], emotions[index])
            text = f"the same recording as row {first + FIRST_ROW}{said}"
            yield Problem(index + FIRST_ROW, "duplicate row", text)
