"""What is wrong with a corpus table, row by row, in words.

Rows bear the number of their line in the CSV file: the header is 1, the first utterance 2.
"""

import os
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from seqcap.audio.waveform import MINIMUM_DURATION_S
from seqcap.corpora.emotions import EMOTIONS, UNDECIDED, nearest_emotion
from seqcap.corpora.sounds import Sound, examine_all, unique_files
from seqcap.corpora.speakers import speaker_key, spellings_of

_TOLERANCE_S = 0.01  # tables round times
_FIRST_ROW = 2  # row 1 is the header


class Problem(NamedTuple):
    """Something wrong: in which row (of several, the first), of what kind, in words.

    A note is a blemish that one can live with: nothing about it is wrong for sure.
    """

    row: int
    kind: str
    text: str
    is_note: bool = False


def check_table(
    table: pd.DataFrame,
    *,
    audio: bool = True,
    emotions: Collection[str] = (),
    track: Callable[[list[str]], Iterable[str]] = iter,
) -> list[Problem]:
    """Looks for everything that makes a table's numbers worthless later.

    Args:
        table: as `read_table` gives it.
        audio: whether all recordings are decoded, which takes minutes for large corpora; else
            only their presence is looked at.
        emotions: names of one's own beside the known ones.
        track: goes through the files and may show progress.

    Returns:
        Problems by row; none for a sound table.

    Example:
        >>> table = pd.DataFrame(
        ...     {"file": [""], "start": [0.0], "end": [1.0], "speaker": ["7"], "emotion": ["angr"]}
        ... )
        >>> for problem in check_table(table):
        ...     print(f"row {problem.row}: {problem.kind}: {problem.text}")
        row 2: no file: the column 'file' is empty
        row 2: unknown emotion: 'angr' in row 2; did you mean 'anger'? (one's own can be allowed)
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
        problems += _audio_problems(rows, track)
    return sorted(problems)


def _numbers(wrong: "pd.Series[bool] | np.ndarray[tuple[int], np.dtype[np.bool_]]") -> list[int]:
    return [int(i) + _FIRST_ROW for i in np.asarray(wrong).nonzero()[0]]


def _in_rows(numbers: list[int]) -> str:
    some = ", ".join(map(str, numbers[:5]))
    more = f" and {len(numbers) - 5:,} more" if len(numbers) > 5 else ""
    return f"row{'s' * (len(numbers) > 1)} {some}{more}"


def _file_problems(rows: pd.DataFrame) -> Iterable[Problem]:
    absent = {file for file in unique_files(rows) if not os.path.isfile(file)}  # noqa: PTH113
    for row in _numbers(rows["file"] == ""):
        yield Problem(row, "no file", "the column 'file' is empty")
    for index, file in enumerate(rows["file"]):
        if file in absent:
            yield Problem(index + _FIRST_ROW, "missing file", f"{file}: no such file")


def _speaker_problems(rows: pd.DataFrame) -> Iterable[Problem]:
    nobody = _numbers(rows["speaker"].str.strip() == "")
    if nobody:
        yield Problem(nobody[0], "no speaker", f"nobody speaks in {_in_rows(nobody)}")
    counts = rows["speaker"].value_counts()
    for spellings in spellings_of(speaker for speaker in counts.index if speaker.strip()).values():
        # value_counts gives the most frequent spelling first.
        usual, *others = spellings
        for other in others:
            numbers = _numbers(rows["speaker"] == other)
            yield Problem(
                numbers[0],
                "speaker spelled twice",
                f"{other!r} in {_in_rows(numbers)}, {usual!r} in {counts[usual]:,} others: one "
                "person under two names",
            )


def _emotion_problems(rows: pd.DataFrame, known: Collection[str]) -> Iterable[Problem]:
    for label in sorted(set(rows["emotion"]) - set(known)):
        numbers = _numbers(rows["emotion"] == label)
        if not label:
            yield Problem(numbers[0], "no emotion", f"no emotion in {_in_rows(numbers)}")
            continue
        nearest = nearest_emotion(label)
        hint = f"did you mean {nearest!r}?" if nearest else f"known are {', '.join(EMOTIONS)}"
        yield Problem(
            numbers[0],
            "unknown emotion",
            f"{label!r} in {_in_rows(numbers)}; {hint} (one's own can be allowed)",
        )


def _time_problems(rows: pd.DataFrame) -> Iterable[Problem]:
    starts, ends = rows["start"].tolist(), rows["end"].tolist()
    for row in _numbers(rows["start"] < 0):
        yield Problem(row, "time", f"start {starts[row - _FIRST_ROW]:g} s is below 0")
    reversed_times = (rows["end"] <= rows["start"]).to_numpy()
    for row in _numbers(reversed_times):
        index = row - _FIRST_ROW
        yield Problem(row, "time", f"end {ends[index]:g} s is not after start {starts[index]:g} s")
    pieces = rows[~reversed_times & (rows["file"] != "").to_numpy()]
    pieces = pieces.drop_duplicates(["file", "start", "end"]).fillna({"end": np.inf})
    pieces = pieces.sort_values(["file", "start", "end"])
    latest: dict[str, tuple[float, int]] = {}  # of each file: the end so far, and whose it is
    columns = (pieces["file"], pieces["start"], pieces["end"], pieces.index)
    for file, start, end, index in zip(*columns, strict=True):
        latest_end, other = latest.get(file, (-np.inf, 0))
        if latest_end > start + _TOLERANCE_S:
            yield Problem(
                index + _FIRST_ROW,
                "overlap",
                f"{start:g} to {end:g} s overlaps row {other + _FIRST_ROW} of the same file, "
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
            said = _said_differently(emotions[first], emotions[index])
            text = f"the same recording as row {first + _FIRST_ROW}{said}"
            yield Problem(index + _FIRST_ROW, "duplicate row", text)


def _said_differently(there: str, here: str) -> str:
    return "" if there == here else f", there {there!r} and here {here!r}"


def _audio_problems(
    rows: pd.DataFrame, track: Callable[[list[str]], Iterable[str]]
) -> Iterable[Problem]:
    first_row: dict[str, int] = {}
    for index, file in enumerate(rows["file"]):
        first_row.setdefault(file, index)
    present = [file for file in unique_files(rows) if os.path.isfile(file)]  # noqa: PTH113
    sounds, faults = examine_all(track(present))
    for file, fault in faults.items():
        yield Problem(first_row[file] + _FIRST_ROW, "unusable audio", fault)
    for file, sound in sounds.items():
        if sound.silent:
            yield Problem(first_row[file] + _FIRST_ROW, "silent audio", f"{file}: only silence")
    yield from _length_problems(rows, sounds)
    yield from _same_audio_problems(rows, sounds, first_row)


def _length_problems(rows: pd.DataFrame, sounds: dict[str, Sound]) -> Iterable[Problem]:
    lengths = rows["file"].map({file: sound.duration_s for file, sound in sounds.items()})
    for row in _numbers(rows["end"] > lengths + _TOLERANCE_S):
        index = row - _FIRST_ROW
        yield Problem(
            row,
            "time",
            f"end {rows['end'][index]:g} s is after the end of {rows['file'][index]}, "
            f"{lengths[index]:.2f} s",
        )
    pieces = np.minimum(rows["end"].fillna(np.inf), lengths) - rows["start"]
    # Reversed times were named already.
    for row in _numbers((pieces < MINIMUM_DURATION_S) & ~(rows["end"] <= rows["start"])):
        index = row - _FIRST_ROW
        yield Problem(
            row,
            "too short",
            f"{rows['file'][index]}: {max(pieces[index], 0):.2f} s of audio; at least "
            f"{MINIMUM_DURATION_S} s is needed",
        )


def _same_audio_problems(
    rows: pd.DataFrame, sounds: dict[str, Sound], first_row: dict[str, int]
) -> Iterable[Problem]:
    by_hash: dict[str, list[str]] = {}
    for file, sound in sounds.items():
        if not sound.silent:
            by_hash.setdefault(sound.audio_hash, []).append(file)
    for first, *copies in by_hash.values():
        for copy in copies:
            here, there = first_row[copy], first_row[first]
            speakers = rows["speaker"][there], rows["speaker"][here]
            same = speaker_key(speakers[0]) == speaker_key(speakers[1])
            said = _said_differently(rows["emotion"][there], rows["emotion"][here])
            yield Problem(
                here + _FIRST_ROW,
                "same audio" if same else "same audio, other speaker",
                f"{copy} sounds the same, sample by sample, as {first} of row {there + _FIRST_ROW}"
                + ("" if same else f": speakers {speakers[0]!r} and {speakers[1]!r}")
                + said,
                # Choice: one person's recording that is there twice under one label, as in the
                # official RAVDESS, stays in one part of any fold: it cannot leak.
                is_note=same and not said,
            )
