import numpy as np
import pytest
from noise_utterances import utterances

from seqcap.audio.normalisation import Normalisation, NormalisationSettings
from seqcap.audio.spectrogram import log_spectrogram
from seqcap.training.augmentation import Augmentation
from seqcap.training.batches import (
    Item,
    Segments,
    Utterance,
    WholeUtterances,
    by_length,
    collate,
    measure_normalisation,
    speaker_normalisations,
    with_possible_emotions,
)

PLAIN = Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32))


def test_fixed_segments_of_two_seconds_cover_every_utterance() -> None:
    segments = Segments(utterances(1.0, 4.5), PLAIN, None, seed=0)
    counts = [len(segments[(0, piece)][0]) for piece in range(len(segments))]
    assert counts == [100, 200, 200, 50]
    assert [segments[(0, piece)][1] for piece in range(4)] == [0, 1, 1, 1]


def test_crops_depend_only_on_seed_epoch_and_segment() -> None:
    def crop(seed: int, epoch: int) -> np.ndarray:
        segments = Segments(utterances(3.0, 5.0), PLAIN, Augmentation(), seed)
        return segments[(epoch, 2)][0]

    np.testing.assert_array_equal(crop(0, 1), crop(0, 1))
    assert not np.array_equal(crop(0, 1), crop(0, 2))
    assert not np.array_equal(crop(0, 1), crop(1, 1))


def test_crops_are_at_most_a_segment_long_and_finite() -> None:
    augmentation = Augmentation(noise_share=1.0, stretch=0.3)
    segments = Segments(utterances(0.1, 0.5, 2.0, 9.0), PLAIN, augmentation, 0)
    for epoch in range(3):
        for piece in range(len(segments)):
            spectrogram = segments[(epoch, piece)].spectrogram
            assert 1 <= len(spectrogram) <= 200
            assert np.isfinite(spectrogram).all()


def test_time_stretching_keeps_the_pitch() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    only_time = Augmentation(0.0, 0.5, 0.0, 0.0, 0.0, masks=0)
    segments = Segments([Utterance(tone, 0, "a")], PLAIN, only_time, 0)
    spectrograms = [segments[(epoch, 0)][0] for epoch in range(20)]
    lengths = {len(spectrogram) for spectrogram in spectrograms}
    assert 60 < min(lengths) < 90
    assert 110 < max(lengths) <= 150
    assert {int(spectrogram[30].argmax()) for spectrogram in spectrograms} == {100}


def test_silence_survives_augmentation() -> None:
    silence = [Utterance(np.zeros(16000, np.float32), 0, "a")]
    segments = Segments(silence, PLAIN, Augmentation(noise_share=1.0), 0)
    assert np.isfinite(segments[(0, 0)][0]).all()


def test_normalisation_gives_the_training_part_zero_mean_and_unit_variance() -> None:
    part = utterances(1.0, 2.0)
    for per_bin in (True, False):
        normalisation = measure_normalisation(
            part, NormalisationSettings(per_bin=per_bin, target_rms=0.01)
        )
        values = np.concatenate(
            [normalisation(normalisation.spectrogram(u.waveform)) for u in part]
        )
        axis = 0 if per_bin else None
        np.testing.assert_allclose(values.mean(axis=axis), 0, atol=1e-3)
        np.testing.assert_allclose(values.std(axis=axis), 1, atol=1e-3)


def test_with_a_target_level_the_gain_of_a_recording_has_no_effect() -> None:
    (utterance,) = utterances(1.0)
    normalisation = Normalisation(
        PLAIN.mean, PLAIN.deviation, NormalisationSettings(target_rms=0.01)
    )
    np.testing.assert_allclose(
        normalisation.spectrogram(utterance.waveform * np.float32(0.01)),
        normalisation.spectrogram(utterance.waveform),
        atol=1e-4,
    )


def test_utterance_mean_norm_removes_a_microphone() -> None:
    part = utterances(1.0, 2.0)
    normalisation = measure_normalisation(part, NormalisationSettings(utterance_mean_norm=1.0))
    spectrograms = [normalisation.spectrogram(one.waveform) for one in part]
    values = [normalisation(spectrogram) for spectrogram in spectrograms]
    for one in values:
        np.testing.assert_allclose(one.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(np.concatenate(values).std(0), 1, atol=1e-3)
    microphone = np.linspace(-3, 3, spectrograms[0].shape[1], dtype=np.float32)
    np.testing.assert_allclose(normalisation(spectrograms[0] + microphone), values[0], atol=1e-3)
    half = normalisation.changed(utterance_mean_norm=0.5)
    moved = half(spectrograms[0] + microphone) - half(spectrograms[0])
    np.testing.assert_allclose(moved, moved * 0 + microphone / half.deviation / 2, rtol=1e-3)


@pytest.mark.slow
def test_speaker_mean_norm_removes_voice_and_microphone() -> None:
    part = [
        one._replace(
            speaker="ab"[place % 2], waveform=one.waveform * np.float32(1 + 9 * (place % 2))
        )
        for place, one in enumerate(utterances(*[9.0] * 12))
    ]
    normalisation = measure_normalisation(part, NormalisationSettings(speaker_mean_norm=1.0))
    unadapted = normalisation.changed(speaker_mean_norm=0.0)

    def mean_difference(given: Normalisation) -> float:
        whole = WholeUtterances(part, given)
        means = [
            np.concatenate([whole[place][0] for place in range(12) if place % 2 == odd]).mean()
            for odd in (0, 1)
        ]
        return float(means[1] - means[0])

    assert mean_difference(unadapted) * normalisation.deviation.mean() > 2  # ten times as loud
    assert abs(mean_difference(normalisation)) < 0.1 * mean_difference(unadapted)
    values = np.concatenate([WholeUtterances(part, normalisation)[place][0] for place in range(12)])
    np.testing.assert_allclose(values.mean(0), 0, atol=1e-2)
    np.testing.assert_allclose(values.std(0), 1, atol=1e-2)
    adapted = speaker_normalisations(part, normalisation)
    assert adapted[0] is adapted[2]
    segment = Segments(part, normalisation, None, 0)[(0, 0)].spectrogram
    expected = adapted[0](log_spectrogram(part[0].waveform[:32000]))
    np.testing.assert_array_equal(segment, expected)


def test_speaker_dropout_normalises_some_segments_as_of_unknown_speakers() -> None:
    part = utterances(1.0, 1.0, 1.0)
    known = Normalisation(PLAIN.mean, PLAIN.deviation, NormalisationSettings(speaker_mean_norm=1.0))
    unchanged = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0, masks=0)
    mixed, unadapted, adapted = (
        Segments(part, normalisation, unchanged, 0, unknown_speaker_share=share)
        for normalisation, share in ((known, 0.3), (PLAIN, 0.0), (known, 0.0))
    )
    unknown_count = 0
    for key in ((epoch, segment) for epoch in range(50) for segment in range(3)):
        is_unknown = np.array_equal(mixed[key][0], unadapted[key][0])
        assert is_unknown != np.array_equal(mixed[key][0], adapted[key][0])
        unknown_count += is_unknown
    assert 0.2 < unknown_count / 150 < 0.4


