"""What recordings lose before a system sees them: offset, level, what is no speech, mean.

Axis order: ``(frame, bin)``. Frames are 10 ms apart, bins 10 Hz.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcap.audio.high_pass import HighPass
from seqcap.audio.spectrogram import (
    BIN_COUNT,
    SHIFT_SAMPLES,
    FloatArray,
    frame_count,
    log_spectrogram,
)
from seqcap.audio.speech_detection import (
    speech_frames,
    speech_probabilities,
    speech_probabilities_of_blocks,
)

Mask = NDArray[np.bool_]
NO_FRAMES = np.empty((0, BIN_COUNT), np.float32)

_UNCHANGED = np.float32(1)
MARGIN_FRAMES = 10  # kept around what is left after trimming
_PRIOR_FRAMES = 500  # 5 s: the weight of the mean of all speakers in that of one speaker


@dataclass(frozen=True)
class NormalisationSettings:
    """What is normalised; by default, recordings stay as they are but for mean and deviation.

    Attributes:
        per_bin: Each bin has a mean and a deviation of its own; otherwise all share one.
        target_rms: RMS that the louder half of a recording is brought to (see
            `rms_of_louder_half`); 0 keeps the level. With the spectrogram's floor it decides how
            far below the loudest speech is still visible: 0.01 means 60 dB, 0.0018 45 dB.
        trim_db: The quiet before and after a recording, so far below its loudest 10 ms, is cut
            off (see `trim_bounds`); 0 keeps it.
        utterance_mean_norm: Utterance-level cepstral-style mean normalisation (CMN): share of its
            own mean over frames, bin by bin, that each recording loses, 0 to 1.
        speaker_mean_norm: Speaker-level CMN: share of the difference between a speaker's mean
            spectrum and the mean of all that the speaker's recordings lose, 0 to 1.
        speaker_feature_norm: The same for the features of a frozen speech encoder, in systems that
            have one: share of a speaker's mean features that the speaker's recordings lose, 0 to 1.
        high_pass_hz: Cut-off of the high-pass filter that removes a constant offset; 0: no filter.
        speech_only: Only frames with speech are kept, see
            `seqcap.audio.speech_detection`.

    Example:
        >>> NormalisationSettings(target_rms=0.01, trim_db=30.0).per_bin
        True
    """

    per_bin: bool = True
    target_rms: float = 0.0
    # "neutral": left out of a run's name at this value, see `seqcap.training.settings_history`.
    trim_db: float = field(default=0.0, metadata={"neutral": 0.0})
    utterance_mean_norm: float = field(default=0.0, metadata={"neutral": 0.0})
    speaker_mean_norm: float = field(default=0.0, metadata={"neutral": 0.0})
    speaker_feature_norm: float = field(default=0.0, metadata={"neutral": 0.0})
    high_pass_hz: float = field(default=0.0, metadata={"neutral": 0.0})
    speech_only: bool = field(default=False, metadata={"neutral": False})


def block_powers(waveform: FloatArray) -> NDArray[np.float64]:
    """Mean square of every started 10 ms; zeros follow the end.

    Args:
        waveform: 16 kHz mono, shape ``(samples,)``, at least one sample.

    Returns:
        Shape ``(frame,)``, 0 or more.

    Example:
        >>> block_powers(np.full(320, 0.5, np.float32)).tolist()
        [0.25, 0.25]
    """
    count = frame_count(len(waveform))
    padded = np.zeros(count * SHIFT_SAMPLES, np.float32)
    padded[: len(waveform)] = waveform
    return np.square(padded).reshape(count, SHIFT_SAMPLES).mean(axis=1, dtype=float)


def rms_of_louder_half(powers: NDArray[np.float64]) -> float:
    """Root mean square of the louder half of a recording, so that pauses do not count.

    Args:
        powers: Of the whole recording, shape ``(frame,)``, as `block_powers` gives them.

    Returns:
        0 for digital silence.

    Example:
        >>> half_silent = np.repeat([0.0, 0.5], 1600).astype(np.float32)
        >>> rms_of_louder_half(block_powers(half_silent))
        0.5
    """
    return float(np.sqrt(np.sort(powers)[len(powers) // 2 :].mean()))


def trim_bounds(powers: NDArray[np.float64], trim_db: float) -> tuple[int, int]:
    """Finds the speech between the quiet before and after it.

    Args:
        powers: Of the whole recording, shape ``(frame,)``, as `block_powers` gives them.
        trim_db: Quiet is this far below the loudest 10 ms, dB; 0 keeps everything.

    Returns:
        First frame, and the frame after the last one: from the first to the last frame that is not
        quiet, and 0.1 s around them.

    Example:
        >>> trim_bounds(np.repeat([0.0, 1.0, 0.0], 100), trim_db=30)
        (90, 210)
    """
    quiet_power = powers.max() * 10 ** (-trim_db / 10)
    loud = np.flatnonzero(powers > quiet_power)
    if not trim_db or not len(loud):  # digital silence is never loud
        return 0, len(powers)
    return max(0, int(loud[0]) - MARGIN_FRAMES), min(len(powers), int(loud[-1]) + 1 + MARGIN_FRAMES)


def keep_frames(samples: FloatArray, kept: Mask) -> FloatArray:
    """The samples of some frames, joined.

    Args:
        samples: From the beginning of a frame on, shape ``(samples,)``.
        kept: Which of their frames, shape ``(frame,)``.

    Example:
        >>> keep_frames(np.arange(400, dtype=np.float32), np.array([False, True, True])).size
        240
    """
    return samples[np.repeat(kept, SHIFT_SAMPLES)[: len(samples)]]


@dataclass(frozen=True)
class Normalisation:
    """Zero mean and unit variance, by statistics of the training part only, Sec. VI-A.

    Choice: recordings can also be scaled to one level, since the distance of a microphone changes
    it as much as an emotion does. They can be trimmed. And each can lose its own mean, which
    depends on microphone, room and voice, but also on loudness.

    Attributes:
        mean: Shape ``(512,)``; of what is left after mean normalisation.
        deviation: Shape ``(512,)``, above zero.
        settings: Level, trimming and mean normalisation.

    Example:
        >>> unchanged = Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32))
        >>> unchanged(np.full((1, 512), -3.0, np.float32))[0, 0]
        np.float32(-3.0)
    """

    mean: FloatArray
    deviation: FloatArray
    settings: NormalisationSettings = field(default_factory=NormalisationSettings)

    def changed(self, **settings: Any) -> "Normalisation":
        """Gives the same mean and deviation with other settings.

        Args:
            **settings: Fields of `NormalisationSettings`, by name.

        Example:
            >>> unchanged = Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32))
            >>> unchanged.changed(trim_db=30.0).settings.trim_db
            30.0
        """
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, **settings))

    def filtered(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        """Takes the constant offset out of a waveform in blocks, by a high-pass.

        Args:
            blocks: One after the other from the beginning, each of shape ``(samples,)``.

        Yields:
            Blocks of the same shapes.

        Example:
            >>> settings = NormalisationSettings(high_pass_hz=20.0)
            >>> centred = Normalisation(np.zeros(512), np.ones(512), settings)
            >>> (block,) = centred.filtered([np.full(16000, 0.5, np.float32)])
            >>> abs(block[-1]) < 0.01
            np.True_
        """
        if not self.settings.high_pass_hz:
            yield from blocks
            return
        high_pass = HighPass(self.settings.high_pass_hz)
        for block in blocks:
            yield high_pass(block)

    def find_speech(self, waveforms: Sequence[FloatArray]) -> list[Mask | None]:
        """Finds speech in whole recordings, many at a time; None where all sound is kept.

        Args:
            waveforms: 16 kHz mono, each of shape ``(samples,)``, their offset in them.

        Returns:
            For each one which frames are speech, shape ``(frame,)``.

        Example:
            >>> settings = NormalisationSettings(speech_only=True)
            >>> spoken = Normalisation(np.zeros(512), np.ones(512), settings)
            >>> (speech,) = spoken.find_speech([np.zeros(16000, np.float32)])
            >>> speech.shape, bool(speech.any())
            ((100,), False)
        """
        if not self.settings.speech_only:
            return [None] * len(waveforms)
        found = speech_probabilities([self._filter(waveform) for waveform in waveforms])
        return [
            speech_frames(probabilities, len(waveform))
            for probabilities, waveform in zip(found, waveforms, strict=True)
        ]

    def find_speech_in_blocks(self, blocks: Iterable[FloatArray], sample_count: int) -> Mask | None:
        """As `find_speech`, for one recording in blocks, with the memory of five minutes.

        Args:
            blocks: One after the other from the beginning, each of shape ``(samples,)``.
            sample_count: Samples of all blocks together.

        Returns:
            Which frames are speech, shape ``(frame,)``; None if all sound is kept.

        Example:
            >>> settings = NormalisationSettings(speech_only=True)
            >>> silent = Normalisation(np.zeros(512), np.ones(512), settings)
            >>> silent.find_speech_in_blocks([np.zeros(16000, np.float32)], 16000).any()
            np.False_
        """
        if not self.settings.speech_only:
            return None
        return speech_frames(speech_probabilities_of_blocks(self.filtered(blocks)), sample_count)

    def prepare(self, waveform: FloatArray, speech: Mask | None = None) -> FloatArray:
        """What is kept of a whole recording, at this level.

        Args:
            waveform: 16 kHz mono, shape ``(samples,)``.
            speech: As `find_speech` gives it, if that is known already.

        Returns:
            Shape ``(samples,)``, fewer if something was cut off.

        Example:
            >>> settings = NormalisationSettings(target_rms=0.5)
            >>> louder = Normalisation(np.zeros(512), np.ones(512), settings)
            >>> louder.prepare(np.full(1600, 0.25, np.float32))[0]
            np.float32(0.5)
        """
        waveform, gain, kept = self._measured(waveform, speech)
        return keep_frames(waveform, kept) * gain

    def spectrogram(self, waveform: FloatArray, speech: Mask | None = None) -> FloatArray:
        """Log magnitudes of what is kept of a whole recording, not yet normalised.

        Args:
            waveform: 16 kHz mono, shape ``(samples,)``.
            speech: As `find_speech` gives it, if that is known already.

        Returns:
            Shape ``(frame, 512)``; no frames where nothing is kept.

        Example:
            >>> unchanged = Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32))
            >>> unchanged.spectrogram(np.zeros(16000, np.float32)).shape
            (100, 512)
        """
        waveform, gain, kept = self._measured(waveform, speech)
        if self.settings.speech_only:  # frames reach from speech to the next speech
            spoken = keep_frames(waveform, kept) * gain
            return log_spectrogram(spoken) if len(spoken) else NO_FRAMES
        return log_spectrogram(waveform * gain)[kept]

    def cut_to_speech(self, waveform: FloatArray) -> FloatArray:
        """Filters a recording and keeps its speech, at its own level, as the settings say.

        Args:
            waveform: 16 kHz mono, shape ``(samples,)``.

        Returns:
            Shape ``(samples,)``, fewer if something was cut off.

        Example:
            >>> unchanged = Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32))
            >>> unchanged.cut_to_speech(np.zeros(1600, np.float32)).shape
            (1600,)
        """
        (speech,) = self.find_speech([waveform])
        filtered = self._filter(waveform)
        return filtered if speech is None else keep_frames(filtered, speech)

    def measure(
        self, powers: NDArray[np.float64], speech: Mask | None = None
    ) -> tuple[np.float32, Mask]:
        """What has to be done with a recording of these powers.

        Args:
            powers: Of the whole recording without its offset, shape ``(frame,)``, as `block_powers`
                gives them.
            speech: As `find_speech` gives it.

        Returns:
            What it is multiplied with, 1 for digital silence; and which frames are kept.

        Example:
            >>> settings = NormalisationSettings(target_rms=0.5)
            >>> half = Normalisation(np.zeros(512), np.ones(512), settings)
            >>> gain, kept = half.measure(np.full(100, 1.0))
            >>> gain, int(kept.sum())
            (np.float32(0.5), 100)
        """
        first, behind = trim_bounds(powers, self.settings.trim_db)
        kept = np.zeros(len(powers), bool)
        kept[first:behind] = True
        if speech is not None:
            kept &= speech
        measured = powers[kept]
        loud = rms_of_louder_half(measured) if self.settings.target_rms and len(measured) else 0.0
        return np.float32(self.settings.target_rms / loud) if loud else _UNCHANGED, kept

    def _filter(self, waveform: FloatArray) -> FloatArray:
        return next(self.filtered([waveform]))

    def _measured(
        self, waveform: FloatArray, speech: Mask | None
    ) -> tuple[FloatArray, np.float32, Mask]:
        if speech is None:
            (speech,) = self.find_speech([waveform])
        waveform = self._filter(waveform)
        return waveform, *self.measure(block_powers(waveform), speech)

    def __call__(self, spectrogram: FloatArray) -> FloatArray:
        """Normalises log magnitudes of a recording or a piece of one, shape ``(frame, 512)``."""
        return (self.subtract_utterance_mean(spectrogram) - self.mean) / self.deviation

    def subtract_utterance_mean(self, spectrogram: FloatArray) -> FloatArray:
        """Subtracts the share `utterance_mean_norm` of a recording's own mean, bin by bin.

        Args:
            spectrogram: Log magnitudes, shape ``(frame, 512)``.

        Returns:
            The same shape.

        Example:
            >>> settings = NormalisationSettings(utterance_mean_norm=0.5)
            >>> half = Normalisation(np.zeros(512), np.ones(512), settings)
            >>> half.subtract_utterance_mean(np.full((3, 512), 4.0, np.float32))[0, 0]
            np.float32(2.0)
        """
        if not self.settings.utterance_mean_norm or not len(spectrogram):
            return spectrogram
        return spectrogram - np.float32(self.settings.utterance_mean_norm) * spectrogram.mean(0)

    @property
    def is_speaker_adaptive(self) -> bool:
        """Whether a speaker's recordings lose something of what they have in common."""
        return self.settings.speaker_mean_norm > 0 or self.settings.speaker_feature_norm > 0

    def features_to_subtract(self, feature_sum: NDArray[np.float64], frames: int) -> FloatArray:
        """What a speaker's features lose by `speaker_feature_norm`.

        The less sound there is, the less is subtracted: half of the speaker's mean with 5 s.

        Args:
            feature_sum: Of all frames of the speaker's recordings, shape ``(feature,)``; the mean
                over all speakers is 0.
            frames: How many these are.

        Returns:
            The same shape.

        Example:
            >>> adapting = NormalisationSettings(speaker_feature_norm=1.0)
            >>> general = Normalisation(np.zeros(512), np.ones(512), adapting)
            >>> general.features_to_subtract(np.full(768, 2000.0), 500)[0]
            np.float32(2.0)
        """
        trusted = self.settings.speaker_feature_norm / (frames + _PRIOR_FRAMES)
        return (feature_sum * trusted).astype(np.float32)

    def adapt_to_speaker(self, spectrograms: Iterable[FloatArray]) -> "Normalisation":
        """Adapts to one speaker's voice and microphone, without labels.

        The less sound there is, the less is subtracted: half of the difference with 5 s.

        Args:
            spectrograms: Log magnitudes of the speaker's recordings or parts of them, each
                ``(frame, 512)``; not read if `speaker_mean_norm` is 0.

        Example:
            >>> adapting = NormalisationSettings(speaker_mean_norm=1.0)
            >>> general = Normalisation(np.zeros(512), np.ones(512), adapting)
            >>> general.adapt_to_speaker([np.full((500, 512), 4.0, np.float32)]).mean[0]
            np.float32(2.0)
        """
        if not self.settings.speaker_mean_norm:
            return self
        total, frames = np.zeros(BIN_COUNT), 0
        for spectrogram in spectrograms:
            total += self.subtract_utterance_mean(spectrogram).sum(0, dtype=float)
            frames += len(spectrogram)
        trusted = self.settings.speaker_mean_norm / (frames + _PRIOR_FRAMES)
        mean = self.mean + trusted * (total - frames * self.mean)
        return dataclasses.replace(self, mean=mean.astype(np.float32))
