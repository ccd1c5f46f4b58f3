"""Speech in sound that goes on, by the detector of `speech_detection`: its turns, and its samples.

The same rules as for whole recordings; the level that each chunk is brought to is that of the last
10 s, since no later sound is known.
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
    SPEECH_MARGIN_FRAMES,
    SPOKEN,
    frames_of_chunks,
    level_gain,
    run_detector,
)
from seqcap.audio.waveform import SAMPLE_RATE_HZ

_CUTOFF_HZ = 20.0  # an offset says nothing about speech
_CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE_HZ
# Choice: one chunk of this level stands before all others, so that faint noise before the first
# word is not made so loud that the detector then misses the word. In 60 files of each of CREMA-D,
# RAVDESS and BanglaSER, 1 to 3 % of the frames of speech are missed in place of 2 to 5 %; 20 dB
# softer, under 1 % in place of 3 to 6 %; 40 dB softer, 1 to 9 % in place of 1 to 5 %.
_PRIOR_POWER = 0.012**2
# Choice: what may be speech and is not known to be it waits for so long.
_MOST_WAITING_SAMPLES = LANE_CHUNKS * CHUNK_SAMPLES


class LiveSpeechDetector:
    """Takes samples, 16 kHz mono, and says when speech started and ended, without margins.

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
        self._turn_first = 0  # the first chunk of the last turn

    @property
    def turn_frames(self) -> tuple[int, int]:
        """First frame of the last turn as known so far, and the frame behind it; (0, 0): none.

        A pause belongs to it once speech has gone on.
        """
        goes_on = self._speaks and self._spoken_count >= SHORTEST_CHUNKS
        return frames_of_chunks(self._turn_first, self._chunk if goes_on else self._behind)

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
        gain = level_gain(np.array((_PRIOR_POWER, *self._powers)))
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
                self._turn_first = self._first
                yield True, self._first * _CHUNK_S
        if self._speaks and self._spoken_count < SHORTEST_CHUNKS:
            # What may be speech waits for its end only if it began soon enough.
            begins = self._chunk if self._first is None else self._first
            end, start = self.turn_frames[1], frames_of_chunks(begins, begins)[0]
            if start - end > PAUSE_FRAMES:
                self._speaks = False
                yield False, self._behind * _CHUNK_S


class LiveSpeech:
    """Joins the speech in sound that goes on, as `keep_frames` does for whole recordings.

    Args:
        detector: Has heard nothing yet.

    Example:
        >>> speech = LiveSpeech(LiveSpeechDetector())
        >>> silence = np.zeros(16000, np.float32)
        >>> [len(part) for part in speech.push(silence, silence)]
        [0, 0]
    """

    def __init__(self, detector: LiveSpeechDetector) -> None:
        self._detector = detector
        self._waiting = np.empty(0, np.float32)  # from sample `_first` on
        self._first = 0
        self._kept_to = 0  # the sample behind what was given out

    def push(
        self, samples: FloatArray, filtered: FloatArray
    ) -> tuple[FloatArray, list[tuple[bool, float]]]:
        """Takes the next samples, of any number.

        Args:
            samples: What the detector hears, 16 kHz mono, shape ``(samples,)``.
            filtered: The same samples as they are to be given out.

        Returns:
            All that is known to be speech now and was not before, with 0.1 s before and after it
            and pauses of less than half a second, shape ``(samples,)``; and the turns that the
            detector found.
        """
        arrived = self._first + len(self._waiting)
        self._waiting = np.concatenate((self._waiting, filtered))
        parts: list[FloatArray] = [self._waiting[:0]]
        turns: list[tuple[bool, float]] = []
        for start in range(0, len(samples), CHUNK_SAMPLES):
            piece = samples[start : start + CHUNK_SAMPLES]
            turns += self._detector.push(piece)
            arrived += len(piece)
            parts.append(self._newly_known(arrived))
        first = max(self._kept_to, arrived - _MOST_WAITING_SAMPLES, self._first)
        self._waiting = self._waiting[first - self._first :]
        self._first = first
        return np.concatenate(parts), turns

    def _newly_known(self, arrived: int) -> FloatArray:
        start, end = self._detector.turn_frames
        if not end:
            return self._waiting[:0]
        first = max((start - SPEECH_MARGIN_FRAMES) * SHIFT_SAMPLES, self._kept_to, self._first)
        behind = min((end + SPEECH_MARGIN_FRAMES) * SHIFT_SAMPLES, arrived)
        if behind <= first:
            return self._waiting[:0]
        self._kept_to = behind
        return self._waiting[first - self._first : behind - self._first]