@pytest.mark.slow
def test_speaker_mixing_moves_segments_towards_another_speaker() -> None:
    part = [
        one._replace(speaker=speaker, corpus="", waveform=one.waveform * np.float32(gain))
        for one, speaker, gain in zip(
            utterances(*[50.0] * 4), ("a", "b", "", "c"), (1.0, 10.0, 100.0, 100.0), strict=True
        )
    ]
    part[3] = part[3]._replace(corpus="another")
    exchanged = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0, masks=0, speaker_mixing=1.0)

    def levels(normalisation: Normalisation, index: int) -> np.ndarray:
        segments = Segments(part, normalisation, exchanged, 0)
        keys = [(epoch, 25 * index) for epoch in range(40)]
        return np.array([segments[key][0].mean() for key in keys])

    quiet, loud = (log_spectrogram(one.waveform).mean() for one in part[:2])
    of_a, of_b, unnamed, of_c = (levels(PLAIN, index) for index in range(4))
    for drawn in (of_a, of_b):  # the other speaker is drawn half of the time, with any share
        assert quiet - 0.1 < drawn.min() < drawn.max() < loud + 0.1
        assert drawn.std() > 0.2
    assert of_a.max() > quiet + 1.5
    assert of_b.min() < loud - 1.5
    assert unnamed.std() < 0.02  # the speaker has no name
    assert of_c.std() < 0.02  # the only speaker of that corpus
    known = PLAIN.changed(speaker_mean_norm=1.0)
    assert levels(known, 0).std() < 0.02  # the speaker's mean is subtracted


def test_segments_leave_out_silence_around_an_utterance() -> None:
    (utterance,) = utterances(2.0)
    quiet = np.zeros(16000, np.float32)
    padded = utterance._replace(waveform=np.concatenate((quiet, utterance.waveform, quiet)))
    trimming = Normalisation(PLAIN.mean, PLAIN.deviation, NormalisationSettings(trim_db=30.0))
    segments = Segments([padded], trimming, None, 0)
    assert len(segments) == 2  # 2 s and what was kept around them
    whole = np.concatenate([segments[(0, piece)][0] for piece in range(2)])
    assert len(whole) == len(trimming.spectrogram(padded.waveform)) == 220
    assert (
        measure_normalisation([padded], NormalisationSettings(trim_db=30.0)).settings.trim_db
        == 30.0
    )


def test_batches_hold_utterances_of_similar_length_and_pad_them_with_zeros() -> None:
    part = utterances(3.0, 1.0, 2.0)
    assert by_length(part, 2) == [[1, 2], [0]]
    batch = collate(
        [Item(np.ones((2, 512), np.float32), 1), Item(np.ones((3, 512), np.float32), 0)]
    )
    assert batch.frame_counts.tolist() == [2, 3]
    assert batch.spectrograms.shape == (2, 3, 512)
    assert batch.spectrograms[0, 2].abs().sum() == 0


def test_a_batch_knows_which_emotions_the_corpora_of_its_items_have() -> None:
    two = [
        Utterance(np.ones(4800, np.float32), 0, "a"),
        Utterance(np.ones(4800, np.float32), 2, "b"),
    ]
    segments = Segments(with_possible_emotions(two, 3), PLAIN, None, 0)
    batch = collate([segments[(0, 0)], segments[(0, 1)]])
    assert batch.possible is not None
    assert batch.possible.tolist() == [[True, False, False], [False, False, True]]
    assert collate([Item(np.ones((2, 512), np.float32), 1)]).possible is None


def test_a_batch_has_soft_labels_where_its_items_have_them() -> None:
    spectrogram = np.ones((2, 512), np.float32)
    shares = np.array([0.25, 0.75], np.float32)
    batch = collate([Item(spectrogram, 1, soft=shares), Item(spectrogram, 0)])
    assert batch.soft is not None
    np.testing.assert_array_equal(batch.soft, [shares, [np.nan, np.nan]])
    assert collate([Item(spectrogram, 0)]).soft is None
