"""What a recording is: how long, silent or not, and one number for how it sounds.

Choice: two recordings are the same when their waveforms are, as systems read them (16 kHz, mono),
bit for bit. The bytes of a file are no measure: the same recording as WAV and as FLAC, in one
channel or two, or under another title in its header, has other bytes. Fingerprints that see
through another sampling rate or noise are no measure either: they find two takes of one sentence
alike too, acted corpora are full of those, and a check that cries wolf is switched off.
"""

import functools
import hashlib
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from seqcap.audio.waveform import SAMPLE_RATE_HZ, duration_s, waveform_blocks
from seqcap.errors import AudioError, AudioWarning

_SILENCE_PEAK = 2.0**-16  # half a step of 16 bit


@dataclass(frozen=True)
class AudioInfo:
    """Facts about a decoded recording.

    Attributes:
        duration_s: length in seconds.
        audio_hash: SHA-256 of its waveform; equal in every lossless format.
        silent: no sample is louder than half a step of 16 bit.
    """

    duration_s: float
    audio_hash: str
    silent: bool


def probe_audio(file: str | os.PathLike[str]) -> AudioInfo:
    """Decodes a recording; again only after the file has changed.

    Args:
        file: Its path.

    Raises:
        AudioError: it cannot be used: missing, truncated, no sound, shorter than 0.04 s.

    Example:
        >>> import soundfile, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     soundfile.write(f"{folder}/a.wav", np.ones(8000) / 2, 16000)
        ...     soundfile.write(f"{folder}/b.flac", np.ones((8000, 2)) / 2, 16000)
        ...     wav, flac = probe_audio(f"{folder}/a.wav"), probe_audio(f"{folder}/b.flac")
        >>> wav.duration_s, wav == flac
        (0.5, True)
    """
    try:
        status = Path(file).stat()
    except OSError:
        raise AudioError(f"{file}: no such file; check the path") from None
    return _probe_audio(str(file), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1 << 18)
def _probe_audio(file: str, size: int, mtime_ns: int) -> AudioInfo:
    digest = hashlib.sha256()
    sample_count = 0
    peak = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)  # silence is reported, clipping is no fault
        for block in waveform_blocks(file):
            digest.update(block.tobytes())
            sample_count += len(block)
            peak = max(peak, float(np.abs(block).max()))
    return AudioInfo(sample_count / SAMPLE_RATE_HZ, digest.hexdigest(), peak <= _SILENCE_PEAK)


def probe_all_audio(files: Iterable[str]) -> tuple[dict[str, AudioInfo], dict[str, str]]:
    """Decodes many recordings; gives those that can be used, and why the others cannot.

    Args:
        files: Their paths.

    Example:
        >>> probe_all_audio(["/absent.wav"])
        ({}, {'/absent.wav': '/absent.wav: no such file; check the path'})
    """
    sounds: dict[str, AudioInfo] = {}
    faults: dict[str, str] = {}
    for file in files:
        try:
            sounds[file] = probe_audio(file)
        except AudioError as error:
            faults[file] = str(error)
    return sounds, faults


def durations_s(table: pd.DataFrame) -> "pd.Series[float]":
    """Gives the duration of each row's part of a recording, from the file headers.

    Args:
        table: As `read_table` gives it; columns file, start and end.

    Returns:
        Seconds, on the table's index; NaN if the file is missing or no audio.

    Example:
        >>> table = pd.DataFrame({"file": ["a.wav", "absent"], "start": 1.0, "end": [2.5, np.nan]})
        >>> durations_s(table).tolist()
        [1.5, nan]
    """
    ends = table["end"].astype(float)
    whole = {file: _duration_s(file) for file in table["file"][ends.isna()].unique()}
    return ends.fillna(table["file"].map(whole).astype(float)) - table["start"]


def unique_files(table: pd.DataFrame) -> list[str]:
    """Lists the files of a table, each once, in order of appearance.

    Args:
        table: With a column `file`.
    """
    return [file for file in dict.fromkeys(table["file"]) if file]


def _duration_s(file: str) -> float:
    try:
        return duration_s(file)
    except AudioError:
        return float("nan")
