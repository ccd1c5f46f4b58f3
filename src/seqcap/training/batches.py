"""Batches of segments for training, and of whole utterances for validation and test.

Axis order: spectrograms ``(batch, frame, bin)``.
"""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from seqcap.audio.normalisation import Mask, Normalisation, NormalisationSettings
from seqcap.audio.spectrogram import BIN_COUNT, FloatArray, frame_count, log_spectrogram
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.errors import CorpusWarning
from seqcap.training.augmentation import (
    Augmentation,
    augment_spectrogram,
    augment_waveform,
    change_speed,
    draw_factor,
    stretch_time,
)
from seqcap.training.codecs import code_waveforms

SEGMENT_S = 2.0  # Sec. VI-A


class Utterance(NamedTuple):
    """One row of the corpus table: waveform, label, corpus and speaker.

    `speech` is as `find_speech` gives it. If it is None, speech is detected each time it is needed.
    `possible` marks the emotions that the corpus has, shape ``(emotion,)``; None: all.
    `feature_mean` is what the encoder's features lose, as `subtract_speaker_features` gives it.
    """

    waveform: FloatArray
    label: int
    corpus: str
    speaker: str = ""
    speech: Mask | None = None
    possible: Mask | None = None
    soft: FloatArray | None = None
    feature_mean: FloatArray | None = None


class Item(NamedTuple):
    """A normalised spectrogram ``(frame, bin)``, and its utterance's labels as in `Utterance`."""

    spectrogram: FloatArray
    label: int
    possible: Mask | None = None
    soft: FloatArray | None = None
    feature_mean: FloatArray | None = None


class Batch(NamedTuple):
    """Spectrograms ``(batch, frame, bin)``, their frame counts and labels ``(batch,)``.

    `possible` is which emotions each one can have, ``(batch, emotion)``; None: all. `soft` is their
    soft labels, ``(batch, emotion)``, not a number where there are none; None: none at all.
    `feature_means` is what their features lose, ``(batch, feature)``; None: nothing.
    """

    spectrograms: Tensor
    frame_counts: Tensor
    labels: Tensor
    possible: Tensor | None = None
    soft: Tensor | None = None
    feature_means: Tensor | None = None


def find_speech(
    utterances: Sequence[Utterance], settings: NormalisationSettings
) -> list[Utterance]:
    """Detects speech once for a whole training, and leaves out utterances without any.

    Utterances whose `speech` is known are not searched again.

    Args:
        utterances: Utterances as loaded.
        settings: Without `speech_only`, all utterances are returned unchanged.

    Returns:
        The utterances with speech, their `speech` filled in.

    Warns:
        CorpusWarning: Utterances were left out.
    """
    if not settings.speech_only:
        return list(utterances)
    zeros = np.zeros(BIN_COUNT, np.float32)
    new = [utterance.waveform for utterance in utterances if utterance.speech is None]
    detected = iter(Normalisation(zeros, zeros, settings).find_speech(new))
    found = [next(detected) if each.speech is None else each.speech for each in utterances]
    spoken = [
        utterance._replace(speech=speech)
        for utterance, speech in zip(utterances, found, strict=True)
        if speech is None or speech.any()
    ]
    if len(spoken) < len(utterances):
        warnings.warn(
            f"no speech found in {len(utterances) - len(spoken)} of {len(utterances):,} "
            "utterances: they are left out",
            CorpusWarning,
            stacklevel=2,
        )
    return spoken


def with_possible_emotions(utterances: Sequence[Utterance], emotion_count: int) -> list[Utterance]:
    """Tells each utterance which emotions its corpus has.

    Args:
        utterances: All of the training part.
        emotion_count: Of the label set.

    Example:
        >>> silence = np.zeros(1600, np.float32)
        >>> two = [Utterance(silence, 0, "a"), Utterance(silence, 2, "a")]
        >>> with_possible_emotions(two, 3)[0].possible.tolist()
        [True, False, True]
    """
    labelled: dict[str, Mask] = {}
    for utterance in utterances:
        mask = labelled.setdefault(utterance.corpus, np.zeros(emotion_count, bool))
        mask[utterance.label] = True
    return [each._replace(possible=labelled[each.corpus]) for each in utterances]


