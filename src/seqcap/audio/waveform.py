"""Sound in: whatever a recording is kept in becomes 16-kHz mono float32 (Sec. VI-A).

A waveform has one axis, (samples,); frames as they are stored have two, (frames, channels). A
recording of any length flows through in pieces: `load_waveform` joins the pieces that
`waveform_blocks` passes on, so that a stream and a whole file cannot differ.
"""

from __future__ import annotations

import io
import math
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from seqcap.errors import AudioError, AudioWarning

SAMPLE_RATE_HZ = 16000
MINIMUM_DURATION_S = 0.04  # one Hann window, 640 samples

MINIMUM_SOURCE_RATE_HZ = 1_000
MAXIMUM_SOURCE_RATE_HZ = 768_000

Samples: TypeAlias = npt.NDArray[np.float32]
Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | tuple[npt.NDArray[Any], int]

# Choice: samples are read 30 s at a time whatever the blocks asked for, so that one path serves
# all; a shorter recording is read at once.
_PIECE_S = 30.0
# Choice: floating-point recordings may pass full scale; 24 dB above it they are unscaled integers.
_MAXIMUM_PEAK = 16.0
# Choice: half a step of 16 bit and less is silence: what a lossy format leaves of zeros.
_SILENCE_PEAK = 2.0**-16
# Choice: three samples in a row at full scale are cut off; a normalised recording touches it once.
# Single clicks do not change an emotion, so one clipped sample in a thousand is let through.
_CLIPPED_SHARE = 0.001
# Choice: an end may pass the recording's by a frame, since tables round.
_END_SLACK_S = 0.01
# Encoders disagree about the padding of the first and last frame of an MP3, 1,152 samples each.
_MP3_SLACK = 2 * 1152
# Programs that write WAV into a pipe put such sizes where they do not know better.
_UNKNOWN_WAV_SIZE = 0x7FFF0000

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

_READABLE = "WAV, FLAC, OGG (Vorbis, Opus) and MP3 can be read"
_CONVERT = "convert others with: ffmpeg -i INPUT out.wav"
_FETCH_AGAIN = "fetch it again, or keep what is left with: ffmpeg -i INPUT out.wav"


def load_waveform(
    source: Source, *, start_s: float = 0.0, end_s: float | None = None, name: str | None = None
) -> Samples:
    """Loads a recording, or a part of it, as a 16-kHz mono waveform.

    Channels are averaged and other sampling rates resampled (soxr, HQ). The part is cut out before
    resampling. Integers are scaled to [-1, 1]; floating-point samples are taken as they are.

    Args:
        source: path, content of a file, open binary file (read from its beginning, left open), or
            an array with its sampling rate in Hz. An array has shape ``(samples,)`` or
            ``(samples, channels)``, int8, uint8, int16, int32 or floating point; one with more
            columns than rows is refused, it is most likely transposed. An array that already is a
            16-kHz mono float32 waveform is not copied.
        start_s: where the part begins, s, from 0 to below the duration.
        end_s: where the part ends, s; the end of the recording if None.
        name: what errors and warnings call the recording; the path, or ``<bytes>``,
            ``<file object>`` or ``<array>``, if None.

    Returns:
        The waveform, shape ``(samples,)``, at least 640 samples.

    Raises:
        AudioError: the recording is missing, empty, truncated, not audio, shorter than 0.04 s,
            contains NaN or infinity, or has a sampling rate outside 1 to 768 kHz; or the part does
            not lie inside it.

    Warns:
        AudioWarning: the waveform is digital silence, or more than 0.1 % of the samples are
            clipped (third or later in a row at full scale).

    Examples:
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
        >>> load_waveform((tone, 44100)).shape
        (16000,)
        >>> load_waveform((tone, 44100), start_s=0.25, end_s=0.75).shape
        (8000,)
    """
    blocks = list(_pieces(source, start_s, end_s, name))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def waveform_blocks(
    source: Source,
    block_s: float = 30.0,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    name: str | None = None,
) -> Iterator[Samples]:
    """Gives the waveform of `load_waveform` in blocks, the same samples bit for bit.

    Memory is bounded by the block, or 30 s if that is more, however long the recording. Nothing is
    opened or checked before the first block is asked for. What is wrong with the source as a whole
    or with its first 30 s, too short included, is raised in place of the first block; what is
    wrong further on (NaN, a damaged or truncated FLAC or MP3) when it is reached; silence and
    clipping are judged over the whole part, so their warnings come with the last block.

    Args:
        source: as in `load_waveform`.
        block_s: duration of each block but the last, s, at least 0.04.
        start_s: as in `load_waveform`.
        end_s: as in `load_waveform`.
        name: as in `load_waveform`.

    Yields:
        Blocks of shape ``(block_s * 16000,)``; the last one may be shorter.

    Raises:
        AudioError: as `load_waveform`, or `block_s` is too small.

    Examples:
        >>> noise = np.random.default_rng(0).uniform(-0.5, 0.5, 40000)
        >>> [len(block) for block in waveform_blocks((noise, 16000), block_s=1.0)]
        [16000, 16000, 8000]
    """
    if not MINIMUM_DURATION_S <= block_s < math.inf:
        raise AudioError(f"blocks of {block_s} s; at least {MINIMUM_DURATION_S} s is needed")
    block_length = round(block_s * SAMPLE_RATE_HZ)
    waiting = np.empty(0, np.float32)
    for piece in _pieces(source, start_s, end_s, name):
        waiting = np.concatenate((waiting, piece)) if len(waiting) else piece
        # The last full block waits too, so that warnings come before it.
        while len(waiting) > block_length:
            yield waiting[:block_length]
            waiting = waiting[block_length:]
    yield waiting


