"""Recordings named on the command line: files, folders, globs and standard input."""

import glob
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqcap.audio.formats import ENDINGS
from seqcap.audio.source import Source
from seqcap.audio.waveform import waveform_blocks
from seqcap.errors import AudioError, AudioWarning

STANDARD_INPUT = "-"


class _StandardInput(io.BytesIO):
    """What came by standard input, kept because a pipe cannot be read twice."""

    name = "<stdin>"


def find_recordings(paths: Sequence[str]) -> tuple[list[Source], list[str]]:
    """Finds the recordings that paths mean.

    Args:
        paths: Files, folders (searched to their depths for audio endings), patterns that the
            shell left as they are, or ``-`` for standard input.

    Returns:
        Recordings, each once, in the order of the paths, folders' in alphabetical order; and why
        a path means none.
    """
    found: dict[str, Source] = {}
    problems: list[str] = []
    for path in paths:
        try:
            if path == STANDARD_INPUT:
                found.setdefault(path, _standard_input())
            else:
                found.update((file, file) for file in _files(path, problems))
        except AudioError as error:
            problems.append(str(error))
    return list(found.values()), problems


def unreadable(source: Source) -> str | None:
    """Tells why a recording cannot be read, by its header and its first half minute.

    Returns:
        The reason in one line; None if nothing is wrong so far.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)  # comes when the recording is recognised
        try:
            next(waveform_blocks(source))
        except AudioError as error:
            return str(error)
    return None


def _standard_input() -> _StandardInput:
    if sys.stdin.isatty():
        raise AudioError(
            "-: standard input is a terminal; a recording is expected: "
            "seqcap predict - < speech.wav"
        )
    return _StandardInput(sys.stdin.buffer.read())


def _files(path: str, problems: list[str]) -> Iterator[str]:
    if Path(path).is_dir():
        yield from _files_below(path, problems)
    elif glob.has_magic(path) and not Path(path).exists():
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207  # also absolute patterns
        if not matches:
            raise AudioError(f"{path}: nothing has such a name; check the pattern")
        for match in matches:
            yield from _files_below(match, problems) if Path(match).is_dir() else [match]
    else:
        yield path


def _files_below(folder: str, problems: list[str]) -> Iterator[str]:
    files = [
        str(place / name)
        for place, names in _walk(Path(folder), problems, set())
        for name in names
        # macOS leaves a "._name.wav" that is no sound beside every file.
        if name.lower().endswith(ENDINGS) and not name.startswith(".")
    ]
    if not files:
        endings = ", ".join(ENDINGS)
        raise AudioError(f"{folder}: no recordings in this folder; looked for {endings}")
    yield from files


def _walk(folder: Path, problems: list[str], seen: set[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Goes through folders and links to folders, but never in a circle."""
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        problems.append(f"{folder}: cannot be searched ({error.strerror}); check its rights")
        return
    yield folder, [entry.name for entry in entries if not entry.is_dir()]
    for entry in entries:
        if entry.is_dir() and not entry.name.startswith("."):
            yield from _walk(folder / entry.name, problems, seen)
