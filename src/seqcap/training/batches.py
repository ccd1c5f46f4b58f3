"""Utterances of a corpus table to batches of segments, for training, and of whole utterances.

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
    """What training knows of one row of the table: sound, emotion, and whose and where it is.

    `speech` is as `find_speech` gives it; None: looked for each time, if at all. `possible` is
    which emotions its corpus has, shape ``(emotion,)``; None: all.
    """

    waveform: FloatArray
    label: int
    corpus: str
    speaker: str = ""
    speech: Mask | None = None
    possible: Mask | None = None


class Item(NamedTuple):
    """A normalised spectrogram ``(frame, bin)``, its label, and `Utterance.possible`."""

    spectrogram: FloatArray
    label: int
    possible: Mask | None = None


class Batch(NamedTuple):
    """Spectrograms ``(batch, frame, bin)``, their frame counts and labels ``(batch,)``.

    `possible` is which emotions each one can have, ``(batch, emotion)``; None: all.
    """

    spectrograms: Tensor
    frame_counts: Tensor
    labels: Tensor
    possible: Tensor | None = None


def find_speech(
    utterances: Sequence[Utterance], settings: NormalisationSettings
) -> list[Utterance]:
    """Finds speech once for a whole training, and leaves out utterances without any.

    Where it was found before it is not looked for again.

    Args:
        utterances: As they were loaded.
        settings: All are kept as they are unless `speech_only` is set.

    Warns:
        CorpusWarning: Utterances were left out.
    """
    if not settings.speech_only:
        return list(utterances)
    nothing = np.zeros(BIN_COUNT, np.float32)
    new = [utterance.waveform for utterance in utterances if utterance.speech is None]
    fresh = iter(Normalisation(nothing, nothing, settings).find_speech(new))
    found = [next(fresh) if each.speech is None else each.speech for each in utterances]
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
        utterances: The training part, nothing else; waveforms ``(samples,)``.
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
    nothing = np.zeros(BIN_COUNT, np.float32)
    unmeasured = Normalisation(nothing, nothing, settings)
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
    if settings.speaker_mean_norm:  # what is left without it deviates less
        squares = np.zeros(BIN_COUNT)
        for utterance, adapt_to_speaker in zip(
            utterances, speaker_normalisations(utterances, measured), strict=True
        ):
            left = adapt_to_speaker(
                adapt_to_speaker.spectrogram(utterance.waveform, utterance.speech)
            )
            squares += np.square(left, dtype=float).sum(0)
        left_over = np.sqrt(squares / frames).astype(np.float32)
        measured = dataclasses.replace(measured, deviation=measured.deviation * left_over)
    return measured


def speaker_normalisations(
    utterances: Sequence[Utterance], normalisation: Normalisation
) -> list[Normalisation]:
    """Gives each utterance the normalisation adapted to its speaker.

    Args:
        utterances: All that there are of each speaker; their labels are not looked at.
        normalisation: Of the training part.
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

    An index is an epoch and a piece, so that what is drawn depends on nothing else.

    Args:
        utterances: The training part.
        normalisation: Measured on it.
        augmentation: How far pieces are changed; None: fixed pieces one after the other, as
            they are (Sec. VI-A), instead of random ones.
        seed: Of everything that is drawn.
        segment_s: Longest piece.
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
        self.voices = self._measure_voices()
        coded = augmentation is not None and augmentation.codec_share > 0
        self.coded = code_waveforms(self.waveforms, seed) if coded else []
        self.seed = seed
        self.samples = round(segment_s * SAMPLE_RATE_HZ)
        self.pieces = [
            (index, start)
            for index, waveform in enumerate(self.waveforms)
            for start in range(0, len(waveform), self.samples)
        ]
        # A random piece may begin anywhere, so only short utterances give short ones.
        self.lengths = np.array(
            [
                min(self.samples, len(self.waveforms[index]) - (0 if augmentation else start))
                for index, start in self.pieces
            ]
        )

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        """Gives a normalised spectrogram ``(frame, bin)`` and its label."""
        epoch, piece = key
        index, start = self.pieces[piece]
        waveform, owner = self.waveforms[index], self.utterances[index]
        normalisation = self.normalisations[index]
        if self.augmentation is None:
            cut = waveform[start : start + self.samples]
            return Item(normalisation(log_spectrogram(cut)), owner.label, owner.possible)
        generator = np.random.default_rng((self.seed, epoch, piece))
        speed = draw_factor(self.augmentation.speed, generator)
        # Nothing is drawn for what is not done, so that earlier trainings can be repeated.
        stretch = self.augmentation.stretch and draw_factor(self.augmentation.stretch, generator)
        if self.unknown_speaker_share and generator.random() < self.unknown_speaker_share:
            normalisation = self.normalisation
        if normalisation is self.normalisation:
            normalisation = self._in_another_voice(index, generator)
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
        return Item(spectrogram, owner.label, owner.possible)

    def _measure_voices(self) -> dict[str, dict[str, FloatArray]]:
        """Mean spectra `(512,)` of all speakers who are named, by corpus."""
        voices: dict[str, dict[str, FloatArray]] = {}
        if self.augmentation and self.augmentation.voices:
            everybody = self.normalisation.changed(speaker_mean_norm=1.0)
            found = speaker_normalisations(self.utterances, everybody)
            for utterance, of_one in zip(self.utterances, found, strict=True):
                if utterance.speaker:
                    voices.setdefault(utterance.corpus, {})[utterance.speaker] = of_one.mean
        return voices

    def _in_another_voice(self, index: int, generator: np.random.Generator) -> Normalisation:
        """Draws the speaker whose mean spectrum an utterance moves towards."""
        utterance = self.utterances[index]
        # Choice: of the same corpus, for from one to another the microphone changes, too, with
        # which systems learn to know the language and the way of acting.
        voices = self.voices.get(utterance.corpus, {})
        if self.augmentation is None or utterance.speaker not in voices:
            return self.normalisation
        other = list(voices.values())[generator.integers(len(voices))]
        share = np.float32(generator.uniform(0, self.augmentation.voices))
        mean = self.normalisation.mean - share * (other - voices[utterance.speaker])
        return dataclasses.replace(self.normalisation, mean=mean)


