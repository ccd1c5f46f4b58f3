"""Signal checks: why a recording is refused or gets a warning, chunk by chunk."""

import math
import warnings
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from seqcap.audio.issues import AudioIssue, IssueKind
from seqcap.audio.recording import Recording, Samples
from seqcap.errors import AudioError, AudioWarning

# Choice: floating-point recordings may pass full scale; 24 dB above it they are unscaled integers.
_MAXIMUM_PEAK = 16.0
# Choice: half a step of 16 bit and less is silence: what a lossy format leaves of zeros.
_SILENCE_PEAK = 2.0**-16
# Choice: three samples in a row at full scale are cut off; a normalised recording touches it once.
# Single clicks do not change an emotion, so one clipped sample in a thousand is let through.
_CLIPPED_SHARE = 0.001
# Choice: a mean of a tenth of the deviation is an offset; speech has one of a hundredth.
_OFFSET_SHARE = 0.1
_SHORT_S = 0.5

# Choice: 32 ms every 64 ms are enough for a mean spectrum, and cost a hundredth of the reading.
_FRAME_SAMPLES = 512
_STEP_SAMPLES = 1024
_BIN_HZ = 16000 / _FRAME_SAMPLES
_SPEECH_BAND = slice(round(300 / _BIN_HZ), round(3400 / _BIN_HZ))
_UPPER_BAND = slice(round(3900 / _BIN_HZ), round(7000 / _BIN_HZ))
# Choice: between the upper band's power, against the speech band, of 180 recordings of EMO-DB,
# RAVDESS and nEMO (-33 dB and more) and of the same as 8-kHz mu-law (-48 dB and less).
_NARROW_DB = -42.0
_NARROW_RATE_HZ = 8000.0
# Choice: pauses of the same lie 25 dB and more below the speech, with noise 10 dB below it 8 to 23
# dB, with noise as loud as the speech 2 to 14 dB.
_NOISY_DB = 12.0
_NOISE_JUDGED_S = 1.0
_WINDOW = np.hanning(_FRAME_SAMPLES).astype(np.float32)

# These say that the samples themselves are wrong; the others, that the answer is less certain.
_WARNED = (
    IssueKind.SILENCE,
    IssueKind.CHANNELS_CANCEL,
    IssueKind.CLIPPED,
    IssueKind.UNFINISHED,
    IssueKind.DAMAGED,
)


