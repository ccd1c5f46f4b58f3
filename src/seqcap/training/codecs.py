"""Augmentation by codecs of telephones and messengers: recordings are coded and decoded.

Coding is slow compared with a training step, so each recording is coded once (`code_waveforms`).
"""

import io
from collections.abc import Callable, Sequence

import numpy as np
import soundfile
import soxr

from seqcap.audio.spectrogram import FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ

_GSM_HZ = 8000
_MP3_DELAY_SAMPLES = 1105  # of LAME and its decoder


def gsm(waveform: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Codes by GSM 06.10 full rate, 13 kbit/s at 8 kHz, and decodes.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.
        generator: Not used; the rate is fixed.

    Returns:
        About the same shape.
    """
    narrow = soxr.resample(waveform, SAMPLE_RATE_HZ, _GSM_HZ, quality="HQ")
    decoded = _coded(narrow, _GSM_HZ, format="WAV", subtype="GSM610")
    return np.asarray(soxr.resample(decoded, _GSM_HZ, SAMPLE_RATE_HZ, quality="HQ"), np.float32)


def opus(waveform: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Codes by Opus at about 12 to 24 kbit/s, and decodes.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.
        generator: Draws the bit rate.

    Returns:
        About the same shape.
    """
    # libsndfile: 256 kbit/s at level 0, 6 kbit/s at level 1.
    level = float(generator.uniform(0.928, 0.976))
    return _coded(waveform, SAMPLE_RATE_HZ, format="OGG", subtype="OPUS", compression_level=level)


def mp3(waveform: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Codes by MP3 at 16 to 40 kbit/s, and decodes.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.
        generator: Draws the bit rate.

    Returns:
        About the same shape, the codec's delay removed.
    """
    decoded = _coded(
        waveform,
        SAMPLE_RATE_HZ,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=float(generator.uniform(0.78, 0.95)),
    )
    return decoded[_MP3_DELAY_SAMPLES:]


CODECS: dict[str, Callable[[FloatArray, np.random.Generator], FloatArray]] = {
    "gsm": gsm,
    "opus": opus,
    "mp3": mp3,
}


def code_waveforms(waveforms: Sequence[FloatArray], seed: int) -> list[FloatArray]:
    """Codes each recording by one codec, drawn at random, and decodes it again.

    Args:
        waveforms: 16 kHz mono, each of shape ``(samples,)``.
        seed: Random seed; each recording's draw depends on it and on the recording's index.

    Returns:
        Waveforms of the same lengths and levels.
    """
    coded = []
    for place, waveform in enumerate(waveforms):
        generator = np.random.default_rng((seed, 1, place))
        code = list(CODECS.values())[generator.integers(len(CODECS))]
        peak = float(np.abs(waveform).max(initial=1e-9))
        loud = waveform * np.float32(0.5 / peak)  # well above the codecs' quantisation step
        changed = code(loud, generator)[: len(waveform)]
        changed = np.pad(changed, (0, len(waveform) - len(changed)))
        coded.append(changed * np.float32(peak / 0.5))
    return coded


def _coded(waveform: FloatArray, rate_hz: int, **how: object) -> FloatArray:
    file = io.BytesIO()
    soundfile.write(file, waveform, rate_hz, **how)
    file.seek(0)
    decoded, decoded_hz = soundfile.read(file, dtype="float32")
    if decoded_hz != rate_hz:  # Opus decodes to 48 kHz
        decoded = soxr.resample(decoded, decoded_hz, rate_hz, quality="HQ")
    return np.asarray(decoded, np.float32)
