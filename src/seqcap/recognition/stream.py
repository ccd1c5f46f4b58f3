"""Live sound in, answers and events out: samples of any rate, in pieces of any size.

What a stream says depends on the sound alone, never on how it was cut into pieces.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from numpy.typing import NDArray

from seqcap.audio.channels import LiveChannelSelector
from seqcap.audio.issues import AudioIssue, IssueKind
from seqcap.audio.live_speech import LiveSpeechDetector
from seqcap.audio.recording import ArrayRecording
from seqcap.audio.spectrogram import SHIFT_SAMPLES, FloatArray
from seqcap.audio.waveform import MINIMUM_DURATION_S, SAMPLE_RATE_HZ
from seqcap.errors import AudioError, SettingsError
from seqcap.recognition.answers import Answer, decide
from seqcap.recognition.recordings import read_recording
from seqcap.recognition.running import RunningAnswer

if TYPE_CHECKING:
    from seqcap.recognition.recognizer import Recognizer

SPEECH_START, SPEECH_END, EMOTION = "speech start", "speech end", "emotion"


@dataclass(frozen=True)
class Event:
    """Something that changed.

    Attributes:
        kind: "speech start", "speech end", or "emotion": the answer became another.
        at_s: When, in seconds of the stream. Speech is found by Silero's detector: its start is
            known 0.13 s later at the earliest, its end half a second later.
        emotion: The new answer, of an "emotion"; it may be "uncertain" or "no speech".
    """

    kind: str
    at_s: float
    emotion: str = ""


class Stream:
    """Sound that goes on: push samples, get answers.

    Made by `Recognizer.stream`.

    Args:
        recognizer: Answers.
        rate_hz: Sampling rate of the samples to come, Hz.
        channel_count: Channels of them; they are averaged. Where they cancel in the mean, the
            loudest is taken, as of a file, and answers warn of it. A running answer and the events
            know it only once it is heard, 0.1 s later.
        horizon_s: Each answer is that of the last so many seconds; None for all sound so far.
        refresh_s: Seconds of sound from one answer to the next, at least 0.01.
        name: What answers and errors call the stream.

    Raises:
        SettingsError: A number out of range, or a running answer (`horizon_s=None`) of a model
            that needs whole recordings.

    Example:
        >>> from seqcap import Recognizer
        >>> stream = Recognizer.from_pretrained().stream(8000, horizon_s=2.0, refresh_s=1.0)
        >>> tone = np.sin(np.arange(8000) / 9)
        >>> [each.end for each in stream.push(tone) + stream.push(tone) + stream.finish()
        ...  if isinstance(each, Answer)]
        [1.0, 2.0]
    """

    def __init__(
        self,
        recognizer: "Recognizer",
        rate_hz: float = SAMPLE_RATE_HZ,
        *,
        channel_count: int = 1,
        horizon_s: float | None = 5.0,
        refresh_s: float = 0.5,
        name: str = "<stream>",
    ) -> None:
        if horizon_s is not None and not horizon_s >= MINIMUM_DURATION_S:
            raise SettingsError(
                f"horizon_s {horizon_s}; at least {MINIMUM_DURATION_S} s is needed, "
                "None for all sound so far"
            )
        if not refresh_s >= SHIFT_SAMPLES / SAMPLE_RATE_HZ:
            raise SettingsError(f"refresh_s {refresh_s}; at least 0.01 s is needed")
        if channel_count < 1:
            raise SettingsError(f"channel_count {channel_count}; at least 1 is needed")
        self.recognizer = recognizer
        self.name = name
        self.rate_hz = ArrayRecording((np.zeros(0, np.float32), rate_hz), name).rate_hz
        self.channel_count = channel_count
        self._resampler = (
            None
            if self.rate_hz == SAMPLE_RATE_HZ
            else soxr.ResampleStream(self.rate_hz, SAMPLE_RATE_HZ, channel_count, quality="HQ")
        )
        self._selector = LiveChannelSelector()
        self._answering: _Running | _Recent = (
            _Running(recognizer, name, self._selector)
            if horizon_s is None
            else _Recent(recognizer, name, horizon_s, channel_count)
        )
        self._refresh_count = round(refresh_s * SAMPLE_RATE_HZ)
        self._sample_count = 0
        self._answered_at = 0
        self._last = ""

    def push(self, samples: NDArray[Any]) -> list[Answer | Event]:
        """Takes the next samples.

        Args:
            samples: Shape ``(samples,)`` or ``(samples, channels)``, in [-1, 1] or integers, any
                number of them, none included.

        Returns:
            Answers that fell due, and events, in order of time.

        Raises:
            AudioError: Not samples, not so many channels, NaN or infinity; nothing of it is taken.
        """
        frames = self._frames(samples)
        if self._resampler is not None:
            frames = self._resampler.resample_chunk(frames)
        return list(self._take(frames))

    def finish(self) -> list[Answer | Event]:
        """Takes what the resampler held back, and answers a last time if sound came since.

        Returns:
            As `push`; nothing may be pushed any more.
        """
        found: list[Answer | Event] = []
        if self._resampler is not None:
            nothing = np.empty((0, self.channel_count), np.float32)
            found += self._take(self._resampler.resample_chunk(nothing, last=True))
        if self._sample_count > self._answered_at:
            found += self._refresh()
        return found + [_turn(*each) for each in self._answering.finish()]

    def answer(self) -> Answer | None:
        """The answer at this moment; None before 0.04 s have come."""
        if self._sample_count < round(MINIMUM_DURATION_S * SAMPLE_RATE_HZ):
            return None
        return self._answering.answer(self._sample_count)

    def _frames(self, samples: NDArray[Any]) -> FloatArray:
        samples = np.asarray(samples)
        shape = samples.shape
        channel_count = shape[1] if samples.ndim == 2 else 1
        if samples.ndim not in (1, 2) or channel_count != self.channel_count:
            raise AudioError(
                f"{self.name}: samples of shape {shape}; (samples,) or (samples, channels) with "
                f"{self.channel_count} channels is expected"
            )
        recording = ArrayRecording((samples.reshape(-1), self.rate_hz), self.name)
        floats = recording.read(samples.size)
        if not np.isfinite(floats).all():
            raise AudioError(f"{self.name}: NaN or infinite samples; finite ones are expected")
        return floats.reshape(-1, channel_count)

    def _take(self, frames: FloatArray) -> Iterator[Answer | Event]:
        while len(frames):
            until_due = self._answered_at + self._refresh_count - self._sample_count
            now, frames = frames[:until_due], frames[until_due:]
            self._sample_count += len(now)
            chosen = self._selector(now)
            yield from (_turn(*each) for each in self._answering.push(now, chosen))
            if len(now) == until_due:
                yield from self._refresh()

    def _refresh(self) -> Iterator[Answer | Event]:
        self._answered_at = self._sample_count
        answer = self.answer()
        if answer is None:
            return
        yield answer
        if answer.predicted != self._last:
            self._last = answer.predicted
            yield Event(EMOTION, answer.end, answer.predicted)


def _turn(speaks: bool, at_s: float) -> Event:
    return Event(SPEECH_START if speaks else SPEECH_END, round(at_s, 3))


class _Recent:
    """The answer of the last seconds, worked out afresh."""

    def __init__(
        self, recognizer: "Recognizer", name: str, horizon_s: float, channel_count: int
    ) -> None:
        self._recognizer = recognizer
        self._name = name
        self._kept = np.empty((0, channel_count), np.float32)
        self._horizon = round(horizon_s * SAMPLE_RATE_HZ)
        self._detector = LiveSpeechDetector()

    def push(self, frames: FloatArray, chosen: FloatArray) -> list[tuple[bool, float]]:
        self._kept = np.concatenate((self._kept, frames))[-self._horizon :]
        return list(self._detector.push(chosen))

    def finish(self) -> list[tuple[bool, float]]:
        return list(self._detector.finish())

    def answer(self, sample_count: int) -> Answer:
        recent = (self._kept, SAMPLE_RATE_HZ)
        recording = read_recording(recent, name=self._name, warn=False)
        (answer,) = self._recognizer.answer([recording], timeline=False)
        start_s = (sample_count - len(self._kept)) / SAMPLE_RATE_HZ
        return replace(answer, start=round(start_s, 3), end=round(sample_count / SAMPLE_RATE_HZ, 3))


class _Running:
    """The answer of all sound so far, carried on."""

    def __init__(self, recognizer: "Recognizer", name: str, selector: LiveChannelSelector) -> None:
        self._recognizer = recognizer
        self._name = name
        self._running = RunningAnswer(recognizer.checkpoint, recognizer.engine)
        self._selector = selector

    def push(self, frames: FloatArray, chosen: FloatArray) -> list[tuple[bool, float]]:
        return self._running.push(chosen)

    def finish(self) -> list[tuple[bool, float]]:
        return self._running.finish()

    def answer(self, sample_count: int) -> Answer:
        row = self._running.probabilities()
        probabilities = dict(zip(self._recognizer.emotions, row.tolist(), strict=True))
        predicted = decide(probabilities, self._recognizer.abstain_below)
        end_s = round(sample_count / SAMPLE_RATE_HZ, 3)
        answer = Answer(self._name, 0.0, end_s, probabilities, predicted)
        if self._selector.chosen is None:
            return answer
        text = (
            f"{self._name}: its channels cancel out in their mean; channel {self._selector.chosen},"
            " the loudest, is used instead"
        )
        return replace(answer, warnings=(AudioIssue(IssueKind.CHANNELS_CANCEL, text),))
