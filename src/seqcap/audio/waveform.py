"""Any recording as a 16-kHz mono waveform of float32 (Sec. VI-A).

A waveform has one axis, ``(sample,)``; stored frames have two, ``(frame, channel)``. A recording is
read in chunks of up to 30 s. `load_waveform` joins the chunks that `waveform_blocks` passes on, so
a stream and a whole file cannot differ.
"""

import math
from collections.abc import Iterator

import numpy as np
import soxr

from seqcap.audio.channels import MIX, ChannelSelector
from seqcap.audio.checks import SignalChecker, warn_of
from seqcap.audio.issues import AudioIssue
from seqcap.audio.recording import Recording, Samples, read_chunk_frames, skip_frames
from seqcap.audio.source import Source, opened
from seqcap.errors import AudioError

SAMPLE_RATE_HZ = 16000
MINIMUM_DURATION_S = 0.04  # one Hann window, 640 samples

# Choice: an end may pass the recording's by a frame, since tables round.
_END_SLACK_S = 0.01


def load_waveform(
    source: Source,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    name: str | None = None,
    channel: str | int = MIX,
    issues: list[AudioIssue] | None = None,
) -> Samples:
    """Loads a recording, or a part of it, as a 16-kHz mono waveform.

    Channels are averaged, or one is chosen; other sampling rates are resampled (soxr, HQ). Where
    channels cancel out in their mean, the loudest is taken. The part is cut out before resampling.
    Integers are scaled to [-1, 1]; floating-point samples are taken as they are.

    Args:
        source: Path, content of a file, open binary file (read from its beginning, left open), or
            an array with its sampling rate in Hz. An array has shape ``(samples,)`` or
            ``(samples, channels)``, int8, uint8, int16, int32 or floating point; one with more
            columns than rows is refused, it is most likely transposed. An array that already is a
            16-kHz mono float32 waveform is not copied.
        start_s: Where the part begins, s, from 0 to below the duration.
        end_s: Where the part ends, s; the end of the recording if None.
        name: What errors and warnings call the recording; as `source_name` says if None.
        channel: ``mix``, the mean of all; ``left``, ``right`` or a number from 1 on.
        issues: A list that takes whatever makes an answer less certain, in place of warnings.

    Returns:
        The waveform, shape ``(samples,)``, at least 640 samples.

    Raises:
        AudioError: The recording is missing, empty, truncated, not audio, shorter than 0.04 s,
            contains NaN or infinity, or has a sampling rate outside 1 to 768 kHz; or the part does
            not lie inside it.

    Warns:
        AudioWarning: The waveform is digital silence; channels cancel out; more than 0.1 % of the
            samples are clipped (third or later in a row at full scale); the file is damaged, or
            its recorder was interrupted.

    Examples:
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
        >>> load_waveform((tone, 44100)).shape
        (16000,)
        >>> load_waveform((tone, 44100), start_s=0.25, end_s=0.75).shape
        (8000,)
    """
    blocks = list(_chunks(source, start_s, end_s, name, channel=channel, issues=issues))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def waveform_blocks(
    source: Source,
    block_s: float = 30.0,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    name: str | None = None,
    warn: bool = True,
    channel: str | int = MIX,
    issues: list[AudioIssue] | None = None,
) -> Iterator[Samples]:
    """Gives the waveform of `load_waveform` in blocks, the same samples bit for bit.

    Memory is bounded by the block, or 30 s if that is more, however long the recording. Nothing is
    opened or checked before the first block is read. What is wrong with the source as a whole
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
        channel: As in `load_waveform`.
        issues: As in `load_waveform`; filled when the last block comes.

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
    for chunk in _chunks(source, start_s, end_s, name, warn, channel, issues):
        waiting = np.concatenate((waiting, chunk)) if len(waiting) else chunk
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


def channel_count(source: Source, *, name: str | None = None) -> int:
    """Tells how many channels a recording has.

    Args:
        source: As in `load_waveform`.
        name: As in `load_waveform`.

    Returns:
        At least 1; of a film, the channels of its first sound track.

    Raises:
        AudioError: The source cannot be opened; its samples are not looked at.

    Examples:
        >>> channel_count((np.zeros((8000, 2), np.int16), 16000))
        2
    """
    with opened(source, name) as recording:
        return recording.channel_count


def _chunks(
    source: Source,
    start_s: float,
    end_s: float | None,
    name: str | None,
    warn: bool = True,
    channel: str | int = MIX,
    issues: list[AudioIssue] | None = None,
) -> Iterator[Samples]:
    """Gives the waveform in the chunks it is read in, never an empty one."""
    with opened(source, name) as recording:
        checker = SignalChecker(recording)
        selector = ChannelSelector(recording, channel)
        resampler = None
        if recording.rate_hz != SAMPLE_RATE_HZ:
            resampler = soxr.ResampleStream(recording.rate_hz, SAMPLE_RATE_HZ, 1, quality="HQ")
        sample_count = 0
        for frames in _frames(recording, start_s, end_s):
            chunk = selector(frames)
            checker.add(frames, chunk, start_s)
            if resampler is not None:
                chunk = resampler.resample_chunk(chunk)
            checker.add_waveform(chunk)
            sample_count += len(chunk)
            if len(chunk):
                yield chunk
        if resampler is not None:
            chunk = resampler.resample_chunk(np.empty(0, np.float32), last=True)
            sample_count += len(chunk)
            if len(chunk):
                yield chunk
        if sample_count < round(MINIMUM_DURATION_S * SAMPLE_RATE_HZ):
            hundredths = 100 * sample_count // SAMPLE_RATE_HZ  # never rounded up to the minimum
            raise AudioError(
                f"{recording.name}: {hundredths / 100:.2f} s of audio;"
                f" at least {MINIMUM_DURATION_S} s is needed"
            )
        if issues is not None:
            issues += checker.report()
        elif warn:
            warn_of(checker.report())


def _frames(recording: Recording, start_s: float, end_s: float | None) -> Iterator[Samples]:
    """Gives the frames from start to end, (frames, channels), in chunks."""
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
    chunk_frames = read_chunk_frames(recording)
    while position < end:
        wanted = int(min(end - position, chunk_frames))
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
