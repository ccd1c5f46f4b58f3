"""Waveform to log-magnitude spectrogram, Sec. VI-A: the one input of every system.

Axis order: ``(frame, bin)``. Frames are 10 ms apart, bins 10 Hz.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcap.audio.waveform import SAMPLE_RATE_HZ

WINDOW_SAMPLES = 640  # the Hann window, 40 ms
SHIFT_SAMPLES = 160  # 10 ms
DFT_SAMPLES = 1600  # 16000 / 1600 = 10 Hz grid
BIN_COUNT = 512  # 0 to 5.11 kHz
FRAMES_PER_S = SAMPLE_RATE_HZ // SHIFT_SAMPLES

# Choice: the paper takes a logarithm and does not say of what in silence. Below this magnitude,
# that of white noise at about -84 dB of full scale, differences are not looked at.
FLOOR = 1e-3

FloatArray = NDArray[np.float32]

_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)).astype(
    np.float32
)
_FRAMES_AT_ONCE = 256  # what stays in a core's cache


def frame_count(sample_count: int) -> int:
    """Counts frames: one for every started 10 ms.

    Example:
        >>> frame_count(16000), frame_count(16001), frame_count(640)
        (100, 101, 4)
    """
    return -(-sample_count // SHIFT_SAMPLES)


def magnitudes(waveform: FloatArray) -> FloatArray:
    """Magnitudes of the windowed DFT of every frame.

    Frame t starts at sample 160 t; the last frames reach over the end, where zeros stand.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.

    Returns:
        Shape ``(frame, 512)``, 0 to 320 for samples within [-1, 1].
    """
    return np.sqrt(_powers(waveform))


def log_spectrogram(waveform: FloatArray) -> FloatArray:
    """Log magnitudes of every frame, not normalised, Sec. VI-A.

    Sound moved by 160 samples moves frames by one.

    Args:
        waveform: 16 kHz mono within [-1, 1], shape ``(samples,)``, at least one sample.

    Returns:
        Natural logarithms, shape ``(frame, 512)``, one frame for every started 10 ms.

    Example:
        >>> log_spectrogram(np.zeros(16000, np.float32)).shape
        (100, 512)
    """
    powers = _powers(waveform)
    powers += FLOOR**2
    np.log(powers, out=powers)
    powers *= 0.5
    return powers


def _powers(waveform: FloatArray) -> FloatArray:
    count = frame_count(len(waveform))
    padded = np.zeros((count - 1) * SHIFT_SAMPLES + WINDOW_SAMPLES, np.float32)
    padded[: len(waveform)] = waveform
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::SHIFT_SAMPLES]
    powers = np.empty((count, BIN_COUNT), np.float32)
    for start in range(0, count, _FRAMES_AT_ONCE):
        part = slice(start, start + _FRAMES_AT_ONCE)
        spectra = np.fft.rfft(frames[part] * _HANN, DFT_SAMPLES)[:, :BIN_COUNT]
        np.square(spectra.real, out=powers[part])
        powers[part] += np.square(spectra.imag)
    return powers


def loudness(waveform: FloatArray) -> float:
    """Root mean square of the louder half of a recording, by started 10 ms.

    Pauses, and silence before and after, count for nothing.

    Args:
        waveform: Shape ``(samples,)``, at least one sample.

    Example:
        >>> loudness(np.r_[np.zeros(1600), np.full(1600, 0.5)].astype(np.float32))
        0.5
    """
    count = frame_count(len(waveform))
    padded = np.zeros(count * SHIFT_SAMPLES, np.float32)
    padded[: len(waveform)] = waveform
    powers = np.square(padded).reshape(count, SHIFT_SAMPLES).mean(axis=1, dtype=float)
    return float(np.sqrt(np.sort(powers)[count // 2 :].mean()))


@dataclass(frozen=True)
class Normalisation:
    """Zero mean and unit variance, by statistics of the training part only, Sec. VI-A.

    Choice: recordings can also be brought to one level first, which a microphone's distance
    decides as much as a speaker's emotion.

    Attributes:
        mean: Shape ``(512,)``.
        deviation: Shape ``(512,)``, above zero.
        level: What the louder half of a recording is brought to (see `loudness`); 0 leaves
            recordings as they are.
    """

    mean: FloatArray
    deviation: FloatArray
    level: float = 0.0

    def spectrogram(self, waveform: FloatArray) -> FloatArray:
        """Log magnitudes of a whole recording at this level, not yet normalised."""
        return log_spectrogram(waveform * self.gain(waveform))

    def gain(self, waveform: FloatArray) -> np.float32:
        """What a whole recording is multiplied with; 1 for digital silence."""
        loud = loudness(waveform) if self.level else 0.0
        return np.float32(self.level / loud if loud else 1.0)

    def __call__(self, spectrogram: FloatArray) -> FloatArray:
        """Normalises log magnitudes, shape ``(..., 512)``."""
        return (spectrogram - self.mean) / self.deviation
