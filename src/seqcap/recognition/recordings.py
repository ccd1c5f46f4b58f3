"""Recordings on their way to a model: decoded once, prepared, cut into pieces, batched."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcap.audio.channels import MIX
from seqcap.audio.checks import warn_of
from seqcap.audio.issues import AudioIssue
from seqcap.audio.normalisation import Mask, Normalisation, block_powers, keep_frames
from seqcap.audio.source import Source, rereadable, source_name
from seqcap.audio.spectrogram import (
    FRAMES_PER_S,
    FloatArray,
    frame_count,
    log_spectrogram_blocks,
)
from seqcap.audio.waveform import SAMPLE_RATE_HZ, waveform_blocks
from seqcap.errors import AudioError
from seqcap.recognition.answers import Failure

PIECE_S = 2.0  # of a timeline; the length of a training segment, Sec. VI-A
SHORTEST_PIECE_S = 0.5  # a shorter rest joins the piece before it

# Choice: while one group is recognised the next one is read. Many recordings in a group waste
# less padding; more than these would only cost memory (`benchmarks/memory.py`).
_GROUP_FILES = 64
_GROUP_S = 120.0
_BATCH_FRAMES = 1200  # padding included: 12 s of sound

LONGEST_WHOLE_S = 20.0  # longer recordings go through the network in chunks
LONGEST_HELD_S = 60.0  # longer ones are decoded again in blocks instead of being held
BLOCK_PIECES = 15  # half a minute
_LEAST_FRAMES = 20


@dataclass(frozen=True)
class Segment:
    """A part of a recording that is recognised as if it were one.

    Attributes:
        source: Path, bytes, file object, or an array with its sampling rate.
        start_s: Where it begins in the source.
        end_s: Where it ends; None for the end of the source.
        channel: ``mix``, the mean of all, ``left``, ``right``, or a number from 1 on.
    """

    source: Source
    start_s: float = 0.0
    end_s: float | None = None
    channel: str | int = MIX


@dataclass(frozen=True)
class LoadedRecording:
    """A recording that was decoded once, before any normalisation.

    Attributes:
        name: What it is called in answers.
        start_s: Where it begins in its source.
        end_s: Where it ends in its source.
        powers: Mean square of every 10 ms, as `block_powers` gives them.
        waveform: Its samples at 16 kHz; None if it is longer than a minute or was released.
        decode: Decodes it once more, in blocks of 30 s.
        issues: What makes an answer about it less certain.
    """

    name: str
    start_s: float
    end_s: float
    powers: NDArray[np.float64]
    waveform: FloatArray | None
    decode: Callable[[], Iterator[FloatArray]]
    issues: tuple[AudioIssue, ...] = ()

    @property
    def sample_count(self) -> int:
        """How many samples it has at 16 kHz."""
        return round((self.end_s - self.start_s) * SAMPLE_RATE_HZ)

    @property
    def is_short(self) -> bool:
        """Whether it lasts 20 s at most, so that it is recognised as one block."""
        return len(self.powers) <= LONGEST_WHOLE_S * FRAMES_PER_S

    def blocks(self) -> Iterator[FloatArray]:
        """Its samples: those in memory, or decoded again in blocks of 30 s."""
        return self.decode() if self.waveform is None else iter((self.waveform,))

    def release(self) -> "LoadedRecording":
        """The same without its samples in memory; they are decoded again when needed."""
        return dataclasses.replace(self, waveform=None)


@dataclass(frozen=True)
class PreparedRecording:
    """A recording at the level that one model expects, without what is not kept of it.

    Attributes:
        recording: What was decoded.
        bounds: Its pieces of 2 s: first frame of the source and the frame behind the last one.
        sizes: How many frames of each piece are kept; 0: no speech in it.
        blocks: Gives the log magnitudes of kept frames, ``(frame, bin)``, some whole pieces at a
            time; a short recording in one block.
    """

    recording: LoadedRecording
    bounds: list[tuple[int, int]]
    sizes: list[int]
    blocks: Callable[[], Iterator[FloatArray]]


def read_recording(
    source: Source,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    name: str | None = None,
    warn: bool = True,
    channel: str | int = MIX,
) -> LoadedRecording:
    """Decodes a recording, or a part of it.

    Of a long recording only level and length are kept; it is decoded again when it is needed.

    Args:
        source: As for `load_waveform`.
        start_s: As for `load_waveform`.
        end_s: As for `load_waveform`.
        name: As for `load_waveform`.
        warn: Warn of what makes the answer less certain.
        channel: As for `load_waveform`.

    Raises:
        AudioError: As for `load_waveform`.
    """
    powers, sample_count = [], 0
    held: FloatArray | None = None
    issues: list[AudioIssue] = []
    source = rereadable(source)  # a long one is decoded again
    decode = functools.partial(
        waveform_blocks, source, start_s=start_s, end_s=end_s, name=name, channel=channel
    )
    for block in decode(block_s=LONGEST_HELD_S, issues=issues):
        powers.append(block_powers(block))
        sample_count += len(block)
        held = block if sample_count == len(block) else None
    if warn:
        warn_of(issues)
    return LoadedRecording(
        source_name(source, name),
        start_s,
        start_s + sample_count / SAMPLE_RATE_HZ,
        np.concatenate(powers),
        held,
        functools.partial(decode, warn=False),
        tuple(issues),
    )


def prepare(
    recordings: Sequence[LoadedRecording], normalisation: Normalisation
) -> list[PreparedRecording]:
    """Brings recordings to a model's level and finds what is kept of them.

    Args:
        recordings: As `read_recording` gives them; speech is looked for in all short ones at once.
        normalisation: The model's.
    """
    held = [each.waveform for each in recordings if each.waveform is not None]
    found = iter(normalisation.find_speech(held))
    return [
        _prepare(
            each,
            normalisation,
            normalisation.find_speech_in_blocks(each.decode(), each.sample_count)
            if each.waveform is None
            else next(found),
        )
        for each in recordings
    ]


def _prepare(
    recording: LoadedRecording, normalisation: Normalisation, speech: Mask | None
) -> PreparedRecording:
    powers = recording.powers
    if normalisation.settings.high_pass_hz:
        filtered = normalisation.filtered(recording.blocks())
        powers = np.concatenate([block_powers(block) for block in filtered])
    gain, kept = normalisation.measure(powers, speech)
    # Pieces of what is trimmed begin with its first frame, those of speech with the recording.
    first = 0 if speech is not None else int(kept.argmax())
    behind = len(kept) if speech is not None else first + int(kept.sum())
    bounds = [(first + start, first + end) for start, end in piece_bounds(behind - first)]

    sizes = [int(kept[start:end].sum()) for start, end in bounds]

    def whole() -> Iterator[FloatArray]:
        yield normalisation.spectrogram(np.concatenate(list(recording.blocks())), speech)

    def in_blocks() -> Iterator[FloatArray]:
        blocks = normalisation.filtered(recording.blocks())
        starts = range(0, len(sizes), BLOCK_PIECES)
        groups = [sum(sizes[start : start + BLOCK_PIECES]) for start in starts]
        if speech is None:
            skipped = [first] if first else []
            frames = regrouped(log_spectrogram_blocks(blocks, gain), [*skipped, *groups])
            yield from itertools.islice(frames, len(skipped), None)
        elif any(groups):
            yield from regrouped(log_spectrogram_blocks(_spoken(blocks, kept), gain), groups)

    return PreparedRecording(recording, bounds, sizes, whole if recording.is_short else in_blocks)


def _spoken(blocks: Iterable[FloatArray], kept: Mask) -> Iterator[FloatArray]:
    """The samples of kept frames of a waveform that comes in blocks of whole frames."""
    for block in blocks:
        count = frame_count(len(block))
        spoken = keep_frames(block, kept[:count])
        kept = kept[count:]
        if len(spoken):
            yield spoken


def pieces_of(block: FloatArray, sizes: Sequence[int]) -> list[FloatArray]:
    """Cuts the kept frames of some pieces apart.

    Pieces with less than 0.1 s of speech, without the margins around it, become empty.

    Args:
        block: Log magnitudes ``(frame, bin)``.
        sizes: Frames of each piece, their sum.

    Example:
        >>> [len(piece) for piece in pieces_of(np.zeros((210, 512), np.float32), [200, 10, 0])]
        [200, 0, 0]
    """
    pieces = np.split(block, np.cumsum(sizes)[:-1])
    return [piece if len(piece) >= _LEAST_FRAMES else piece[:0] for piece in pieces]


def regrouped(blocks: Iterable[FloatArray], sizes: Iterable[int]) -> Iterator[FloatArray]:
    """Gives the rows of blocks in groups of these sizes.

    Args:
        blocks: Each of shape ``(row, ...)``.
        sizes: Rows of each group.

    Example:
        >>> [rows.tolist() for rows in regrouped([np.arange(3), np.arange(3, 5)], [2, 3])]
        [[0, 1], [2, 3, 4]]
    """
    rest = iter(blocks)
    waiting = next(rest)
    for size in sizes:
        while len(waiting) < size:
            waiting = np.concatenate((waiting, next(rest)))
        yield waiting[:size]
        waiting = waiting[size:]


def read_ahead(
    sources: Iterable[Source | Segment], warn: bool = True
) -> Iterator[list[LoadedRecording | Failure]]:
    """Reads recordings in groups; while one is worked on, a thread reads the next.

    Args:
        sources: As for `load_waveform`, or segments of them; taken as they are read.
        warn: Of silence and clipping.

    Yields:
        Up to 64 recordings, or 2 minutes of them, each read or failed, in their order. The same
        sources always make up the same groups.
    """
    groups = _groups(sources, warn)
    with ThreadPoolExecutor(1, "seqcap-reader") as reader:
        upcoming = reader.submit(next, groups, None)
        while (group := upcoming.result()) is not None:
            upcoming = reader.submit(next, groups, None)
            yield group


def _groups(
    sources: Iterable[Source | Segment], warn: bool
) -> Iterator[list[LoadedRecording | Failure]]:
    group: list[LoadedRecording | Failure] = []
    waiting_s = 0.0
    for each in sources:
        part = each if isinstance(each, Segment) else Segment(each)
        try:
            recording = read_recording(
                part.source,
                start_s=part.start_s,
                end_s=part.end_s,
                channel=part.channel,
                warn=warn,
            )
            waiting_s += recording.end_s - recording.start_s
            group.append(recording)
        except AudioError as error:
            group.append(Failure(source_name(part.source), str(error)))
        if len(group) == _GROUP_FILES or waiting_s >= _GROUP_S:
            yield group
            group, waiting_s = [], 0.0
    if group:
        yield group


def piece_bounds(frame_count: int) -> list[tuple[int, int]]:
    """Cuts a recording into pieces of 2 s; a rest under half a second joins the last.

    Args:
        frame_count: Of the recording, 100 a second.

    Returns:
        First frame and the frame behind the last one, of each piece.

    Example:
        >>> piece_bounds(520)
        [(0, 200), (200, 400), (400, 520)]
        >>> piece_bounds(430), piece_bounds(30)
        ([(0, 200), (200, 430)], [(0, 30)])
    """
    size, shortest = int(PIECE_S * FRAMES_PER_S), int(SHORTEST_PIECE_S * FRAMES_PER_S)
    starts = [s for s in range(0, frame_count, size) if s == 0 or frame_count - s >= shortest]
    return list(zip(starts, [*starts[1:], frame_count], strict=True))


def batches_by_length(frame_counts: Sequence[int]) -> Iterator[list[int]]:
    """Puts recordings of similar length together, as many as 12 s of frames hold.

    Args:
        frame_counts: Of each recording.

    Yields:
        Indices into `frame_counts`.

    Example:
        >>> list(batches_by_length([1000, 100, 1200, 90]))
        [[3, 1], [0], [2]]
    """
    batch: list[int] = []
    for index in sorted(range(len(frame_counts)), key=lambda i: frame_counts[i]):
        if batch and (len(batch) + 1) * frame_counts[index] > _BATCH_FRAMES:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
