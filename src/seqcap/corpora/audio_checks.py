"""Checks of the recordings of a corpus table; each is decoded from end to end."""

import os
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from seqcap.audio.waveform import MINIMUM_DURATION_S
from seqcap.corpora.audio_info import AudioInfo, probe_all_audio, unique_files
from seqcap.corpora.problems import FIRST_ROW, TOLERANCE_S, Problem, rows_where, said_differently
from seqcap.corpora.speakers import speaker_key


def audio_problems(
    rows: pd.DataFrame, track: Callable[[list[str]], Iterable[str]]
) -> Iterable[Problem]:
    """Finds recordings that cannot be used, times beyond their ends, and copies under two names.

    Args:
        rows: as `read_table` gives them, numbered from 0.
        track: goes through the files and may show progress.
    """
    first_row: dict[str, int] = {}
    for index, file in enumerate(rows["file"]):
        first_row.setdefault(file, index)
    present = [file for file in unique_files(rows) if os.path.isfile(file)]  # noqa: PTH113
    sounds, faults = probe_all_audio(track(present))
    for file, fault in faults.items():
        yield Problem(first_row[file] + FIRST_ROW, "unusable audio", fault)
    for file, sound in sounds.items():
        if sound.silent:
            yield Problem(first_row[file] + FIRST_ROW, "silent audio", f"{file}: only silence")
    yield from _time_problems(rows, sounds)
    yield from short_pieces(rows, sounds)
    yield from _sameaudio_problems(rows, sounds, first_row)


def short_pieces(rows: pd.DataFrame, sounds: dict[str, AudioInfo]) -> Iterable[Problem]:
    """Finds utterances that are too short for any system.

    Args:
        rows: as `read_table` gives them, numbered from 0.
        sounds: by file; rows of other files are passed over.
    """
    pieces = np.minimum(rows["end"].fillna(np.inf), _lengths_s(rows, sounds)) - rows["start"]
    # Reversed times are named elsewhere.
    for row in rows_where((pieces < MINIMUM_DURATION_S) & ~(rows["end"] <= rows["start"])):
        index = row - FIRST_ROW
        yield Problem(
            row,
            "too short",
            f"{rows['file'][index]}: {max(pieces[index], 0):.2f} s of audio; at least "
            f"{MINIMUM_DURATION_S} s is needed",
        )


def _time_problems(rows: pd.DataFrame, sounds: dict[str, AudioInfo]) -> Iterable[Problem]:
    lengths = _lengths_s(rows, sounds)
    for row in rows_where(rows["end"] > lengths + TOLERANCE_S):
        index = row - FIRST_ROW
        yield Problem(
            row,
            "time",
            f"end {rows['end'][index]:g} s is after the end of {rows['file'][index]}, "
            f"{lengths[index]:.2f} s",
        )


def _lengths_s(rows: pd.DataFrame, sounds: dict[str, AudioInfo]) -> "pd.Series[float]":
    return rows["file"].map({file: sound.duration_s for file, sound in sounds.items()})


def _sameaudio_problems(
    rows: pd.DataFrame, sounds: dict[str, AudioInfo], first_row: dict[str, int]
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
            said = said_differently(rows["emotion"][there], rows["emotion"][here])
            yield Problem(
                here + FIRST_ROW,
                "same audio" if same else "same audio, other speaker",
                f"{copy} sounds the same, sample by sample, as {first} of row {there + FIRST_ROW}"
                + ("" if same else f": speakers {speakers[0]!r} and {speakers[1]!r}")
                + said,
                # Choice: one person's recording that is there twice under one label, as in the
                # official RAVDESS, stays in one part of any fold: it cannot leak.
                is_note=same and not said,
            )