def measure_normalisation(
    utterances: Sequence[Utterance], settings: NormalisationSettings
) -> Normalisation:
    """Measures mean and deviation of log magnitudes, Sec. VI-A.

    Args:
        utterances: The training part only; waveforms ``(samples,)``.
        settings: Level, trimming and mean normalisation.

    Returns:
        Mean and deviation of shape ``(512,)``.

    Example:
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
        >>> measured = measure_normalisation([Utterance(noise, 0, "mine")], NormalisationSettings())
        >>> normalised = measured(measured.spectrogram(noise))
        >>> abs(float(normalised.mean())) < 0.01, abs(float(normalised.std()) - 1) < 0.01
        (True, True)
    """
    zeros = np.zeros(BIN_COUNT, np.float32)
    unmeasured = Normalisation(zeros, zeros, settings)
    total, squares, frames = np.zeros(BIN_COUNT), np.zeros(BIN_COUNT), 0
    for utterance in utterances:
        spectrogram = unmeasured.subtract_utterance_mean(
            unmeasured.spectrogram(utterance.waveform, utterance.speech)
        )
        total += spectrogram.sum(0, dtype=float)
        squares += np.square(spectrogram, dtype=float).sum(0)
        frames += len(spectrogram)
    mean, mean_square = total / frames, squares / frames
    if not settings.per_bin:
        mean, mean_square = np.full(BIN_COUNT, mean.mean()), np.full(BIN_COUNT, mean_square.mean())
    deviation = np.sqrt(np.maximum(mean_square - mean**2, 1e-6))
    measured = dataclasses.replace(
        unmeasured, mean=mean.astype(np.float32), deviation=deviation.astype(np.float32)
    )
    if settings.speaker_mean_norm:  # without the speaker's mean, the deviation is smaller
        squares = np.zeros(BIN_COUNT)
        for utterance, adapted in zip(
            utterances, speaker_normalisations(utterances, measured), strict=True
        ):
            remainder = adapted(adapted.spectrogram(utterance.waveform, utterance.speech))
            squares += np.square(remainder, dtype=float).sum(0)
        remaining = np.sqrt(squares / frames).astype(np.float32)
        measured = dataclasses.replace(measured, deviation=measured.deviation * remaining)
    return measured


def speaker_normalisations(
    utterances: Sequence[Utterance], normalisation: Normalisation
) -> list[Normalisation]:
    """Gives each utterance the normalisation adapted to its speaker.

    Args:
        utterances: All utterances of each speaker; labels are not used.
        normalisation: Normalisation of the training part.

    Returns:
        One normalisation an utterance; the same one for all without `speaker_mean_norm`.
    """
    if not normalisation.settings.speaker_mean_norm:
        return [normalisation] * len(utterances)
    found = {
        speaker: normalisation.adapt_to_speaker(
            normalisation.spectrogram(each.waveform, each.speech)
            for each in utterances
            if each.speaker == speaker
        )
        for speaker in {each.speaker for each in utterances}
    }
    return [found[each.speaker] for each in utterances]


