"""When speech starts and ends in sound that goes on, by the detector of `speech_detection`.

The same rules as for whole recordings, without the margins around speech; the level that each
chunk is brought to is that of the last 10 s, since no later sound is known.
"""

from collections import deque
from collections.abc import Iterator

import numpy as np

from seqcap.audio.high_pass import HighPass
from seqcap.audio.spectrogram import SHIFT_SAMPLES, FloatArray
from seqcap.audio.speech_detection import (
    CHUNK_SAMPLES,
    CONTEXT_SAMPLES,
    LANE_CHUNKS,
    PAUSE_FRAMES,
    REACHES,
    SHORTEST_CHUNKS,
    SPOKEN,
    level_gain,
    run_detector,
)
from seqcap.audio.waveform import SAMPLE_RATE_HZ

_CUTOFF_HZ = 20.0  # an offset says nothing about speech
_CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE_HZ
_PAUSE_CHUNKS = PAUSE_FRAMES * SHIFT_SAMPLES / CHUNK_SAMPLES


class LiveSpeechDetector:
    """Takes samples, 16 kHz mono, and says when speech started and ended.

    A start is known 0.13 s after it at the earliest, an end half a second after it.

    Example:
        >>> detector = LiveSpeechDetector()
        >>> list(detector.push(np.zeros(16000, np.float32))), list(detector.finish())
        ([], [])
    """

    def __init__(self) -> None:
        self._high_pass = HighPass(_CUTOFF_HZ)
        self._waiting = np.zeros(CONTEXT_SAMPLES, np.float32)  # with the context before it
        self._powers: deque[float] = deque(maxlen=LANE_CHUNKS)
        self._state = np.zeros((2, 1, 128), np.float32)
        self._chunk = 0
        self._first: int | None = None  # where what may be speech began
        self._spoken_count = 0  # of its chunks
        self._behind = 0  # the chunk behind the last speech
        self._speaks = False

    def push(self, samples: FloatArray) -> Iterator[tuple[bool, float]]:
        """Takes the next samples, of any number.

        Args:
            samples: 16 kHz mono, shape ``(samples,)``.

        Yields:
            Whether speech started, else ended; and when, in seconds.
        """
        self._waiting = np.concatenate((self._waiting, self._high_pass(samples)))
        while len(self._waiting) >= CONTEXT_SAMPLES + CHUNK_SAMPLES:
            yield from self._take(self._waiting[: CONTEXT_SAMPLES + CHUNK_SAMPLES])
            self._waiting = self._waiting[CHUNK_SAMPLES:]

    def finish(self) -> Iterator[tuple[bool, float]]:
        """Takes what is left; speech that goes on ends with the sound."""
        left = len(self._waiting) - CONTEXT_SAMPLES
        end_s = self._chunk * _CHUNK_S + left / SAMPLE_RATE_HZ
        if left:
            yield from self._take(np.pad(self._waiting, (0, CHUNK_SAMPLES - left)))
        if self._speaks:
            goes_on = self._first is not None
            yield False, end_s if goes_on else min(end_s, self._behind * _CHUNK_S)
            self._speaks = False

    def _take(self, chunk: FloatArray) -> Iterator[tuple[bool, float]]:
        self._powers.append(float(np.square(chunk[CONTEXT_SAMPLES:]).mean(dtype=float)))
        gain = level_gain(np.array(self._powers))
        probability, self._state = run_detector((chunk * gain)[None], self._state)
        yield from self._judge(float(probability[0]))

    def _judge(self, probability: float) -> Iterator[tuple[bool, float]]:
        place, self._chunk = self._chunk, self._chunk + 1
        if probability < REACHES:
            if self._first is not None and self._spoken_count >= SHORTEST_CHUNKS:
                self._behind = place
            self._first, self._spoken_count = None, 0
        else:
            self._first = place if self._first is None else self._first
            self._spoken_count += probability >= SPOKEN
            if self._spoken_count == SHORTEST_CHUNKS and not self._speaks:
                self._speaks = True
                yield True, self._first * _CHUNK_S
        if self._speaks and self._spoken_count < SHORTEST_CHUNKS:
            # What may be speech waits for its end only if it began soon enough.
            begins = self._chunk if self._first is None else self._first
            if begins - self._behind > _PAUSE_CHUNKS:
                self._speaks = False
                yield False, self._behind * _CHUNK_S
