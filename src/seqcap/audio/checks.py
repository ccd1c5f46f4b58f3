"""What makes a recording worth refusing or doubting: its samples, looked at as they pass by."""

import math
import warnings

import numpy as np

from seqcap.audio.recording import Recording, Samples
from seqcap.errors import AudioError, AudioWarning

# Choice: floating-point recordings may pass full scale; 24 dB above it they are unscaled integers.
_MAXIMUM_PEAK = 16.0
# Choice: half a step of 16 bit and less is silence: what a lossy format leaves of zeros.
_SILENCE_PEAK = 2.0**-16
# Choice: three samples in a row at full scale are cut off; a normalised recording touches it once.
# Single clicks do not change an emotion, so one clipped sample in a thousand is let through.
_CLIPPED_SHARE = 0.001


class SignalChecker:
    """What is remembered of the pieces, to refuse or to doubt a recording."""

    def __init__(self, recording: Recording) -> None:
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
