"""Waveform to log-magnitude spectrogram, Sec. VI-A: the one input of every system.

Axis order: ``(frame, bin)``. Frames are 10 ms apart, bins 10 Hz.
"""

from collections.abc import Iterable, Iterator

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

REACH_FRAMES = WINDOW_SAMPLES // SHIFT_SAMPLES - 1
SILENT = float(np.log(FLOOR)) + 1e-4  # rounded

FloatArray = NDArray[np.float32]

HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)).astype(
    np.float32
)
_AS_IT_IS = np.float32(1)
_FRAMES_AT_ONCE = 256  # what stays in a core's cache


def frame_count(sample_count: int) -> int:
    """Counts frames: one for every started 10 ms.

    Args:
        sample_count: Samples at 16 kHz.

    Example:
        >>> frame_count(16000), frame_count(16001), frame_count(640)
        (100, 101, 4)
    """
    return -(-sample_count // SHIFT_SAMPLES)


def magnitudes(waveform: FloatArray) -> FloatArray:
    """Magnitudes of the windowed DFT of every frame, Sec. VI-A.

    Frame t starts at sample 160 t; the last frames reach over the end, where zeros stand.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.

    Returns:
        Shape ``(frame, 512)``, 0 to 320 for samples within [-1, 1].

    Example:
        >>> tone = np.cos(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)
        >>> int(magnitudes(tone)[50].argmax())  # bin 44 is 440 Hz
        44
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


def is_silent(spectrogram: FloatArray) -> bool:
    """Says whether a recording is digital silence.

    The last frames, which reach over the end of a recording, are left out if there are others.

    Args:
        spectrogram: Log magnitudes, not normalised, shape ``(frame, 512)``.

    Example:
        >>> is_silent(log_spectrogram(np.zeros(16000, np.float32)))
        True
    """
    inner = spectrogram[:-REACH_FRAMES] if len(spectrogram) > REACH_FRAMES else spectrogram
    return bool(inner.max() <= SILENT)


def _powers(waveform: FloatArray) -> FloatArray:
    count = frame_count(len(waveform))
    padded = np.zeros((count - 1) * SHIFT_SAMPLES + WINDOW_SAMPLES, np.float32)
    padded[: len(waveform)] = waveform
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::SHIFT_SAMPLES]
    powers = np.empty((count, BIN_COUNT), np.float32)
    for start in range(0, count, _FRAMES_AT_ONCE):
        part = slice(start, start + _FRAMES_AT_ONCE)
        spectra = np.fft.rfft(frames[part] * HANN, DFT_SAMPLES)[:, :BIN_COUNT]
        np.square(spectra.real, out=powers[part])
        powers[part] += np.square(spectra.imag)
    return powers


def log_spectrogram_blocks(
    blocks: Iterable[FloatArray], gain: np.float32 = _AS_IT_IS
) -> Iterator[FloatArray]:
    """Gives the frames of `log_spectrogram` for a waveform in blocks, with the memory of one block.

    Args:
        blocks: One after the other, each ``(samples,)``, as `waveform_blocks` gives them. Each but
            the last is a multiple of 10 ms long.
        gain: Factor that samples are multiplied with.

    Yields:
        Log magnitudes, ``(frame, 512)``; joined they equal `log_spectrogram` of the whole.

    Example:
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
        >>> joined = np.concatenate(list(log_spectrogram_blocks([noise[:16000], noise[16000:]])))
        >>> np.array_equal(joined, log_spectrogram(noise))
        True
    """
    waiting = np.empty(0, np.float32)
    for block in blocks:
        waiting = np.concatenate((waiting, block * gain))
        # Frames whose 640 samples are all there.
        ready = max(0, (len(waiting) - WINDOW_SAMPLES) // SHIFT_SAMPLES + 1)
        if ready:
            seen = (ready - 1) * SHIFT_SAMPLES + WINDOW_SAMPLES
            yield log_spectrogram(waiting[:seen])[:ready]
            waiting = waiting[ready * SHIFT_SAMPLES :]
    if len(waiting):
        yield log_spectrogram(waiting)