def duration_s(source: Source, *, name: str | None = None) -> float:
    """Tells how long a recording is, from its header where that says it.

    Args:
        source: as in `load_waveform`.
        name: as in `load_waveform`.

    Returns:
        Duration in s; 0 for a recording without samples.

    Raises:
        AudioError: the source cannot be opened; its samples are not looked at.

    Examples:
        >>> duration_s((np.zeros(8000, np.int16), 16000))
        0.5
    """
    with _opened(source, name) as recording:
        frame_count = recording.frame_count
        if frame_count is None:
            frame_count = _skip(recording, math.inf)
        return frame_count / recording.rate_hz


def _pieces(
    source: Source, start_s: float, end_s: float | None, name: str | None
) -> Iterator[Samples]:
    """Gives the waveform in the pieces it is read in, never an empty one."""
    with _opened(source, name) as recording:
        judgement = _Judgement(recording)
        resampler = None
        if recording.rate_hz != SAMPLE_RATE_HZ:
            resampler = soxr.ResampleStream(recording.rate_hz, SAMPLE_RATE_HZ, 1, quality="HQ")
        sample_count = 0
        for frames in _frames(recording, start_s, end_s):
            piece = _mono(frames)
            judgement.add(frames, piece, start_s)
            if resampler is not None:
                piece = resampler.resample_chunk(piece)
            sample_count += len(piece)
            if len(piece):
                yield piece
        if resampler is not None:
            piece = resampler.resample_chunk(np.empty(0, np.float32), last=True)
            sample_count += len(piece)
            if len(piece):
                yield piece
        if sample_count < round(MINIMUM_DURATION_S * SAMPLE_RATE_HZ):
            hundredths = 100 * sample_count // SAMPLE_RATE_HZ  # never rounded up to the minimum
            raise AudioError(
                f"{recording.name}: {hundredths / 100:.2f} s of audio;"
                f" at least {MINIMUM_DURATION_S} s is needed"
            )
        judgement.warn()


class _Recording(Protocol):
    """An open source; `read` gives the next frames and fewer only at the end."""

    name: str
    rate_hz: float
    frame_count: int | None  # None if the header does not say
    full_scale: float

    def read(self, frame_count: int) -> Samples: ...  # (frames, channels)

    def seek(self, frame: int) -> int: ...  # the frame reached, the end at most


