"""Recordings on their way to the network: read ahead, cut into pieces, put together by length."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from seqcap.audio.source import Source, source_name
from seqcap.audio.spectrogram import FRAMES_PER_S, FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.errors import AudioError
from seqcap.recognition.answers import Failure

PIECE_S = 2.0  # of a timeline; the length of a training segment, Sec. VI-A
SHORTEST_PIECE_S = 0.5  # a shorter rest joins the piece before it

# Choice: while one group is recognised the next one is read. Many recordings in a group waste
# less padding; more than these would only cost memory (5 minutes of spectrograms are 61 MB).
_GROUP_FILES = 64
_GROUP_S = 300.0
_BATCH_FRAMES = 6000  # padding included: a minute of sound

Measure = Callable[[FloatArray], FloatArray]
"""Turns a waveform into its spectrogram."""


@dataclass(frozen=True)
class Recording:
    """A recording that was read.

    Attributes:
        name: What it is called in answers.
        start_s: Where it begins in its source.
        end_s: Where it ends in its source.
        spectrogram: Log magnitudes, ``(frame, bin)``.
    """

    name: str
    start_s: float
    end_s: float
    spectrogram: FloatArray


def read_recording(
    source: Source,
    measure: Measure,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    name: str | None = None,
) -> Recording:
    """Reads a recording, or a part of it; arguments and errors as `load_waveform`."""
    waveform = load_waveform(source, start_s=start_s, end_s=end_s, name=name)
    duration_s = len(waveform) / SAMPLE_RATE_HZ
    return Recording(source_name(source, name), start_s, start_s + duration_s, measure(waveform))


def read_ahead(sources: Iterable[Source], measure: Measure) -> Iterator[list[Recording | Failure]]:
    """Reads recordings in groups; while one is worked on, a thread reads the next.

    Args:
        sources: As for `load_waveform`; taken as they are read.
        measure: Turns a waveform into its spectrogram.

    Yields:
        Up to 64 recordings, or 5 minutes of them, each read or failed, in their order.
    """
    groups = _groups(sources, measure)
    with ThreadPoolExecutor(1, "seqcap-reader") as reader:
        upcoming = reader.submit(next, groups, None)
        while (group := upcoming.result()) is not None:
            upcoming = reader.submit(next, groups, None)
            yield group


def _groups(sources: Iterable[Source], measure: Measure) -> Iterator[list[Recording | Failure]]:
    group: list[Recording | Failure] = []
    waiting_s = 0.0
    for source in sources:
        try:
            recording = read_recording(source, measure)
            waiting_s += recording.end_s
            group.append(recording)
        except AudioError as error:
            group.append(Failure(source_name(source), str(error)))
        if len(group) == _GROUP_FILES or waiting_s >= _GROUP_S:
            yield group
            group, waiting_s = [], 0.0
    if group:
        yield group


def piece_bounds(frame_count: int) -> list[tuple[int, int]]:
    """Cuts a recording into pieces of 2 s; a rest under half a second joins the last.

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
    """Puts recordings of similar length together, as many as a minute of frames holds.

    Yields:
        Indices into `frame_counts`.

    Example:
        >>> list(batches_by_length([5000, 100, 6000, 90]))
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