class WholeUtterances(Dataset[Item]):
    """Whole utterances as they are, for validation and test (Sec. VI-A)."""

    def __init__(self, utterances: Sequence[Utterance], normalisation: Normalisation) -> None:
        self.utterances = utterances
        self.normalisations = speaker_normalisations(utterances, normalisation)

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> Item:
        """Gives a normalised spectrogram ``(frame, bin)`` and its label."""
        utterance, normalisation = self.utterances[index], self.normalisations[index]
        spectrogram = normalisation.spectrogram(utterance.waveform, utterance.speech)
        return Item(normalisation(spectrogram), utterance.label, utterance.possible)


def by_length(utterances: Sequence[Utterance], batch_size: int) -> list[list[int]]:
    """Batches of utterances of similar length, so that little is computed on padding."""
    order = np.argsort([len(u.waveform) for u in utterances], kind="stable")
    return [order[i : i + batch_size].tolist() for i in range(0, len(order), batch_size)]


def collate(items: Sequence[Item]) -> Batch:
    """Pads spectrograms to the longest of them."""
    counts = [len(item.spectrogram) for item in items]
    bin_count = items[0].spectrogram.shape[1]
    padded = np.zeros((len(items), max(counts), bin_count), np.float32)
    for row, item in zip(padded, items, strict=True):
        row[: len(item.spectrogram)] = item.spectrogram
    masks = [item.possible for item in items if item.possible is not None]
    return Batch(
        torch.from_numpy(padded),
        torch.tensor(counts),
        torch.tensor([item.label for item in items]),
        torch.from_numpy(np.stack(masks)) if masks else None,
    )
