"""Where a recording has speech: Silero's detector by onnxruntime.

The model (MIT licence, `silero/`) gives the probability of speech for every 32 ms. It carries a
state from one to the next, so recordings are cut into lanes of 10 s that are worked on side by
side; each begins a second early, so that its state has settled. Lanes lie where a recording's
length says: what else is in a batch, or in which blocks it comes, changes nothing.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from seqcap.audio.spectrogram import SHIFT_SAMPLES, FloatArray, frame_count
from seqcap.audio.waveform import SAMPLE_RATE_HZ

MODEL_FILE = Path(__file__).parent / "silero" / "silero_vad_16k_op15.onnx"
CHUNK_SAMPLES = 512  # 32 ms
CONTEXT_SAMPLES = 64
LANE_CHUNKS = 312  # 10 s
_WARM_UP_CHUNKS = 32  # 1 s
_LANES_AT_ONCE = 32

# Choice: speech is what rises above .5 for 0.13 s; it reaches as far as .1. Silero's own, .5 and
# .35, lose nearly twice as much of anger.
SPOKEN, REACHES = 0.5, 0.1
SHORTEST_CHUNKS = 4
PAUSE_FRAMES = 50  # shorter pauses belong to speech
SPEECH_MARGIN_FRAMES = 10  # kept before and after it
# Choice: of a recording that is 40 dB too quiet the detector misses a fifth. So each lane is
# brought up to this RMS; what is louder stays.
_LEAST_RMS = 0.05
_LARGEST_GAIN = 1000.0


class _Lane(NamedTuple):
    """Samples from 64 before its first chunk; the first chunks only warm up."""

    samples: FloatArray
    warm_up_chunks: int
    kept_chunks: int


def speech_probabilities(waveforms: Sequence[FloatArray]) -> list[FloatArray]:
    """Gives the probability of speech in every started 32 ms of each recording.

    Args:
        waveforms: 16 kHz mono within [-1, 1], each of shape ``(samples,)``.

    Returns:
        For each one shape ``(chunk,)``, 0 to 1.

    Example:
        >>> [len(p) for p in speech_probabilities([np.zeros(16000, np.float32)])]
        [32]
    """
    lanes = [(place, lane) for place, one in enumerate(waveforms) for lane in _lanes([one])]
    order = sorted(range(len(lanes)), key=lambda i: len(lanes[i][1].samples))
    found: dict[int, FloatArray] = {}
    for start in range(0, len(order), _LANES_AT_ONCE):
        group = order[start : start + _LANES_AT_ONCE]
        found |= zip(group, _probabilities([lanes[i][1] for i in group]), strict=True)
    parts: list[list[FloatArray]] = [[] for _ in waveforms]
    for i, (place, _) in enumerate(lanes):
        parts[place].append(found[i])
    return [np.concatenate(own) for own in parts]


def speech_probabilities_of_blocks(blocks: Iterable[FloatArray]) -> FloatArray:
    """The same for one waveform that comes in blocks, with the memory of five minutes.

    Args:
        blocks: 16 kHz mono, each of shape ``(samples,)``.
    """
    lanes = _lanes(blocks)
    parts: list[FloatArray] = []
    while group := list(itertools.islice(lanes, _LANES_AT_ONCE)):
        parts += _probabilities(group)
    return np.concatenate(parts)


def _lanes(blocks: Iterable[FloatArray]) -> Iterator[_Lane]:
    """Cuts a waveform that comes in blocks, never an empty one, into lanes."""
    waiting = np.zeros(CONTEXT_SAMPLES, np.float32)
    warm_up, full = 0, CONTEXT_SAMPLES + LANE_CHUNKS * CHUNK_SAMPLES
    for block in blocks:
        waiting = np.concatenate((waiting, block))
        while len(waiting) > full:
            yield _Lane(waiting[:full], warm_up, LANE_CHUNKS)
            warm_up = _WARM_UP_CHUNKS
            kept = CONTEXT_SAMPLES + warm_up * CHUNK_SAMPLES
            waiting = waiting[full - kept :]
            full = kept + LANE_CHUNKS * CHUNK_SAMPLES
    chunks = -(-(len(waiting) - CONTEXT_SAMPLES) // CHUNK_SAMPLES)
    yield _Lane(waiting, warm_up, chunks - warm_up)


def _probabilities(lanes: Sequence[_Lane]) -> list[FloatArray]:
    """Probabilities of each lane's kept chunks."""
    longest = max(lane.warm_up_chunks + lane.kept_chunks for lane in lanes)
    padded = np.zeros((len(lanes), CONTEXT_SAMPLES + longest * CHUNK_SAMPLES), np.float32)
    for row, lane in zip(padded, lanes, strict=True):
        row[: len(lane.samples)] = lane.samples * level_gain(_lane_powers(lane.samples))
    state = np.zeros((2, len(lanes), 128), np.float32)
    result = np.empty((len(lanes), longest), np.float32)
    for chunk in range(longest):
        begin = chunk * CHUNK_SAMPLES
        seen = padded[:, begin : begin + CONTEXT_SAMPLES + CHUNK_SAMPLES]
        result[:, chunk], state = run_detector(seen, state)
    return [
        row[lane.warm_up_chunks :][: lane.kept_chunks]
        for row, lane in zip(result, lanes, strict=True)
    ]