class Segments(Dataset[Item]):
    """Segments of utterances; random crops differ in each epoch.

    An index is an epoch and a segment, so that random draws depend on these and the seed only.

    Args:
        utterances: The training part.
        normalisation: Measured on the training part.
        augmentation: How far segments are changed; None: fixed, unchanged segments one after the
            other (Sec. VI-A) instead of random crops.
        seed: Random seed of crops and augmentation.
        segment_s: Longest segment, s.
        unknown_speaker_share: Share of random crops normalised as if their speaker were unknown.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        normalisation: Normalisation,
        augmentation: Augmentation | None,
        seed: int,
        segment_s: float = SEGMENT_S,
        unknown_speaker_share: float = 0.0,
    ) -> None:
        self.utterances = utterances
        self.waveforms = [
            normalisation.prepare(utterance.waveform, utterance.speech) for utterance in utterances
        ]
        self.normalisation = normalisation
        self.normalisations = speaker_normalisations(utterances, normalisation)
        self.unknown_speaker_share = unknown_speaker_share
        self.augmentation = augmentation
        self.speaker_means = self._measure_speaker_means()
        coded = augmentation is not None and augmentation.codec_share > 0
        self.coded = code_waveforms(self.waveforms, seed) if coded else []
        self.seed = seed
        self.samples = round(segment_s * SAMPLE_RATE_HZ)
        self.starts = [  # utterance and first sample of each segment
            (index, start)
            for index, waveform in enumerate(self.waveforms)
            for start in range(0, len(waveform), self.samples)
        ]
        # A random crop may begin anywhere, so only short utterances give short crops.
        self.lengths = np.array(
            [
                min(self.samples, len(self.waveforms[index]) - (0 if augmentation else start))
                for index, start in self.starts
            ]
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        """Gives a normalised spectrogram ``(frame, bin)`` and its label."""
        epoch, segment = key
        index, start = self.starts[segment]
        waveform, utterance = self.waveforms[index], self.utterances[index]
        normalisation = self.normalisations[index]
        if self.augmentation is None:
            cut = waveform[start : start + self.samples]
            return _item(normalisation(log_spectrogram(cut)), utterance)
        generator = np.random.default_rng((self.seed, epoch, segment))
        speed = draw_factor(self.augmentation.speed, generator)
        # Nothing is drawn for changes that are off, so that earlier trainings can be repeated.
        stretch = self.augmentation.stretch and draw_factor(self.augmentation.stretch, generator)
        known = self._known(utterance, generator)
        if known is not utterance:
            normalisation = self.normalisation
        if normalisation is self.normalisation:
            normalisation = self._mix_speakers(index, generator)
        if self.coded and generator.random() < self.augmentation.codec_share:
            waveform = self.coded[index]
        samples = int(self.samples / (stretch or 1))
        size = int(samples * speed)
        start = int(generator.integers(0, max(0, len(waveform) - size) + 1))
        cut = change_speed(waveform[start : start + size], speed)[:samples]
        cut = augment_waveform(cut, self.augmentation, generator)
        spectrogram = normalisation(log_spectrogram(cut))
        if stretch:
            spectrogram = stretch_time(spectrogram, stretch)[: frame_count(self.samples)]
        spectrogram = augment_spectrogram(spectrogram, self.augmentation, generator)
        return _item(spectrogram, known)

    def _known(self, utterance: Utterance, generator: np.random.Generator) -> Utterance:
        """The utterance, or for a share of them one whose speaker is unknown."""
        if self.unknown_speaker_share and generator.random() < self.unknown_speaker_share:
            nothing = None if utterance.feature_mean is None else 0 * utterance.feature_mean
            return utterance._replace(feature_mean=nothing)
        return utterance

    def _measure_speaker_means(self) -> dict[str, dict[str, FloatArray]]:
        """Measures the mean spectrum `(512,)` of each named speaker, by corpus."""
        means: dict[str, dict[str, FloatArray]] = {}
        if self.augmentation and self.augmentation.speaker_mixing:
            adaptive = self.normalisation.changed(speaker_mean_norm=1.0)
            adapted = speaker_normalisations(self.utterances, adaptive)
            for utterance, own in zip(self.utterances, adapted, strict=True):
                if utterance.speaker:
                    means.setdefault(utterance.corpus, {})[utterance.speaker] = own.mean
        return means

    def _mix_speakers(self, index: int, generator: np.random.Generator) -> Normalisation:
        """Moves the mean spectrum of an utterance towards that of a random speaker."""
        utterance = self.utterances[index]
        # Choice: speakers of the same corpus only. Between corpora the microphone differs too, and
        # the microphone tells a system the language and the style of acting.
        means = self.speaker_means.get(utterance.corpus, {})
        if self.augmentation is None or utterance.speaker not in means:
            return self.normalisation
        other = list(means.values())[generator.integers(len(means))]
        share = np.float32(generator.uniform(0, self.augmentation.speaker_mixing))
        mean = self.normalisation.mean - share * (other - means[utterance.speaker])
        return dataclasses.replace(self.normalisation, mean=mean)


def _item(spectrogram: FloatArray, utterance: Utterance) -> Item:
    return Item(
        spectrogram, utterance.label, utterance.possible, utterance.soft, utterance.feature_mean
    )


class WholeUtterances(Dataset[Item]):
    """Whole, unchanged utterances, for validation and test (Sec. VI-A).

    Args:
        utterances: The validation or the test part.
        normalisation: Measured on the training part.
    """

    def __init__(self, utterances: Sequence[Utterance], normalisation: Normalisation) -> None:
        self.utterances = utterances
        self.normalisations = speaker_normalisations(utterances, normalisation)

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> Item:
        """Gives a normalised spectrogram ``(frame, bin)`` and its label."""
        utterance, normalisation = self.utterances[index], self.normalisations[index]
        spectrogram = normalisation.spectrogram(utterance.waveform, utterance.speech)
        return _item(normalisation(spectrogram), utterance)


def by_length(utterances: Sequence[Utterance], batch_size: int) -> list[list[int]]:
    """Groups utterances of similar length into batches, which saves padding.

    Args:
        utterances: The validation or the test part.
        batch_size: Utterances of a batch; the last one may be smaller.

    Returns:
        Indices of the utterances of each batch.
    """
    order = np.argsort([len(u.waveform) for u in utterances], kind="stable")
    return [order[i : i + batch_size].tolist() for i in range(0, len(order), batch_size)]


def collate(items: Sequence[Item]) -> Batch:
    """Pads spectrograms with zeros to the longest of them.

    Args:
        items: At least one.

    Returns:
        One batch.
    """
    counts = [len(item.spectrogram) for item in items]
    bin_count = items[0].spectrogram.shape[1]
    padded = np.zeros((len(items), max(counts), bin_count), np.float32)
    for row, item in zip(padded, items, strict=True):
        row[: len(item.spectrogram)] = item.spectrogram
    masks = [item.possible for item in items if item.possible is not None]
    known = [item.soft for item in items if item.soft is not None]
    unknown = np.full_like(known[0], np.nan) if known else None
    soft = [unknown if item.soft is None else item.soft for item in items]
    means = [item.feature_mean for item in items if item.feature_mean is not None]
    return Batch(
        torch.from_numpy(padded),
        torch.tensor(counts),
        torch.tensor([item.label for item in items]),
        torch.from_numpy(np.stack(masks)) if masks else None,
        torch.from_numpy(np.stack(soft)) if known else None,  # type: ignore[arg-type]
        torch.from_numpy(np.stack(means)) if means else None,
    )
