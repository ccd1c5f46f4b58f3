"""Who speaks when, as diarisation tools write it (RTTM or CSV), and one answer a speaker."""

import csv
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from seqcap.errors import SettingsError
from seqcap.recognition.answers import Answer, Failure, decide

_COLUMNS = {
    "file": ("file", "filename", "path", "uri", "recording"),
    "start": ("start", "start_s", "onset", "begin", "start_time"),
    "end": ("end", "end_s", "offset", "stop", "end_time"),
    "duration": ("duration", "duration_s", "dur"),
    "speaker": ("speaker", "speaker_id", "label", "name"),
}


@dataclass(frozen=True)
class Turn:
    """A part of a recording in which one person speaks.

    Attributes:
        file: Name of the recording, or its stem; empty if the table does not say.
        start_s: Where it begins.
        end_s: Where it ends.
        speaker: Who speaks.
    """

    file: str
    start_s: float
    end_s: float
    speaker: str


def read_turns(path: Path) -> list[Turn]:
    """Reads a table of turns.

    Args:
        path: RTTM, or CSV with start, end (or duration), speaker and, for several recordings, file.

    Raises:
        SettingsError: It cannot be read, or a line of it says nothing.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); RTTM or CSV is expected") from None
    is_rttm = path.suffix.lower() == ".rttm" or text.startswith("SPEAKER ")
    turns = list(_rttm(text, path) if is_rttm else _csv(text, path))
    if not turns:
        raise SettingsError(f"{path}: no turns; RTTM or CSV with start, end, speaker is expected")
    return turns


def turns_of(recordings: Sequence[str], turns: Sequence[Turn]) -> list[list[Turn]]:
    """Finds the turns of each recording, by its path, its name or its stem, in order of time.

    Raises:
        SettingsError: Turns without a file and several recordings, or turns of no recording.

    Example:
        >>> turn = Turn("call", 0.0, 2.0, "A")
        >>> [len(own) for own in turns_of(["calls/call.wav", "calls/other.wav"], [turn])]
        [1, 0]
    """
    if len(recordings) == 1 and not any(turn.file for turn in turns):
        found = [list(turns)]
    else:
        found = [[] for _ in recordings]
        for turn in turns:
            places = [i for i, name in enumerate(recordings) if turn.file in _names(name)]
            for place in places:
                found[place].append(turn)
        if any(not turn.file for turn in turns):
            raise SettingsError("--segments: turns without a file; one recording is expected")
        if not any(found):
            raise SettingsError(
                f"--segments: turns of '{turns[0].file}'; a recording of that name is expected, "
                f"{', '.join(recordings[:3])}{', ...' if len(recordings) > 3 else ''} came"
            )
    return [sorted(own, key=lambda turn: (turn.start_s, turn.end_s)) for own in found]


def with_speakers(
    results: Iterable[tuple[Mapping[str, Any], Answer | Failure]], abstain_below: float
) -> Iterator[tuple[Mapping[str, Any], Answer | Failure]]:
    """Adds, after the turns of each recording, one answer for each of its speakers.

    A speaker's probabilities are the mean of the turns', weighted by their duration; turns without
    speech count for nothing.

    Args:
        results: Columns and answer of each turn, recording by recording.
        abstain_below: Answers less sure than this are "uncertain".
    """
    own: dict[str, list[Answer]] = {}
    file = ""
    for columns, result in results:
        if result.file != file:
            yield from _speakers(own, abstain_below)
            own, file = {}, result.file
        if isinstance(result, Answer):
            own.setdefault(columns["speaker"], []).append(result)
        yield columns, result
    yield from _speakers(own, abstain_below)


def _speakers(
    turns: Mapping[str, Sequence[Answer]], abstain_below: float
) -> Iterator[tuple[Mapping[str, Any], Answer]]:
    for speaker, own in turns.items():
        probabilities = {
            emotion: _mean([(turn.probabilities[emotion], turn.end - turn.start) for turn in own])
            for emotion in own[0].probabilities
        }
        answer = dataclasses.replace(
            own[0],
            start=min(turn.start for turn in own),
            end=max(turn.end for turn in own),
            probabilities=probabilities,
            predicted=decide(probabilities, abstain_below),
            timeline=(),
            warnings=tuple(dict.fromkeys(issue for turn in own for issue in turn.warnings)),
        )
        yield {"speaker": speaker, "turn": None}, answer


def _mean(weighted: Sequence[tuple[float, float]]) -> float:
    known = [(value, weight) for value, weight in weighted if not math.isnan(value)]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else math.nan


def _names(recording: str) -> tuple[str, ...]:
    path = PurePath(recording)
    return recording, path.name, path.stem


def _rttm(text: str, path: Path) -> Iterator[Turn]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0] != "SPEAKER":
            continue
        try:
            start_s, duration_s = float(words[3]), float(words[4])
            yield Turn(words[1], start_s, start_s + duration_s, words[7])
        except (IndexError, ValueError):
            raise SettingsError(
                f"{path}: line {number}: {line.strip()!r}; 'SPEAKER file 1 start duration <NA> "
                "<NA> speaker <NA> <NA>' is expected"
            ) from None


def _csv(text: str, path: Path) -> Iterator[Turn]:
    lines = text.splitlines()
    separator = max(",;\t", key=(lines[0] if lines else "").count)
    rows = csv.DictReader(lines, delimiter=separator)
    names = {name.strip().casefold(): name for name in rows.fieldnames or ()}
    column = {
        key: next((names[name] for name in known if name in names), None)
        for key, known in _COLUMNS.items()
    }
    if not column["start"] or not column["speaker"] or not (column["end"] or column["duration"]):
        raise SettingsError(
            f"{path}: columns {', '.join(names) or 'none'}; start, end and speaker are expected"
        )
    for number, row in enumerate(rows, 2):
        try:
            start_s = float(row[column["start"]])
            if column["end"]:
                end_s = float(row[column["end"]])
            else:
                end_s = start_s + float(row[str(column["duration"])])
        except (TypeError, ValueError):
            raise SettingsError(
                f"{path}: row {number}: start and end in seconds are expected"
            ) from None
        file = row[column["file"]] if column["file"] else ""
        yield Turn((file or "").strip(), start_s, end_s, (row[column["speaker"]] or "").strip())
