"""A recording being read: frames in order, ``(frame, channel)``, float32.

Sampling rates out of range and files that end before their header says are refused here.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from seqcap.audio.issues import IssueKind
from seqcap.audio.truncation import FETCH_AGAIN
from seqcap.errors import AudioError

MINIMUM_SOURCE_RATE_HZ = 1_000
MAXIMUM_SOURCE_RATE_HZ = 768_000

Samples: TypeAlias = npt.NDArray[np.float32]

# Choice: samples are read 30 s at a time whatever the size of the blocks, so that one path serves
# all; a shorter recording is read at once. Of many channels or high rates less is read at a time.
READ_CHUNK_S = 30.0
_READ_CHUNK_VALUES = 2**24  # 64 MB
# What libsndfile reads at once. A header of 100 bytes may promise 4 GB: memory follows what
# is there, not what is promised.
_SHORT_READ_VALUES = 2**18
_FLAC_READ_VALUES = 2**12
# Encoders disagree about the padding of the first and last frame of an MP3, 1,152 samples each.
_MP3_SLACK = 2 * 1152

# (kind, bytes) -> (zero, step), as libsndfile has them: an array and its file are one waveform.
_INTEGERS = {
    ("i", 1): (0.0, 2.0**-7),
    ("u", 1): (128.0, 2.0**-7),
    ("i", 2): (0.0, 2.0**-15),
    ("i", 4): (0.0, 2.0**-31),
}
# The largest sample of a format; 16 bits stand for all the finer ones.
_FULL_SCALE = {
    "PCM_U8": 127 / 128,
    "PCM_S8": 127 / 128,
    "ULAW": 32124 / 32768,
    "ALAW": 32256 / 32768,
}
_FULL_SCALE_16_BIT = 32767 / 32768

# libsndfile says this or more of a stream that does not tell its length.
_UNKNOWN_FRAME_COUNT = 2**62


class Recording(Protocol):
    """An open source; `read` gives the next frames and fewer only at the end.

    Attributes:
        name: What errors call it.
        rate_hz: Sampling rate.
        frame_count: None if the header does not say.
        channel_count: How many channels it has.
        full_scale: The largest sample of its format.
        issues: What was noticed while it was opened or decoded.
    """

    name: str
    rate_hz: float
    frame_count: int | None
    channel_count: int
    full_scale: float
    issues: list[tuple[IssueKind, str]]

    def read(self, frame_count: int) -> Samples:
        """Reads the next frames, shape ``(frame, channel)``.

        Args:
            frame_count: Frames at most.
        """

    def seek(self, frame: int) -> int:
        """Goes to a frame; gives the one that was reached, the end at most.

        Args:
            frame: Its number, from 0.
        """


class ArrayRecording:
    """An array with its sampling rate, read like a file.

    Args:
        source: The array, ``(sample,)`` or ``(sample, channel)``, and its sampling rate in Hz.
        name: Name for errors.

    Raises:
        AudioError: It is no array of samples with a usable rate.
    """

    def __init__(self, source: tuple[Any, ...], name: str) -> None:
        if len(source) != 2 or isinstance(source[0], (int, float, np.number)):
            raise AudioError(f"{name}: a tuple that is not (array, rate); give the array first")
        try:
            samples = np.asarray(source[0])
        except ValueError as error:
            raise AudioError(f"{name}: not an array of samples ({error})") from None
        kind = (samples.dtype.kind, samples.dtype.itemsize)
        if samples.dtype.kind != "f" and kind not in _INTEGERS:
            raise AudioError(
                f"{name}: {samples.dtype} samples; int8, uint8, int16, int32 or floating point in"
                " [-1, 1] is expected, convert them"
            )
        if samples.ndim == 1:
            samples = samples[:, np.newaxis]
        if samples.ndim != 2 or 0 < samples.shape[0] < samples.shape[1]:
            raise AudioError(
                f"{name}: an array of shape {samples.shape}; (samples,) or (samples, channels) is"
                " expected, transpose it"
            )
        self.name = name
        self.issues: list[tuple[IssueKind, str]] = []
        self.rate_hz = checked_rate(source[1], name)
        self.frame_count: int | None = len(samples)
        self.channel_count = samples.shape[1]
        self.full_scale = 127 / 128 if samples.dtype.itemsize == 1 else _FULL_SCALE_16_BIT
        self._zero, self._step = _INTEGERS.get(kind, (0.0, 1.0))
        self._samples = samples
        self._position = 0

    def read(self, frame_count: int) -> Samples:
        """Reads the next frames, shape ``(frame, channel)``.

        Args:
            frame_count: Frames at most.
        """
        chunk = self._samples[self._position : self._position + frame_count]
        self._position += len(chunk)
        if chunk.dtype.kind == "f":
            return chunk.astype(np.float32, copy=False)
        return (chunk.astype(np.float32) - np.float32(self._zero)) * np.float32(self._step)

    def seek(self, frame: int) -> int:
        """Goes to a frame.

        Args:
            frame: Its number, from 0.
        """
        self._position = frame
        return frame


class SequentialFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile ships no types
    """A sound file that is read straight on.

    After each read soundfile seeks to where it is, if the file lets it: in a compressed one that
    costs time and last bits, and in a FLAC stream of unknown length it fails.
    """

    def seekable(self) -> bool:
        """Says no."""
        return False


class FileRecording:
    """A sound file.

    Args:
        file: As libsndfile opened it.
        name: What errors call it.
        issues: What was noticed while it was opened.
    """

    def __init__(
        self, file: SequentialFile, name: str, issues: Iterable[tuple[IssueKind, str]] = ()
    ) -> None:
        self.name = name
        self.issues = list(issues)
        self.rate_hz = checked_rate(file.samplerate, name)
        self.channel_count: int = file.channels
        self.frame_count = file.frames if file.frames < _UNKNOWN_FRAME_COUNT else None
        self.full_scale = _FULL_SCALE.get(file.subtype, _FULL_SCALE_16_BIT)
        self._file = file
        # Where a FLAC is damaged shows in the part that was read.
        self._short_read = _FLAC_READ_VALUES if file.format == "FLAC" else _SHORT_READ_VALUES
        self._slack = _MP3_SLACK if file.subtype.startswith("MPEG") else 0
        self._position = 0

    def read(self, frame_count: int) -> Samples:
        """Reads the next frames, shape ``(frame, channel)``.

        Args:
            frame_count: Frames at most.
        """
        promised = frame_count
        if self.frame_count is not None:
            promised = min(frame_count, self.frame_count - self._position)
        chunks = []
        left = promised
        while left > 0:
            wanted = min(left, max(1, self._short_read // self.channel_count))
            chunk = self._read_short(wanted)
            chunks.append(chunk)
            left -= len(chunk)
            if len(chunk) < wanted:
                break
        if self.frame_count is not None and left > self._slack:
            raise self._truncated()
        if len(chunks) == 1:
            return chunks[0]
        empty = np.empty((0, self.channel_count), np.float32)
        return np.concatenate(chunks) if chunks else empty

    def _read_short(self, frame_count: int) -> Samples:
        try:
            frames: Samples = self._file.read(frame_count, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise self._truncated() from error
        self._position += len(frames)
        return frames

    def seek(self, frame: int) -> int:
        """Goes to a frame.

        Args:
            frame: Its number, from 0.
        """
        # An MP3 entered in its middle starts with a wrong frame: it lacks the bits kept before it.
        by_reading = self._slack or not soundfile.SoundFile.seekable(self._file)
        if by_reading or self.frame_count is None:
            return skip_frames(self, frame)
        try:
            self._position = self._file.seek(frame)
        except soundfile.LibsndfileError as error:
            raise self._truncated() from error
        return self._position

    def _truncated(self) -> AudioError:
        after_s = self._position / self.rate_hz
        if self.frame_count is None:
            promise = ""
        else:
            promise = f" of the {self.frame_count / self.rate_hz:.2f} s that its header promises"
        return AudioError(
            f"{self.name}: truncated or damaged after {after_s:.2f} s{promise}; {FETCH_AGAIN}"
        )


class JoinedRecording:
    """Several recordings of one kind, read as one: the links of a chained file.

    Args:
        parts: The recordings in order, at least one.

    Raises:
        AudioError: Their sampling rates or channels differ.
    """

    def __init__(self, parts: Sequence[FileRecording]) -> None:
        first = parts[0]
        for number, part in enumerate(parts[1:], 2):
            if (part.rate_hz, part.channel_count) != (first.rate_hz, first.channel_count):
                raise AudioError(
                    f"{first.name}: several recordings in one file, of other kinds: part 1 has"
                    f" {first.channel_count} channels at {first.rate_hz:g} Hz, part {number}"
                    f" {part.channel_count} at {part.rate_hz:g} Hz; split it"
                )
        self.name = first.name
        self.rate_hz = first.rate_hz
        self.channel_count = first.channel_count
        self.full_scale = first.full_scale
        self.issues = first.issues
        counts = [part.frame_count for part in parts]
        self.frame_count = None if None in counts else sum(count or 0 for count in counts)
        self._parts = list(parts)

    def read(self, frame_count: int) -> Samples:
        """Reads the next frames, shape ``(frame, channel)``.

        Args:
            frame_count: Frames at most.
        """
        chunks = [self._parts[0].read(frame_count)]
        while sum(map(len, chunks)) < frame_count and len(self._parts) > 1:
            del self._parts[0]
            chunks.append(self._parts[0].read(frame_count - sum(map(len, chunks))))
        return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)

    def seek(self, frame: int) -> int:
        """Reads on to a frame.

        Args:
            frame: Its number, from 0.
        """
        return skip_frames(self, frame)


def checked_rate(rate_hz: Any, name: str) -> float:
    """Gives a sampling rate in Hz, or refuses it.

    Args:
        rate_hz: Anything.
        name: Of the recording, for errors.
    """
    try:
        rate = float(rate_hz)
    except (TypeError, ValueError):
        rate = math.nan
    if not MINIMUM_SOURCE_RATE_HZ <= rate <= MAXIMUM_SOURCE_RATE_HZ:
        raise AudioError(
            f"{name}: a sampling rate of {rate_hz} Hz; {MINIMUM_SOURCE_RATE_HZ} to"
            f" {MAXIMUM_SOURCE_RATE_HZ} Hz is expected"
        )
    return rate


def read_chunk_frames(recording: Recording) -> int:
    """How many frames are read at a time.

    Args:
        recording: Tells its sampling rate and channels.
    """
    of_time = READ_CHUNK_S * recording.rate_hz
    return int(max(1, min(of_time, _READ_CHUNK_VALUES / recording.channel_count)))


def skip_frames(recording: Recording, frame_count: float) -> int:
    """Reads past frames, as many as there are; returns their number.

    Args:
        recording: Is read on.
        frame_count: Frames at most; may be infinite.
    """
    skipped = 0
    while skipped < frame_count:
        wanted = int(min(frame_count - skipped, READ_CHUNK_S * recording.rate_hz))
        got = len(recording.read(wanted))
        skipped += got
        if got < wanted:
            break
    return skipped
