"""Augmentation: random changes of training segments.

Every function takes its random generator. Waveforms ``(samples,)``, log spectrograms
``(frame, bin)``.
"""

from dataclasses import dataclass

import numpy as np
import soxr

from seqcap.audio.spectrogram import BIN_COUNT, FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.errors import SettingsError
from seqcap.training.channels import (
    clip,
    draw_noise,
    equalise,
    low_pass,
    reverberate,
    telephone,
)
from seqcap.training.settings_history import added_field

_MOST = {
    "speed": 1.0,
    "stretch": 1.0,
    "noise_share": 1.0,
    "speaker_mixing": 2.0,
    "equaliser_share": 1.0,
    "telephone_share": 1.0,
    "low_pass_share": 1.0,
    "room_share": 1.0,
    "clip_share": 1.0,
    "codec_share": 1.0,
}


@dataclass(frozen=True)
class Augmentation:
    """How far a training segment may be changed.

    Attributes:
        speed: Largest factor of speed-up or slow-down, minus one; the pitch changes too.
        stretch: Largest factor of a further change of tempo, minus one; the pitch stays.
        gain_db: Largest change of level, up or down.
        tilt_db: Largest change of level between the lowest and the highest bin, up or down.
        noise_share: Share of segments that get noise.
        noise_snr_db: Lowest and highest signal-to-noise ratio of that noise.
        masks: Number of bands, and of spans of time, that are masked (SpecAugment).
        mask_bins: Widest band, bins.
        mask_frames: Longest span, frames.
        equaliser_share: Share of segments that get a random equaliser.
        equaliser_db: Largest gain or loss of the equaliser, dB.
        telephone_share: Share of segments limited to a telephone's band and coded in mu-law.
        low_pass_share: Share of segments that lose their high frequencies, as in low-rate codecs.
        room_share: Share of segments that get reverberation.
        clip_share: Share of segments whose peaks are clipped.
        codec_share: Share of segments cut from recordings coded as GSM, Opus or MP3. Each
            recording is coded once for a training.
        recorded_noise: Draw noise also from the folder in the environment variable SEQCAP_NOISE,
            and mains hum.
        speaker_mixing: Speaker-statistics mixing, as MixStyle (Zhou et al., "Domain
            generalization with MixStyle", 2021). Largest share of the difference between the mean
            spectra of two training speakers that is added to a segment; above 1 it goes beyond
            the other speaker. Not used where the speaker's mean is subtracted.

    Raises:
        SettingsError: A number out of range.

    Example:
        >>> Augmentation(noise_share=0.0).speed
        0.12
    """

    speed: float = 0.12
    stretch: float = added_field(0.0, neutral=0.0)
    gain_db: float = 3.0
    tilt_db: float = 3.0
    noise_share: float = 0.1
    noise_snr_db: tuple[float, float] = (10.0, 40.0)
    masks: int = 1
    mask_bins: int = 32
    mask_frames: int = 16
    speaker_mixing: float = added_field(0.0, neutral=0.0)
    equaliser_share: float = added_field(0.0, neutral=0.0)
    equaliser_db: float = added_field(8.0, neutral=8.0)
    telephone_share: float = added_field(0.0, neutral=0.0)
    low_pass_share: float = added_field(0.0, neutral=0.0)
    room_share: float = added_field(0.0, neutral=0.0)
    clip_share: float = added_field(0.0, neutral=0.0)
    codec_share: float = added_field(0.0, neutral=0.0)
    recorded_noise: bool = added_field(False, neutral=False)

    def __post_init__(self) -> None:
        """Refuses numbers out of range."""
        for name, most in _MOST.items():
            if not 0.0 <= getattr(self, name) <= most:
                raise SettingsError(
                    f"setting 'augmentation.{name}': {getattr(self, name)} came, "
                    f"0 to {most:g} is expected"
                )
        for name in ("gain_db", "tilt_db", "equaliser_db", "masks", "mask_bins", "mask_frames"):
            if not getattr(self, name) >= 0:
                raise SettingsError(
                    f"setting 'augmentation.{name}': {getattr(self, name)} came, 0 is the least"
                )
        if len(self.noise_snr_db) != 2 or not self.noise_snr_db[0] <= self.noise_snr_db[1]:
            raise SettingsError(
                f"setting 'augmentation.noise_snr_db': {list(self.noise_snr_db)} came, "
                "the lowest and the highest ratio are expected"
            )

    @property
    def changes_channel(self) -> bool:
        """Whether rooms, channels or clipping may change segments."""
        shares = (
            self.equaliser_share,
            self.telephone_share,
            self.low_pass_share,
            self.room_share,
            self.clip_share,
        )
        return any(shares)


def draw_factor(largest: float, generator: np.random.Generator) -> float:
    """Draws a factor, above and below one with equal probability.

    Args:
        largest: Largest factor minus one, 0 or more.
        generator: Source of the random numbers.

    Returns:
        From ``1 / (1 + largest)`` to ``1 + largest``.

    Example:
        >>> draw_factor(0.0, np.random.default_rng(0))
        1.0
    """
    limit = np.log1p(largest)
    return float(np.exp(generator.uniform(-limit, limit)))


