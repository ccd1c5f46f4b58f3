"""Sound in: whatever a recording is kept in becomes 16-kHz mono float32 (Sec. VI-A).

A waveform has one axis, ``(sample,)``; frames as they are stored have two, ``(frame, channel)``. A
recording of any length flows through in pieces: `load_waveform` joins the pieces that
`waveform_blocks` passes on, so that a stream and a whole file cannot differ.
"""

import math
from collections.abc import Iterator

import numpy as np
import soxr

from seqcap.audio.checks import SignalChecker
from seqcap.audio.recording import PIECE_S, Recording, Samples, skip_frames
from seqcap.audio.source import Source, opened
from seqcap.errors import AudioError

SAMPLE_RATE_HZ = 16000
MINIMUM_DURATION_S = 0.04  # one Hann window, 640 samples

# Choice: an end may pass the recording's by a frame, since tables round.
_END_SLACK_S = 0.01


def load_waveform(
    source: Source, *, start_s: float = 0.0, end_s: float | None = None, name: str | None = None
) -> Samples:
    """Loads a recording, or a part of it, as a 16-kHz mono waveform.

    Channels are averaged and other sampling rates resampled (soxr, HQ). The part is cut out before
    resampling. Integers are scaled to [-1, 1]; floating-point samples are taken as they are.

    Args:
        source: Path, content of a file, open binary file (read from its beginning, left open), or
            an array with its sampling rate in Hz. An array has shape ``(samples,)`` or
            ``(samples, channels)``, int8, uint8, int16, int32 or floating point; one with more
            columns than rows is refused, it is most likely transposed. An array that already is a
            16-kHz mono float32 waveform is not copied.
        start_s: Where the part begins, s, from 0 to below the duration.
        end_s: Where the part ends, s; the end of the recording if None.
        name: What errors and warnings call the recording; as `source_name` says if None.

    Returns:
        The waveform, shape ``(samples,)``, at least 640 samples.

    Raises:
        AudioError: The recording is missing, empty, truncated, not audio, shorter than 0.04 s,
            contains NaN or infinity, or has a sampling rate outside 1 to 768 kHz; or the part does
            not lie inside it.

    Warns:
        AudioWarning: The waveform is digital silence, or more than 0.1 % of the samples are
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
    warn: bool = True,
) -> Iterator[Samples]:
    """Gives the waveform of `load_waveform` in blocks, the same samples bit for bit.

    Memory is bounded by the block, or 30 s if that is more, however long the recording. Nothing is
    opened or checked before the first block is asked for. What is wrong with the source as a whole
    or with its first 30 s, too short included, is raised in place of the first block; what is
    wrong further on (NaN, a damaged or truncated FLAC or MP3) when it is reached; silence and
    clipping are judged over the whole part, so their warnings come with the last block.

    Args:
        source: As in `load_waveform`.
        block_s: Duration of each block but the last, s, at least 0.04.
        start_s: As in `load_waveform`.
        end_s: As in `load_waveform`.
        name: As in `load_waveform`.
        warn: Whether to warn; not when a recording is read a second time.

    Yields:
        Blocks of shape ``(block_s * 16000,)``; the last one may be shorter.

    Raises:
        AudioError: As `load_waveform`, or `block_s` is too small.

    Examples:
        >>> noise = np.random.default_rng(0).uniform(-0.5, 0.5, 40000)
        >>> [len(block) for block in waveform_blocks((noise, 16000), block_s=1.0)]
        [16000, 16000, 8000]
    """
    if not MINIMUM_DURATION_S <= block_s < math.inf:
        raise AudioError(f"blocks of {block_s} s; at least {MINIMUM_DURATION_S} s is needed")
    block_length = round(block_s * SAMPLE_RATE_HZ)
    waiting = np.empty(0, np.float32)
    for piece in _pieces(source, start_s, end_s, name, warn):
        waiting = np.concatenate((waiting, piece)) if len(waiting) else piece
        # The last full block waits too, so that warnings come before it.
        while len(waiting) > block_length:
            yield waiting[:block_length]
            waiting = waiting[block_length:]
    yield waiting


def duration_s(source: Source, *, name: str | None = None) -> float:
    """Tells how long a recording is, from its header where that says it.

    Args:
        source: As in `load_waveform`.
        name: As in `load_waveform`.

    Returns:
        Duration in s; 0 for a recording without samples.

    Raises:
        AudioError: The source cannot be opened; its samples are not looked at.

    Examples:
        >>> duration_s((np.zeros(8000, np.int16), 16000))
        0.5
    """
    with opened(source, name) as recording:
        frame_count = recording.frame_count
        if frame_count is None:
            frame_count = skip_frames(recording, math.inf)
        return frame_count / recording.rate_hz


def _pieces(
    source: Source, start_s: float, end_s: float | None, name: str | None, warn: bool = True
) -> Iterator[Samples]:
    """Gives the waveform in the pieces it is read in, never an empty one."""
    with opened(source, name) as recording:
        checker = SignalChecker(recording)
        resampler = None
        if recording.rate_hz != SAMPLE_RATE_HZ:
            resampler = soxr.ResampleStream(recording.rate_hz, SAMPLE_RATE_HZ, 1, quality="HQ")
        sample_count = 0
        for frames in _frames(recording, start_s, end_s):
            piece = _mono(frames)
            checker.add(frames, piece, start_s)
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
        if warn:
            checker.warn()


def _frames(recording: Recording, start_s: float, end_s: float | None) -> Iterator[Samples]:
    """Gives the frames from start to end, (frames, channels), in pieces of `PIECE_S`."""
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
        wanted = int(min(end - position, PIECE_S * rate_hz))
        frames = recording.read(wanted)
        position += len(frames)
        yield frames
        if len(frames) < wanted:
            break
    if recording.frame_count is None:
        _check_inside(recording, position, start_s, last_s)


def _check_inside(recording: Recording, frame_count: int, start_s: float, end_s: float) -> None:
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