class SignalChecker:
    """What is kept of the chunks, to refuse a recording or to warn of it.

    Args:
        recording: Whose name, rate and largest sample count.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._frame_count = 0
        self._sample_count = 0
        self._clipped_count = 0
        self._peak = 0.0  # of what is recognised
        self._before = np.zeros((2, 1), bool)  # were the last two frames at full scale?
        self._sum = self._square_sum = 0.0
        self._spectrum = np.zeros(_FRAME_SAMPLES // 2 + 1)
        self._levels: list[npt.NDArray[np.float64]] = []
        self._waveform_count = 0

    def add(self, frames: Samples, mono: Samples, start_s: float) -> None:
        """Looks at the next frames, (frames, channels), and at what is made of them, (frames,).

        Args:
            frames: As decoded, shape ``(frame, channel)``.
            mono: Their mean, shape ``(frame,)``.
            start_s: Where they begin, s.

        Raises:
            AudioError: NaN, infinity, or samples far beyond full scale.
        """
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
        self._peak = max(self._peak, peak if frames.shape[1] == 1 else _peak(mono))
        self._sum += float(mono.sum(dtype=float))
        self._square_sum += float(np.dot(mono, mono))
        self._count_clipped(frames, peak)

    def add_waveform(self, waveform: Samples) -> None:
        """Looks at the next samples of the 16-kHz waveform, shape ``(samples,)``.

        Args:
            waveform: 16 kHz mono, shape ``(samples,)``.
        """
        self._waveform_count += len(waveform)
        if len(waveform) < _FRAME_SAMPLES:
            return
        frames = np.lib.stride_tricks.sliding_window_view(waveform, _FRAME_SAMPLES)[::_STEP_SAMPLES]
        powers = np.square(np.abs(np.fft.rfft(frames * _WINDOW))).astype(float)
        self._spectrum += powers.sum(0)
        self._levels.append(powers[:, _SPEECH_BAND].sum(1))

    def report(self) -> list[AudioIssue]:
        """Lists what is wrong, once all chunks have been added."""
        found = [*self._recording.issues, *self._sample_issues(), *self._spectral_issues()]
        name = self._recording.name
        return [AudioIssue(kind, f"{name}: {text}") for kind, text in dict.fromkeys(found)]

    def _sample_issues(self) -> list[tuple[IssueKind, str]]:
        found = []
        if self._peak <= _SILENCE_PEAK:
            text = "digital silence; speech is expected, its emotions would mean nothing"
            return [(IssueKind.SILENCE, text)]
        clipped_share = self._clipped_count / self._sample_count
        if clipped_share > _CLIPPED_SHARE:
            text = (
                f"{100 * clipped_share:.1f} % of the samples are clipped; record at a lower level"
            )
            found.append((IssueKind.CLIPPED, f"{text}, its emotions are less certain"))
        mean = self._sum / self._frame_count
        deviation = math.sqrt(max(0.0, self._square_sum / self._frame_count - mean**2))
        if abs(mean) > max(_OFFSET_SHARE * deviation, _SILENCE_PEAK):
            text = f"a constant offset of {mean:.2g}; check the recorder"
            found.append((IssueKind.CONSTANT_OFFSET, text))
        duration_s = self._frame_count / self._recording.rate_hz
        if duration_s < _SHORT_S:
            text = f"{duration_s:.2f} s are short; emotions are less certain under {_SHORT_S} s"
            found.append((IssueKind.SHORT, text))
        return found

    def _spectral_issues(self) -> list[tuple[IssueKind, str]]:
        speech = float(self._spectrum[_SPEECH_BAND].sum())
        if self._peak <= _SILENCE_PEAK or speech <= 0:
            return []
        found = []
        upper_db = 10 * math.log10(max(float(self._spectrum[_UPPER_BAND].sum()) / speech, 1e-12))
        if self._recording.rate_hz <= _NARROW_RATE_HZ or upper_db < _NARROW_DB:
            text = "nothing above 3.9 kHz, as over a telephone; emotions are less certain"
            found.append((IssueKind.NARROW_BAND, text))
        levels = np.concatenate(self._levels)
        if self._waveform_count >= _NOISE_JUDGED_S * 16000:
            quiet, loud = np.percentile(levels, (5, 95))
            if quiet > 0 and 10 * math.log10(loud / quiet) < _NOISY_DB:
                text = "no pause is much quieter than the rest: noise, emotions are less certain"
                found.append((IssueKind.NOISY, text))
        return found

    def _count_clipped(self, frames: Samples, peak: float) -> None:
        if peak < self._recording.full_scale:
            self._before = np.zeros((2, 1), bool)
            return
        before = np.broadcast_to(self._before, (2, frames.shape[1]))
        full = np.concatenate((before, np.abs(frames) >= self._recording.full_scale))
        self._clipped_count += int(np.count_nonzero(full[2:] & full[1:-1] & full[:-2]))
        self._before = full[-2:]


def warn_of(issues: Iterable[AudioIssue], *, less_certain: bool = False) -> None:
    """Warns of what is wrong with the samples themselves.

    Args:
        issues: As `SignalChecker.report` gives them.
        less_certain: Warn of the other kinds instead, which only make an answer less certain.
    """
    for issue in issues:
        if (issue.kind in _WARNED) != less_certain:
            warnings.warn(issue.text, AudioWarning, stacklevel=2)


def _peak(samples: Samples) -> float:
    with np.errstate(invalid="ignore"):  # NaN is what we look for
        return max(float(samples.max()), -float(samples.min()))
