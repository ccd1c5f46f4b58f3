"""What a speaker's recordings have in common in the features of the frozen encoder."""

import numpy as np
import pytest
import torch

from seqcap.audio.normalisation import Normalisation, NormalisationSettings
from seqcap.models.speech_encoder import SpeechEncoder
from seqcap.training.batches import Segments, Utterance, WholeUtterances, collate
from seqcap.training.speaker_features import subtract_speaker_features

PLAIN = Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32))


def utterances(seconds: float, *speakers: str) -> list[Utterance]:
    generator = np.random.default_rng(0)
    count = int(seconds * 16000)
    return [
        Utterance(generator.normal(0, 0.1, count).astype(np.float32), 0, "noise", speaker)
        for speaker in speakers
    ]


def adapting(share: float) -> Normalisation:
    return Normalisation(
        PLAIN.mean, PLAIN.deviation, NormalisationSettings(speaker_feature_norm=share)
    )


def mean_features(part: list[Utterance]) -> np.ndarray:
    batch = collate([WholeUtterances(part, PLAIN)[place] for place in range(len(part))])
    with torch.inference_mode():
        return SpeechEncoder().eval().mean_features(batch.spectrograms, batch.frame_counts).numpy()


@pytest.mark.slow
def test_each_speaker_loses_the_mean_of_all_own_recordings() -> None:
    part = utterances(2.5, "a", "b", "a", "")
    found = subtract_speaker_features(part, adapting(1.0))
    own = mean_features(part)
    # 5 s of "a" count as much as what is known before, 2.5 s of "b" half as much.
    np.testing.assert_allclose(found[0].feature_mean, (own[0] + own[2]) / 2 * 0.5, atol=1e-4)
    np.testing.assert_allclose(found[1].feature_mean, own[1] / 3, atol=1e-4)
    np.testing.assert_array_equal(found[2].feature_mean, found[0].feature_mean)
    assert not found[3].feature_mean.any()
    half = subtract_speaker_features(part, adapting(0.5))
    np.testing.assert_allclose(half[0].feature_mean, found[0].feature_mean / 2, atol=1e-6)


def test_without_the_setting_nothing_is_subtracted() -> None:
    part = utterances(0.5, "a")
    assert subtract_speaker_features(part, PLAIN) == part
    assert collate([WholeUtterances(part, PLAIN)[0]]).feature_means is None


@pytest.mark.slow
def test_batches_tell_what_each_segment_loses() -> None:
    part = subtract_speaker_features(utterances(1.0, "a", "b"), adapting(1.0))
    segments = Segments(part, adapting(1.0), None, 0)
    batch = collate([segments[0, 0], segments[0, 1]])
    expected = np.stack([each.feature_mean for each in part])
    np.testing.assert_array_equal(batch.feature_means, expected)