def change_speed(waveform: FloatArray, speed: float) -> FloatArray:
    """Changes the speed of a waveform, and its pitch with it.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.
        speed: Factor above zero; 2 is twice as fast.

    Returns:
        Shape ``(samples / speed,)``, up to rounding.

    Example:
        >>> change_speed(np.zeros(1600, np.float32), 2.0).shape
        (800,)
    """
    if speed == 1:
        return waveform
    resampled = soxr.resample(waveform, SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ, quality="MQ")
    return np.asarray(resampled, np.float32)


def augment_waveform(
    waveform: FloatArray, settings: Augmentation, generator: np.random.Generator
) -> FloatArray:
    """Applies reverberation, noise, clipping, channels and gain to a segment, in this order.

    No random number is drawn for a change whose share is 0, so that earlier trainings can be
    repeated.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``.
        settings: Shares and limits.
        generator: Source of the random numbers.

    Returns:
        The same shape.

    Example:
        >>> louder = Augmentation(gain_db=6, noise_share=0)
        >>> tone = np.full(4, 0.1, np.float32)
        >>> changed = augment_waveform(tone, louder, np.random.default_rng(0))
        >>> bool(np.all(np.abs(20 * np.log10(changed / tone)) <= 6))
        True
    """
    before = np.sqrt(np.mean(waveform**2))
    if settings.room_share and generator.random() < settings.room_share:
        waveform = reverberate(waveform, generator)
    if generator.random() < settings.noise_share:
        snr_db = generator.uniform(*settings.noise_snr_db)
        if settings.recorded_noise:
            noise = draw_noise(len(waveform), generator)
        else:
            noise = generator.standard_normal(len(waveform), np.float32)
            if generator.random() < 0.5:  # half white, half falling with frequency as in rooms
                falling = np.float32(0.9) ** np.arange(64, dtype=np.float32)
                noise = np.convolve(noise, falling, "same")
        mean_square = max(float(np.mean(noise**2)), 1e-12)
        level = np.sqrt(np.mean(waveform**2) / mean_square) * 10 ** (-snr_db / 20)
        waveform = waveform + noise * np.float32(level)
    if settings.clip_share and generator.random() < settings.clip_share:
        waveform = clip(waveform, generator)
    if settings.equaliser_share and generator.random() < settings.equaliser_share:
        waveform = equalise(waveform, settings.equaliser_db, generator)
    if settings.telephone_share and generator.random() < settings.telephone_share:
        waveform = telephone(waveform, generator)
    elif settings.low_pass_share and generator.random() < settings.low_pass_share:
        waveform = low_pass(waveform, generator)
    if settings.changes_channel:  # back to the recording's level
        after = np.sqrt(np.mean(waveform**2))
        waveform = waveform * np.float32(before / max(after, 1e-9))
    gain_db = generator.uniform(-settings.gain_db, settings.gain_db)
    return waveform * np.float32(10 ** (gain_db / 20))


def stretch_time(spectrogram: FloatArray, factor: float) -> FloatArray:
    """Stretches a spectrogram in time by interpolation between frames; pitch stays.

    Args:
        spectrogram: Log magnitudes, shape ``(frame, bin)``.
        factor: Above zero; 2 is twice as long.

    Returns:
        Shape ``(frame * factor, bin)``, up to rounding.

    Example:
        >>> stretch_time(np.array([[0.0], [1.0], [2.0]], np.float32), 1.7).ravel().tolist()
        [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    count = len(spectrogram)
    places = np.linspace(0, count - 1, max(1, round(count * factor)), dtype=np.float32)
    before = places.astype(np.intp)
    after = np.minimum(before + 1, count - 1)
    share = (places - before)[:, None]
    return spectrogram[before] * (1 - share) + spectrogram[after] * share


def augment_spectrogram(
    spectrogram: FloatArray, settings: Augmentation, generator: np.random.Generator
) -> FloatArray:
    """Tilts the spectrum and masks bands and spans of a normalised log spectrogram (SpecAugment).

    Args:
        spectrogram: Normalised, so that zero is the mean; shape ``(frame, bin)``; changed in place.
        settings: Limits of tilt and masks.
        generator: Source of the random numbers.

    Returns:
        The same array.

    Example:
        >>> only_masks = Augmentation(tilt_db=0, masks=2)
        >>> spectrogram = np.ones((200, 512), np.float32)
        >>> _ = augment_spectrogram(spectrogram, only_masks, np.random.default_rng(0))
        >>> np.unique(spectrogram).tolist()
        [0.0, 1.0]
    """
    tilt_db = generator.uniform(-settings.tilt_db, settings.tilt_db)
    # A factor of e is 8.7 dB; the deviation of log magnitudes is near two.
    spectrogram += np.linspace(-0.5, 0.5, BIN_COUNT, dtype=np.float32) * np.float32(tilt_db / 17.4)
    for _ in range(settings.masks):
        start, width = _span(BIN_COUNT, settings.mask_bins, generator)
        spectrogram[:, start : start + width] = 0
        start, width = _span(len(spectrogram), settings.mask_frames, generator)
        spectrogram[start : start + width] = 0
    return spectrogram


def _span(size: int, widest: int, generator: np.random.Generator) -> tuple[int, int]:
    width = int(generator.integers(0, min(widest, size // 4) + 1))
    return int(generator.integers(0, size - width + 1)), width