class _ArrayRecording:
    """An array with its sampling rate, read like a file."""

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
        self.rate_hz = _checked_rate(source[1], name)
        self.frame_count: int | None = len(samples)
        self.full_scale = 127 / 128 if samples.dtype.itemsize == 1 else _FULL_SCALE_16_BIT
        self._zero, self._step = _INTEGERS.get(kind, (0.0, 1.0))
        self._samples = samples
        self._position = 0

    def read(self, frame_count: int) -> Samples:
        chunk = self._samples[self._position : self._position + frame_count]
        self._position += len(chunk)
        if chunk.dtype.kind == "f":
            return chunk.astype(np.float32, copy=False)
        return (chunk.astype(np.float32) - np.float32(self._zero)) * np.float32(self._step)

    def seek(self, frame: int) -> int:
        self._position = frame
        return frame


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile ships no types
    """A sound file that is read straight on.

    After each read soundfile seeks to where it is, if the file lets it: in a compressed one that
    costs time and last bits, and in a FLAC stream of unknown length it fails.
    """

    def seekable(self) -> bool:
        return False


class _FileRecording:
    """A sound file."""

    def __init__(self, file: _SequentialFile, name: str) -> None:
        self.name = name
        self.rate_hz = _checked_rate(file.samplerate, name)
        self.frame_count = file.frames if file.frames < _UNKNOWN_FRAME_COUNT else None
        self.full_scale = _FULL_SCALE.get(file.subtype, _FULL_SCALE_16_BIT)
        self._file = file
        self._slack = _MP3_SLACK if file.format == "MP3" else 0
        self._position = 0

    def read(self, frame_count: int) -> Samples:
        promised = frame_count
        if self.frame_count is not None:
            promised = min(frame_count, self.frame_count - self._position)
        try:
            frames: Samples = self._file.read(promised, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise self._truncated() from error
        self._position += len(frames)
        if self.frame_count is not None and len(frames) < promised - self._slack:
            raise self._truncated()
        return frames

    def seek(self, frame: int) -> int:
        # An MP3 entered in its middle starts with a wrong frame: it lacks the bits kept before it.
        by_reading = self._file.format == "MP3" or not soundfile.SoundFile.seekable(self._file)
        if by_reading or self.frame_count is None:
            return _skip(self, frame)
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
            f"{self.name}: truncated or damaged after {after_s:.2f} s{promise}; {_FETCH_AGAIN}"
        )


@contextmanager
def _opened(source: Source, name: str | None) -> Iterator[_Recording]:
    """Opens a source and closes what it opened, not what it was given."""
    if isinstance(source, tuple):
        yield _ArrayRecording(source, name or "<array>")
        return
    with ExitStack() as stack:
        if isinstance(source, (str, os.PathLike)):
            name = name or os.fsdecode(source)
            file = stack.enter_context(_file_at(os.fsdecode(source), name))
        elif isinstance(source, (bytes, bytearray, memoryview)):
            name = name or "<bytes>"
            file = io.BytesIO(source)
        elif hasattr(source, "read"):
            name = name or "<file object>"
            file = source
        else:
            raise AudioError(
                f"{name or '<source>'}: a {type(source).__name__}; a path, bytes, a binary file or"
                " (array, rate) is expected"
            )
        file = _rewound(file, name)
        start = file.read(4)
        if not start:
            raise AudioError(f"{name}: empty (0 bytes); a recording is expected, fetch it again")
        _check_whole(file, start, name)
        file.seek(0)
        try:
            sound = stack.enter_context(_SequentialFile(_faster(source, file, start)))
        except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: named *.raw
            reason = getattr(error, "error_string", "no header").rstrip(".")
            raise AudioError(
                f"{name}: not a sound file that can be read ({reason}); {_READABLE}, {_CONVERT}"
            ) from error
        yield _FileRecording(sound, name)


def _faster(source: Source, file: BinaryIO, start: bytes) -> BinaryIO | str:
    """Gives the path in place of its open file where libsndfile would see the same in both.

    Choice: content decides, never the ending. Given a path libsndfile takes any "*.mp3" for one,
    so only clear content goes there, which is read twice as fast without calls into Python.
    """
    if not isinstance(source, (str, os.PathLike)) or isinstance(file, io.BytesIO):
        return file
    path = os.fsdecode(source)
    clear = start in (b"RIFF", b"fLaC", b"OggS") and not path.lower().endswith(".mp3")
    return path if clear else file