def run_detector(chunks: FloatArray, state: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Runs the detector on one chunk of each of several sounds.

    Args:
        chunks: Each with the 64 samples before it, shape ``(sound, 576)``.
        state: What it remembers of the chunks before, ``(2, sound, 128)``; zeros at the start.

    Returns:
        Probabilities of speech, ``(sound,)``, and the state behind these chunks.
    """
    rate = np.array(SAMPLE_RATE_HZ, np.int64)
    found, state = _session().run(None, {"input": chunks, "state": state, "sr": rate})
    return found[:, 0], state


def level_gain(powers: NDArray[np.float64]) -> np.float32:
    """What brings the louder half of a sound up to the detector's level; 1 for what is louder.

    Args:
        powers: Mean squares of its parts, all of one length, shape ``(part,)``.

    Example:
        >>> float(level_gain(np.array([0.0, 0.0001])).round(2)), float(level_gain(np.array([1.0])))
        (5.0, 1.0)
    """
    louder = np.sort(powers)[len(powers) // 2 :]
    rms = float(np.sqrt(louder.mean())) if len(louder) else 0.0
    return np.float32(np.clip(_LEAST_RMS / max(rms, 1e-9), 1.0, _LARGEST_GAIN))


def _lane_powers(samples: FloatArray) -> NDArray[np.float64]:
    blocks = samples[: len(samples) // SHIFT_SAMPLES * SHIFT_SAMPLES].reshape(-1, SHIFT_SAMPLES)
    return np.square(blocks).mean(axis=1, dtype=float)


@functools.cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(MODEL_FILE, options, providers=["CPUExecutionProvider"])


def speech_frames(probabilities: FloatArray, sample_count: int) -> NDArray[np.bool_]:
    """Says which frames of 10 ms are speech, or a pause of less than half a second in it.

    Args:
        probabilities: Of a recording, as `speech_probabilities` gives them.
        sample_count: How long it is.

    Returns:
        Shape ``(frame,)``, as many as `frame_count` says; with 0.1 s before and after speech.

    Example:
        >>> spoken = np.repeat(np.float32([0, 1, 0, 1, 0]), [50, 30, 10, 20, 50])
        >>> frames = speech_frames(spoken, 160 * 512)
        >>> np.flatnonzero(np.diff(frames.astype(int))).tolist()
        [149, 361]
    """
    frames = np.zeros(frame_count(sample_count), bool)
    end = -PAUSE_FRAMES - 1
    for first, behind in _spoken_chunks(probabilities):
        start, next_end = frames_of_chunks(first, behind)
        if start - end <= PAUSE_FRAMES:
            frames[end:start] = True
        end = next_end
        frames[max(0, start - SPEECH_MARGIN_FRAMES) : end + SPEECH_MARGIN_FRAMES] = True
    return frames


def frames_of_chunks(first: int, behind: int) -> tuple[int, int]:
    """The frames of 10 ms that some chunks of 32 ms touch.

    Args:
        first: The first chunk.
        behind: The chunk behind the last one.

    Returns:
        The first frame, and the one behind the last.

    Example:
        >>> frames_of_chunks(1, 2)
        (3, 7)
    """
    return first * CHUNK_SAMPLES // SHIFT_SAMPLES, -(-behind * CHUNK_SAMPLES // SHIFT_SAMPLES)


def _spoken_chunks(probabilities: FloatArray) -> Iterator[tuple[int, int]]:
    """Spans that reach above the lower probability, and long enough above the higher one."""
    within = probabilities >= REACHES
    edges = np.flatnonzero(np.diff(within, prepend=False, append=False))
    for first, behind in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if (probabilities[first:behind] >= SPOKEN).sum() >= SHORTEST_CHUNKS:
            yield first, behind
