"""Waveform to log-magnitude spectrogram, Sec. VI-A: the one input of every system.

Axis order: ``(frame, bin)``. Frames are 10 ms apart, bins 10 Hz.
"""

import dataclasses
from collections.abc import Iterable, Iterator
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

_REACH = WINDOW_SAMPLES // SHIFT_SAMPLES - 1
_SILENT = float(np.log(FLOOR)) + 1e-4  # rounded

FloatArray = NDArray[np.float32]

_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)).astype(
    np.float32
)
_AS_IT_IS = np.float32(1)
_MARGIN_FRAMES = 10  # kept around what is heard
_FRAMES_AT_ONCE = 256  # what stays in a core's cache
_DOUBTED_FRAMES = 500  # of a speaker, 5 s: by so much is the mean of all mixed into theirs


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


def is_silent(spectrogram: FloatArray) -> bool:
    """Says whether log magnitudes, not normalised, are those of digital silence.

    The last frames, which reach over the end of a piece, are not asked if there are others.

    Example:
        >>> is_silent(log_spectrogram(np.zeros(16000, np.float32)))
        True
    """
    asked = spectrogram[:-_REACH] if len(spectrogram) > _REACH else spectrogram
    return bool(asked.max() <= _SILENT)


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


def log_spectrogram_blocks(
    blocks: Iterable[FloatArray], gain: np.float32 = _AS_IT_IS
) -> Iterator[FloatArray]:
    """The same frames for a waveform that comes in blocks, with the memory of one block.

    Args:
        blocks: One after the other, as `waveform_blocks` gives them: each but the last a whole
            number of 10 ms long.
        gain: What samples are multiplied with.

    Yields:
        Log magnitudes, ``(frame, 512)``; joined they equal `log_spectrogram` of the whole.
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


def block_powers(waveform: FloatArray) -> NDArray[np.float64]:
    """Mean square of every started 10 ms, zeros behind the end, shape ``(frame,)``."""
    count = frame_count(len(waveform))
    padded = np.zeros(count * SHIFT_SAMPLES, np.float32)
    padded[: len(waveform)] = waveform
    return np.square(padded).reshape(count, SHIFT_SAMPLES).mean(axis=1, dtype=float)


def loudness(powers: NDArray[np.float64]) -> float:
    """Root mean square of the louder half of a recording.

    Pauses, and silence before and after, count for nothing.

    Args:
        powers: Of the whole recording, as `block_powers` gives them.

    Example:
        >>> loudness(block_powers(np.r_[np.zeros(1600), np.full(1600, 0.5)].astype(np.float32)))
        0.5
    """
    return float(np.sqrt(np.sort(powers)[len(powers) // 2 :].mean()))


def heard_frames(powers: NDArray[np.float64], trim_db: float) -> tuple[int, int]:
    """Finds what is left of a recording without the quiet before and after it.

    Args:
        powers: Of the whole recording, as `block_powers` gives them.
        trim_db: What is so far below the loudest 10 ms is quiet; 0 keeps everything.

    Returns:
        The first frame and the frame behind the last one: from the first to the last that is not
        quiet, and 0.1 s around them.

    Example:
        >>> heard_frames(np.repeat([0.0, 1.0, 0.0], 100), trim_db=30)
        (90, 210)
    """
    quiet_power = powers.max() * 10 ** (-trim_db / 10)
    loud = np.flatnonzero(powers > quiet_power)
    if not trim_db or not len(loud):  # digital silence is never loud
        return 0, len(powers)
    return max(0, int(loud[0]) - _MARGIN_FRAMES), min(
        len(powers), int(loud[-1]) + 1 + _MARGIN_FRAMES
    )


@dataclass(frozen=True)
class Normalisation:
    """Zero mean and unit variance, by statistics of the training part only, Sec. VI-A.

    Choice: recordings can also be brought to one level first, which a microphone's distance
    decides as much as a speaker's emotion, and lose the quiet before and after them. And each can
    lose its own mean, which microphone, room and voice decide (but also how loud somebody speaks).

    Attributes:
        mean: Shape ``(512,)``; where recordings lose their own, of what is left.
        deviation: Shape ``(512,)``, above zero.
        level: What the louder half of a recording is brought to (see `loudness`); 0 leaves
            recordings as they are.
        trim_db: How far below the loudest 10 ms a recording is quiet (see `heard_frames`); 0
            keeps everything.
        own_mean: Share of its own mean over frames, bin by bin, that each recording loses, 0 to 1.
        speaker_mean: Share of what a speaker's mean over all their recordings differs from `mean`
            that their recordings lose, 0 to 1, see `of_speaker`.
    """

    mean: FloatArray
    deviation: FloatArray
    level: float = 0.0
    trim_db: float = 0.0
    own_mean: float = 0.0
    speaker_mean: float = 0.0

    def prepare(self, waveform: FloatArray) -> FloatArray:
        """What is heard of a whole recording, at this level."""
        gain, first, behind = self.measure(block_powers(waveform))
        return waveform[first * SHIFT_SAMPLES : behind * SHIFT_SAMPLES] * gain

    def spectrogram(self, waveform: FloatArray) -> FloatArray:
        """Log magnitudes of what is heard of a whole recording, not yet normalised."""
        gain, first, behind = self.measure(block_powers(waveform))
        return log_spectrogram(waveform * gain)[first:behind]

    def measure(self, powers: NDArray[np.float64]) -> tuple[np.float32, int, int]:
        """What has to be done with a recording of these powers.

        Returns:
            What it is multiplied with, 1 for digital silence; the first frame that is heard and
            the frame behind the last one.
        """
        first, behind = heard_frames(powers, self.trim_db)
        loud = loudness(powers[first:behind]) if self.level else 0.0
        return np.float32(self.level / loud) if loud else _AS_IT_IS, first, behind

    def __call__(self, spectrogram: FloatArray) -> FloatArray:
        """Normalises log magnitudes of a recording or a piece of one, shape ``(frame, 512)``."""
        return (self.without_own_mean(spectrogram) - self.mean) / self.deviation

    def without_own_mean(self, spectrogram: FloatArray) -> FloatArray:
        """Log magnitudes less the share `own_mean` of their mean, shape ``(frame, 512)``."""
        if not self.own_mean:
            return spectrogram
        return spectrogram - np.float32(self.own_mean) * spectrogram.mean(0)

    def of_speaker(self, spectrograms: Iterable[FloatArray]) -> "Normalisation":
        """The normalisation of one speaker, whose voice and microphone become everybody's.

        Nothing but sound is needed, no label. The fewer seconds there are, the less is taken out:
        half of it of 5 s.

        Args:
            spectrograms: Log magnitudes of the speaker's recordings or pieces of them, each
                ``(frame, 512)``; not looked at where `speaker_mean` is 0.

        Example:
            >>> everybody = Normalisation(np.zeros(512), np.ones(512), speaker_mean=1.0)
            >>> everybody.of_speaker([np.full((500, 512), 4.0, np.float32)]).mean[0]
            np.float32(2.0)
        """
        if not self.speaker_mean:
            return self
        total, frames = np.zeros(BIN_COUNT), 0
        for spectrogram in spectrograms:
            total += self.without_own_mean(spectrogram).sum(0, dtype=float)
            frames += len(spectrogram)
        trusted = self.speaker_mean / (frames + _DOUBTED_FRAMES)
        mean = self.mean + trusted * (total - frames * self.mean)
        return dataclasses.replace(self, mean=mean.astype(np.float32))
