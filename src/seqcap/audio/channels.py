"""From frames of several channels to one channel: their mean, or one of them.

Two microphones wired in opposition, or a stereo effect, make channels cancel in their mean.
"""

import numpy as np
import numpy.typing as npt

from seqcap.audio.issues import IssueKind
from seqcap.audio.recording import Recording, Samples
from seqcap.errors import AudioError

MIX = "mix"
_NAMED = {"left": 1, "right": 2}

# Choice: the mean of channels that have nothing in common has the sum of their powers over the
# square of their number. Below 0.4 of that they cancel; one speaking channel beside a silent one
# has 1, equal channels have their number.
_CANCELLING = 0.4
_JUDGED_FRAMES = 1600  # of live sound at a time, 0.1 s at 16 kHz


class ChannelSelector:
    """Makes one channel of several.

    Choice: where channels cancel in the mean, the loudest stands for all from there on.

    Args:
        recording: Whose frames come.
        channel: ``mix``, ``left``, ``right``, or a number from 1 on.

    Raises:
        AudioError: `channel` is none of these.
    """

    def __init__(self, recording: Recording, channel: str | int = MIX) -> None:
        self._recording = recording
        self._chosen = _channel_number(channel, recording.name)

    def __call__(self, frames: Samples) -> Samples:
        """Gives one channel, ``(frame, channel)`` to ``(frame,)``.

        Raises:
            AudioError: There is no such channel.
        """
        channel_count = frames.shape[1]
        if self._chosen is not None:
            if self._chosen > channel_count:
                raise AudioError(
                    f"{self._recording.name}: channel {self._chosen} was requested; it has"
                    f" {channel_count}"
                )
            return np.ascontiguousarray(frames[:, self._chosen - 1])
        if channel_count == 1:
            return np.ascontiguousarray(frames[:, 0])
        mono = mean_of_channels(frames)
        powers = _powers(frames)
        if _cancel(np.dot(mono, mono), powers):
            self._chosen = int(powers.argmax()) + 1
            text = (
                f"its channels cancel out in their mean; channel {self._chosen}, the loudest, is"
                " used instead; --channel takes another"
            )
            self._recording.issues.append((IssueKind.CHANNELS_CANCEL, text))
            return np.ascontiguousarray(frames[:, self._chosen - 1])
        return mono


class LiveChannelSelector:
    """Makes one channel of several while they come, without looking ahead.

    Choice: every 0.1 s all sound so far is judged as that of a file. Once channels cancel, the
    loudest stands for all from there on; what was given before stays.

    Attributes:
        chosen: The number of the channel that stands for all, from 1 on; None for the mean.
    """

    def __init__(self) -> None:
        self.chosen: int | None = None
        self._count = 0
        self._mean_power = 0.0
        self._powers: npt.NDArray[np.float64] | float = 0.0

    def __call__(self, frames: Samples) -> Samples:
        """Gives one channel of the next frames, ``(frame, channel)`` to ``(frame,)``."""
        if frames.shape[1] == 1:
            return frames[:, 0]
        parts = [np.empty(0, np.float32)]
        while len(frames):
            until_judged = _JUDGED_FRAMES - self._count % _JUDGED_FRAMES
            parts.append(self._part(frames[:until_judged]))
            frames = frames[until_judged:]
        return np.concatenate(parts)

    def _part(self, frames: Samples) -> Samples:
        self._count += len(frames)
        if self.chosen is not None:
            return frames[:, self.chosen - 1]
        mono = mean_of_channels(frames)
        self._mean_power += float(np.dot(mono, mono))
        self._powers = self._powers + _powers(frames)
        if self._count % _JUDGED_FRAMES == 0 and _cancel(self._mean_power, self._powers):
            self.chosen = int(self._powers.argmax()) + 1
        return mono


def _powers(frames: Samples) -> npt.NDArray[np.float64]:
    """The power of each channel, summed over frames."""
    powers: npt.NDArray[np.float64] = np.einsum("fc,fc->c", frames, frames, dtype=float)
    return powers


def _cancel(mean_power: float, powers: npt.NDArray[np.float64]) -> bool:
    return bool(mean_power < _CANCELLING * powers.sum() / len(powers) ** 2)


def mean_of_channels(frames: Samples) -> Samples:
    """Averages channels, ``(frame, channel)`` to ``(frame,)``.

    Args:
        frames: Shape ``(frame, channel)``.

    Example:
        >>> mean_of_channels(np.array([[0.0, 1.0], [0.5, 0.5]], np.float32)).tolist()
        [0.5, 0.5]
    """
    # Channel by channel: ten times faster than a mean over an axis of two.
    total = frames[:, 0] + frames[:, 1]
    for channel in range(2, frames.shape[1]):
        total += frames[:, channel]
    total /= frames.shape[1]
    return total


def _channel_number(channel: str | int, name: str) -> int | None:
    """The number of a channel, None for the mean of all."""
    if channel == MIX:
        return None
    text = str(channel).strip().lower()
    number = _NAMED.get(text, int(text) if text.isdecimal() and len(text) < 10 else 0)
    if number < 1:
        raise AudioError(
            f"{name}: channel {channel!r}; mix, left, right or a number from 1 on is expected"
        )
    return number
