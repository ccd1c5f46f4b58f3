"""Recordings named on the command line: files, folders, patterns and standard input."""

import collections
import glob
import io
import os
import stat
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from seqcap.audio.formats import has_sound_ending
from seqcap.audio.source import Source
from seqcap.audio.waveform import waveform_blocks
from seqcap.errors import AudioError, AudioWarning
from seqcap.recognition.recordings import Segment

STANDARD_INPUT = "-"
_NO_ENDING = "without an ending"


@dataclass
class Found:
    """What paths mean.

    Attributes:
        recordings: By name, each once, in the order of the paths; those of folders sorted.
        problems: Why a path means no recording, a line each.
        passed_over: Files in folders that are no recordings, counted by ending.
    """

    recordings: dict[str, Source] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    passed_over: collections.Counter[str] = field(default_factory=collections.Counter)


class _Content(io.BytesIO):
    """What came by a pipe, kept because a pipe cannot be read twice."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def find_recordings(paths: Sequence[str]) -> Found:
    """Finds the recordings that paths mean.

    Args:
        paths: Files, pipes, folders (searched to their depths for endings of sound files),
            patterns that the shell left as they are, or ``-`` for standard input.
    """
    found = Found()
    for path in paths:
        _add_or_name(path, found)
    return found


def passed_over_line(passed_over: "collections.Counter[str]") -> str:
    """Says how many files of folders were no recordings, by ending; the most frequent first.

    Example:
        >>> passed_over_line(collections.Counter({".pdf": 1, ".txt": 12}))
        '13 files with other endings not read (12 .txt, 1 .pdf)'
    """
    total = sum(passed_over.values())
    kinds = ", ".join(f"{count} {ending}" for ending, count in passed_over.most_common())
    return f"{total:,} file{'s' * (total != 1)} with other endings not read ({kinds})"


def unreadable(segment: Segment) -> str | None:
    """Tells why a recording, or a part of one, cannot be read, by its first half minute.

    Returns:
        The reason in one line; None if nothing is wrong so far.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)  # comes when the recording is recognised
        try:
            next(
                waveform_blocks(
                    segment.source,
                    start_s=segment.start_s,
                    end_s=segment.end_s,
                    channel=segment.channel,
                )
            )
        except AudioError as error:
            return str(error)
    return None


def _standard_input() -> Source:
    if sys.stdin.isatty():
        raise AudioError(
            "-: standard input is a terminal; a recording is expected: "
            "seqcap predict - < speech.wav"
        )
    return _Content(sys.stdin.buffer.read(), "<stdin>")


def _add_or_name(path: str, found: Found) -> None:
    """Adds what a path means, or why it means nothing."""
    try:
        if path == STANDARD_INPUT:
            found.recordings.setdefault(path, _standard_input())
        else:
            _add(path, found)
    except AudioError as error:
        found.problems.append(str(error))
    except OSError as error:
        found.problems.append(f"{path}: cannot be read ({error.strerror}); check its rights")


def _add(path: str, found: Found) -> None:
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    if stat.S_ISDIR(mode):
        _add_folder(path, found)
    elif not mode and glob.has_magic(path):
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207  # also absolute patterns
        if not matches:
            raise AudioError(f"{path}: no file has such a name; check the pattern")
        for match in matches:
            _add_or_name(match, found)
    elif stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):  # a pipe can be read once
        if path not in found.recordings:
            found.recordings[path] = _Content(Path(path).read_bytes(), path)
    else:
        found.recordings[path] = path


def _add_folder(folder: str, found: Found) -> None:
    count, named = 0, len(found.problems)
    for file in _walk(Path(folder), found.problems, set()):
        if has_sound_ending(file):
            found.recordings[file] = file
            count += 1
        else:
            found.passed_over[PurePath(file).suffix.lower() or _NO_ENDING] += 1
    if not count and len(found.problems) == named:
        raise AudioError(f"{folder}: no recordings in this folder, by the endings of its files")


def _walk(folder: Path, problems: list[str], seen: set[Path]) -> Iterator[str]:
    """Gives regular files below a folder and links to folders, but never goes in a circle."""
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        problems.append(f"{folder}: cannot be searched ({error.strerror}); check its rights")
        return
    # macOS leaves a "._name.wav" that is no sound beside every file.
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in shown:
        if entry.is_file() or (entry.is_symlink() and not entry.is_dir()):
            yield str(folder / entry.name)
    for entry in shown:
        if entry.is_dir():
            yield from _walk(folder / entry.name, problems, seen)
