"""Random effects of rooms, microphones, telephones and codecs on sound.

Every function takes a waveform ``(samples,)`` at 16 kHz and its random generator. It returns a
waveform of the same length.
"""

import functools
import os
from pathlib import Path

import numpy as np
import soxr

from seqcap.audio.spectrogram import FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.errors import SettingsError

NOISE_FOLDER = "SEQCAP_NOISE"  # names an environment variable
_NOISE_ENDINGS = (".ogg", ".wav", ".flac", ".mp3")
_MU = 255.0
# Time of a decay by 60 dB, shortest and longest.
_REVERBERATION_S = (0.1, 0.9)


def equalise(waveform: FloatArray, largest_db: float, generator: np.random.Generator) -> FloatArray:
    """Filters with a smooth random curve, as microphones and loudspeakers do.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.
        largest_db: Largest gain or loss at a frequency, dB.
        generator: Source of the random numbers.

    Returns:
        The same shape.
    """
    knots = generator.uniform(-largest_db, largest_db, 6)
    frequencies = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE_HZ)
    # Knots an octave apart from 250 Hz on.
    places = np.log2(np.maximum(frequencies, 1) / 250)
    curve = 10 ** (np.interp(places, np.arange(6), knots) / 20)
    return _filtered(waveform, curve)


def telephone(waveform: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Limits to a telephone's band at 8 kHz, coded in 8-bit mu-law (ITU-T G.711).

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.
        generator: Source of the random numbers.

    Returns:
        The same shape.
    """
    narrow = _resampled(waveform, SAMPLE_RATE_HZ, 8000)
    frequencies = np.fft.rfftfreq(len(narrow), 1 / 8000)
    low_hz, high_hz = generator.uniform(50, 350), generator.uniform(3300, 3900)
    band = (1 / (1 + (low_hz / np.maximum(frequencies, 1)) ** 6)) * (frequencies < high_hz)
    narrow = _filtered(narrow, band)
    peak = max(float(np.abs(narrow).max()), 1e-9) / generator.uniform(0.1, 0.9)
    compressed = np.sign(narrow) * np.log1p(_MU * np.abs(narrow / peak)) / np.log1p(_MU)
    rounded = np.round(compressed * 127) / 127
    expanded = np.sign(rounded) * np.expm1(np.abs(rounded) * np.log1p(_MU)) / _MU * peak
    return _fit_length(_resampled(expanded.astype(np.float32), 8000, SAMPLE_RATE_HZ), len(waveform))


def low_pass(waveform: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Removes the frequencies above a random one, 3 to 7 kHz, as low-rate codecs do.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.
        generator: Source of the random numbers.

    Returns:
        The same shape.
    """
    frequencies = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE_HZ)
    return _filtered(waveform, (frequencies < generator.uniform(3000, 7000)).astype(float))


def reverberate(waveform: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Adds reverberation: low-passed noise that decays exponentially, convolved with the sound.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.
        generator: Source of the random numbers.

    Returns:
        The same shape.
    """
    decay_s = generator.uniform(*_REVERBERATION_S)
    times = np.arange(int(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = generator.standard_normal(len(times)) * 10 ** (-3 * times / decay_s)
    tail = np.convolve(tail, 0.7 ** np.arange(16))[: len(tail)]
    ratio_db = generator.uniform(0, 15)  # direct to reverberant energy
    tail *= 10 ** (-ratio_db / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    size = 1 << (len(waveform) + len(tail)).bit_length()
    spectrum = np.fft.rfft(waveform, size) * np.fft.rfft(tail, size)
    return np.fft.irfft(spectrum, size)[: len(waveform)].astype(np.float32)


def clip(waveform: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Clips peaks, at most the loudest hundredth of the samples.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.
        generator: Source of the random numbers.

    Returns:
        The same shape.
    """
    limit = np.quantile(np.abs(waveform), generator.uniform(0.99, 1.0))
    return np.clip(waveform, -limit, limit)


def draw_noise(count: int, generator: np.random.Generator) -> FloatArray:
    """Draws recorded noise from the folder in `SEQCAP_NOISE`, if it is set, or synthetic noise.

    Args:
        count: Number of samples.
        generator: Source of the random numbers.

    Returns:
        Shape ``(count,)``; the level is arbitrary.

    Raises:
        SettingsError: The folder holds no audio.
    """
    recorded = recorded_noises(os.environ.get(NOISE_FOLDER, ""))
    if recorded and generator.random() < 0.7:
        noise = recorded[generator.integers(len(recorded))]
        start = int(generator.integers(len(noise)))
        return np.take(noise, np.arange(start, start + count), mode="wrap")
    noise = generator.standard_normal(count, np.float32)
    if generator.random() < 0.5:  # half white, half falling with frequency as in rooms
        noise = np.convolve(noise, np.float32(0.9) ** np.arange(64, dtype=np.float32), "same")
    if generator.random() < 0.2:  # mains hum and its overtones
        times = np.arange(count) / SAMPLE_RATE_HZ
        hum = sum(np.sin(2 * np.pi * 50 * k * times) / k for k in range(1, 8))
        noise = noise + np.float32(3) * np.asarray(hum, np.float32)
    return noise


@functools.cache
def recorded_noises(folder: str) -> tuple[FloatArray, ...]:
    """Loads the noises of a folder for training; names that begin with 5 are kept for tests.

    Args:
        folder: A folder, searched with its subfolders; "" for none.

    Returns:
        Waveforms at 16 kHz; silent ones are left out.

    Raises:
        SettingsError: The folder holds no audio.
    """
    if not folder:
        return ()
    files = [
        file
        for file in sorted(Path(folder).rglob("*"))
        if file.suffix.lower() in _NOISE_ENDINGS and not file.name.startswith("5")
    ]
    if not files:
        raise SettingsError(f"{NOISE_FOLDER}: {folder} holds no audio; name a folder of noises")
    loaded = [load_waveform(file) for file in files]
    return tuple(noise for noise in loaded if np.square(noise).mean() > 1e-8)


def _filtered(
    waveform: FloatArray, curve: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> FloatArray:
    spectrum = np.fft.rfft(waveform) * curve
    return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)


def _resampled(waveform: FloatArray, from_hz: int, to_hz: int) -> FloatArray:
    return np.asarray(soxr.resample(waveform, from_hz, to_hz, quality="MQ"), np.float32)


def _fit_length(waveform: FloatArray, count: int) -> FloatArray:
    return np.pad(waveform[:count], (0, max(0, count - len(waveform))))