def _file_at(path: str, name: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except IsADirectoryError:
        raise AudioError(f"{name}: a folder; one recording is expected, name its files") from None
    except (FileNotFoundError, ValueError):  # ValueError: a null character in the path
        raise AudioError(f"{name}: no such file; check the path") from None
    except OSError as error:
        raise AudioError(f"{name}: cannot be opened ({error.strerror}); check its rights") from None


def _rewound(file: BinaryIO, name: str) -> BinaryIO:
    """Goes to the beginning, by way of memory where a file (a pipe, a download) cannot go back."""
    if not isinstance(file.read(0), bytes):
        raise AudioError(f"{name}: a file opened as text; open it as binary, mode 'rb'")
    if not file.seekable():
        return io.BytesIO(file.read())
    file.seek(0)
    return file


def _check_whole(file: BinaryIO, start: bytes, name: str) -> None:
    """Refuses a truncated WAV or OGG, which libsndfile would shorten without a word."""
    missing = 0
    if start in (b"RIFF", b"RIFX", b"RF64"):
        missing = _missing_from_wav(file, start)
    elif start == b"OggS":
        missing = _missing_from_ogg(file)
    if missing > 0:
        raise AudioError(f"{name}: truncated, its last {missing} bytes are missing; {_FETCH_AGAIN}")


def _missing_from_wav(file: BinaryIO, start: bytes) -> int:
    """Counts the bytes that the data chunk promises beyond the end of the file."""
    order = ">" if start == b"RIFX" else "<"
    end = file.seek(0, os.SEEK_END)
    position = 12
    size_64 = _UNKNOWN_WAV_SIZE
    while True:
        file.seek(position)
        header = file.read(24)
        if len(header) < 8:
            return 0  # no data chunk at all: libsndfile says so
        size = int(struct.unpack_from(order + "I", header, 4)[0])
        if header[:4] == b"ds64" and len(header) == 24:
            size_64 = int(struct.unpack_from("<Q", header, 16)[0])
        if header[:4] == b"data":
            if size == 0xFFFFFFFF and start == b"RF64":
                size = size_64
            elif size >= _UNKNOWN_WAV_SIZE:
                return 0
            return max(0, position + 8 + size - end)
        position += 8 + size + size % 2


def _missing_from_ogg(file: BinaryIO) -> int:
    """Counts the bytes that the last page promises beyond the end of the file."""
    end = file.seek(0, os.SEEK_END)
    tail_start = max(0, end - 2 * 65307)  # two pages of the largest size
    file.seek(tail_start)
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS\0")) :]
    if len(page) < 27:
        return 27 - len(page)
    segment_count = page[26]
    segments = page[27 : 27 + segment_count]
    return max(0, 27 + segment_count + sum(segments) - len(page))


def _checked_rate(rate_hz: Any, name: str) -> float:
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


def _skip(recording: _Recording, frame_count: float) -> int:
    """Reads past frames, as many as there are; returns their number."""
    skipped = 0
    while skipped < frame_count:
        wanted = int(min(frame_count - skipped, _PIECE_S * recording.rate_hz))
        got = len(recording.read(wanted))
        skipped += got
        if got < wanted:
            break
    return skipped


def _frames(recording: _Recording, start_s: float, end_s: float | None) -> Iterator[Samples]:
    """Gives the frames from start to end, (frames, channels), in pieces of `_PIECE_S`."""
    name, rate_hz = recording.name, recording.rate_hz
    last_s = math.inf if end_s is None else end_s
    if not 0 <= start_s < last_s or (end_s is not None and not math.isfinite(end_s)):
        raise AudioError(
            f"{name}: a part from {start_s} s to {'the end' if end_s is None else f'{end_s} s'};"
            " 0 <= start < end is expected"
        )
    if recording.frame_count is not None:
        _check_inside(recording, recording.frame_count, start_s, last_s)
    start = round(start_s * rate_hz)
    position = recording.seek(start) if start else 0
    end = math.inf if end_s is None else round(end_s * rate_hz)
    while position < end:
        wanted = int(min(end - position, _PIECE_S * rate_hz))
        frames = recording.read(wanted)
        position += len(frames)
        yield frames
        if len(frames) < wanted:
            break
    if recording.frame_count is None:
        _check_inside(recording, position, start_s, last_s)


def _check_inside(recording: _Recording, frame_count: int, start_s: float, end_s: float) -> None:
    """Refuses a part that begins or ends outside the recording; (0, inf) is never outside."""
    duration_s = frame_count / recording.rate_hz
    outside = f"{recording.name}: {duration_s:.2f} s long; a part"
    if start_s > 0 and start_s >= duration_s:
        raise AudioError(f"{outside} from {start_s} s begins behind its end, check the start")
    if math.isfinite(end_s) and end_s > duration_s + _END_SLACK_S:
        raise AudioError(f"{outside} to {end_s} s ends behind its end, check the end")


def _mono(frames: Samples) -> Samples:
    """Averages channels, (frames, channels) to (frames,)."""
    channel_count = frames.shape[1]
    if channel_count == 1:
        return np.ascontiguousarray(frames[:, 0])
    # Channel by channel: ten times faster than a mean over an axis of two.
    total = frames[:, 0] + frames[:, 1]
    for channel in range(2, channel_count):
        total += frames[:, channel]
    total /= channel_count
    return total


class _Judgement:
    """What is remembered of the pieces, to refuse or to doubt a recording."""

    def __init__(self, recording: _Recording) -> None:
        self._recording = recording
        self._frame_count = 0
        self._sample_count = 0
        self._clipped_count = 0
        self._peak = 0.0  # of all channels
        self._mono_peak = 0.0
        self._before = np.zeros((2, 1), bool)  # were the last two frames at full scale?

    def add(self, frames: Samples, mono: Samples, start_s: float) -> None:
        """Looks at the next frames, (frames, channels), and at their average, (frames,)."""
        if not len(frames):
            return
        peak = _peak(frames)
        if not math.isfinite(peak):
            first = int(np.argmin(np.isfinite(frames).all(axis=1)))
            at_s = start_s + (self._frame_count + first) / self._recording.rate_hz
            raise AudioError(
                f"{self._recording.name}: NaN or infinite samples, the first at {at_s:.2f} s;"
                " finite ones are expected, repair or cut them"
            )
        if peak > _MAXIMUM_PEAK:
            raise AudioError(
                f"{self._recording.name}: samples as large as {peak:.6g}; floating-point samples in"
                " [-1, 1] are expected, divide 16-bit values by 32768"
            )
        self._frame_count += len(frames)
        self._sample_count += frames.size
        self._peak = max(self._peak, peak)
        self._mono_peak = max(self._mono_peak, peak if frames.shape[1] == 1 else _peak(mono))
        if peak < self._recording.full_scale:
            self._before = np.zeros((2, 1), bool)
            return
        before = np.broadcast_to(self._before, (2, frames.shape[1]))
        full = np.concatenate((before, np.abs(frames) >= self._recording.full_scale))
        self._clipped_count += int(np.count_nonzero(full[2:] & full[1:-1] & full[:-2]))
        self._before = full[-2:]

    def warn(self) -> None:
        """Warns of silence or of clipping, once all pieces have been added."""
        name = self._recording.name
        if self._mono_peak <= _SILENCE_PEAK:
            reason = "digital silence" if self._peak <= _SILENCE_PEAK else "its channels cancel out"
            text = f"{name}: {reason}; speech is expected, its emotions would mean nothing"
            warnings.warn(text, AudioWarning, stacklevel=2)
        clipped_share = self._clipped_count / self._sample_count
        if clipped_share > _CLIPPED_SHARE:
            text = (
                f"{name}: {100 * clipped_share:.1f} % of the samples are clipped; record at a lower"
                " level, its emotions are less certain"
            )
            warnings.warn(text, AudioWarning, stacklevel=2)


def _peak(samples: Samples) -> float:
    with np.errstate(invalid="ignore"):  # NaN is what we look for
        return max(float(samples.max()), -float(samples.min()))
