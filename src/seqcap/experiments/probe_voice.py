"""Synthetic utterances that differ only in where a rise of pitch stands, after Fig. 1.

A voice is a sum of harmonics behind formants. Speaker, vowels, loudness, noise, duration and the
rise's height and width are drawn independently of the rise's place, and the pitch is otherwise
flat: a system that knows neither order nor an edge beside the rise has nothing to tell places by.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcap.audio.spectrogram import FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ

# Not "end": that is a column of every corpus table.
PLACES = ("early", "middle", "late")

_CONTROL_HZ = 200  # what changes slowly is drawn and computed this often
_VOWEL_S = 0.2  # from one vowel to the next
_FADE_S = 0.03
_HIGHEST_HZ = 5120.0  # what the spectrogram shows
_FORMANTS_HZ = ((300.0, 800.0), (900.0, 2200.0), (2400.0, 3000.0), (3400.0, 3900.0))
_BANDWIDTHS_HZ = (90.0, 120.0, 180.0, 250.0)
_GAINS = (1.0, 0.6, 0.35, 0.2)


@dataclass(frozen=True)
class Places:
    """How long utterances are and where in them a rise stands.

    Attributes:
        name: What the probe is called.
        duration_s: Shortest and longest utterance.
        distance_s: From the middle of the utterance to the middle of an early or late rise.
        jitter_s: How far a rise is moved at random, either way.
        width_s: Shortest and longest rise, from flat pitch to flat pitch.
    """

    name: str
    duration_s: tuple[float, float]
    distance_s: float
    jitter_s: float
    width_s: tuple[float, float] = (0.18, 0.22)

    @property
    def edge_s(self) -> float:
        """Least time between a rise and the nearer end of its utterance.

        Example:
            >>> round(Places("p", (2.0, 3.0), 0.4, 0.1, (0.2, 0.2)).edge_s, 3)
            0.4
        """
        away_s = self.distance_s + self.jitter_s + self.width_s[1] / 2
        return self.duration_s[0] / 2 - away_s

    @property
    def farthest_edge_s(self) -> float:
        """Greatest time between an early or late rise and the nearer end of its utterance."""
        away_s = self.distance_s - self.jitter_s + self.width_s[0] / 2
        return self.duration_s[1] / 2 - away_s


@dataclass(frozen=True)
class Voice:
    """A synthetic speaker.

    Attributes:
        pitch_hz: Of the flat part.
        tract: What formants are multiplied with: long vocal tracts below one.
        tilt_db: By how much the source falls in an octave.
    """

    pitch_hz: float
    tract: float
    tilt_db: float


@dataclass(frozen=True)
class Sketch:
    """One synthetic utterance.

    Attributes:
        waveform: 16 kHz, shape ``(samples,)``.
        pitch_hz: Its contour, 200 values a second.
    """

    waveform: FloatArray
    pitch_hz: NDArray[np.float64]

    @property
    def times_s(self) -> NDArray[np.float64]:
        """When each value of the contour is."""
        return np.arange(len(self.pitch_hz)) / _CONTROL_HZ


def draw_voice(generator: np.random.Generator) -> Voice:
    """Draws a speaker.

    Args:
        generator: Decides.

    Example:
        >>> 90 <= draw_voice(np.random.default_rng(0)).pitch_hz <= 220
        True
    """
    return Voice(
        pitch_hz=float(np.exp(generator.uniform(np.log(90), np.log(220)))),
        tract=generator.uniform(0.88, 1.18),
        tilt_db=generator.uniform(6, 12),
    )


def speak(voice: Voice, places: Places, place: str, generator: np.random.Generator) -> Sketch:
    """Makes an utterance with one rise of pitch.

    Args:
        voice: Who speaks.
        places: How long, and where rises stand.
        place: One of ``PLACES``.
        generator: Where everything else is drawn from, alike for every place.

    Returns:
        Waveform and contour.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> one_second = Places("p", (1, 1), 0.3, 0)
        >>> early = speak(draw_voice(generator), one_second, "early", generator)
        >>> round(float(early.times_s[early.pitch_hz.argmax()]), 1)
        0.2
    """
    duration_s = generator.uniform(*places.duration_s)
    times_s = np.arange(round(duration_s * _CONTROL_HZ)) / _CONTROL_HZ
    middle_s = duration_s / 2 + (PLACES.index(place) - 1) * places.distance_s
    middle_s += generator.uniform(-places.jitter_s, places.jitter_s)
    width_s = generator.uniform(*places.width_s)
    semitones = generator.uniform(8, 12)
    inside = np.abs(times_s - middle_s) < width_s / 2
    rise = np.where(inside, 0.5 + 0.5 * np.cos(2 * np.pi * (times_s - middle_s) / width_s), 0)
    shift = generator.uniform(-2, 2)  # how high this utterance is for its speaker
    pitch_hz = voice.pitch_hz * 2 ** ((shift + semitones * rise) / 12)
    formants_hz = [
        voice.tract * generator.uniform(low, high) * np.ones_like(times_s)
        for low, high in _FORMANTS_HZ
    ]
    samples = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * np.cumsum(np.interp(samples, times_s, pitch_hz)) / SAMPLE_RATE_HZ
    turn = np.exp(1j * phase).astype(np.complex64)
    harmonic, waveform = np.ones_like(turn), np.zeros(len(samples), np.float32)
    for number in range(1, int(_HIGHEST_HZ / pitch_hz.min()) + 1):
        harmonic *= turn
        level = _formant_gain(number * pitch_hz, formants_hz) * number ** (-voice.tilt_db / 6.02)
        level[number * pitch_hz > _HIGHEST_HZ] = 0
        waveform += harmonic.imag * np.interp(samples, times_s, level).astype(np.float32)
    waveform *= _wander(generator.uniform(0.6, 1, len(times_s)), times_s, samples)
    waveform *= np.clip(np.minimum(samples, duration_s - samples) / _FADE_S, 0, 1)
    noise = generator.standard_normal(len(samples), np.float32)
    noise *= waveform.std() * 10 ** (-generator.uniform(20, 35) / 20)
    sound = (waveform + noise) * generator.uniform(0.05, 0.2) / waveform.std()
    return Sketch(np.clip(sound, -1, 1).astype(np.float32), pitch_hz)


def _wander(
    drawn: NDArray[np.float64],
    times_s: NDArray[np.float64],
    where_s: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Goes straight from one drawn value to the next, one a vowel."""
    step = round(_VOWEL_S * _CONTROL_HZ)
    return np.interp(times_s if where_s is None else where_s, times_s[::step], drawn[::step])


def _formant_gain(
    frequencies_hz: NDArray[np.float64], formants_hz: list[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Level of a harmonic behind the formants."""
    peaks = zip(_GAINS, formants_hz, _BANDWIDTHS_HZ, strict=True)
    return sum(
        (gain / (1 + ((frequencies_hz - centre) / width) ** 2) for gain, centre, width in peaks),
        start=np.zeros_like(frequencies_hz),
    )
