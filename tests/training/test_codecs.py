from pathlib import Path

import numpy as np
import pytest

from seqcap.audio.normalisation import NormalisationSettings
from seqcap.audio.waveform import load_waveform
from seqcap.training.augmentation import Augmentation
from seqcap.training.batches import Segments, Utterance, measure_normalisation
from seqcap.training.codecs import CODECS, code_waveforms

SAMPLES = sorted((Path(__file__).parents[2] / "samples" / "emodb").rglob("*.wav"))


@pytest.fixture(scope="module")
def sentence():
    return load_waveform(SAMPLES[0])


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_changes_the_sound_without_delay(codec, sentence):
    loud = sentence * np.float32(0.5 / np.abs(sentence).max())
    coded = CODECS[codec](loud, np.random.default_rng(0))
    count = min(len(coded), len(loud))
    assert count > len(loud) - 1200
    assert np.abs(coded[:count] - loud[:count]).max() > 1e-3
    assert np.corrcoef(coded[:count], loud[:count])[0, 1] > 0.8  # no delay


def test_coded_recordings_keep_length_and_level_and_are_reproducible(sentence):
    quiet = [sentence * np.float32(0.01), sentence[:8000], sentence, sentence[:1000]]
    coded = code_waveforms(quiet, seed=0)
    for before, after in zip(quiet, coded, strict=True):
        assert len(after) == len(before)
        assert np.sqrt(np.mean(after**2) / np.mean(before**2)) == pytest.approx(1, abs=0.4)
    for once, again in zip(coded, code_waveforms(quiet, seed=0), strict=True):
        np.testing.assert_array_equal(once, again)


def test_segments_are_cut_from_coded_recordings_as_often_as_asked(sentence):
    utterances = [Utterance(sentence, 0, "c")]
    normalisation = measure_normalisation(utterances, NormalisationSettings())
    still = Augmentation(
        speed=0.0, gain_db=0.0, tilt_db=0.0, noise_share=0.0, masks=0, codec_share=1.0
    )
    coded = Segments(utterances, normalisation, still, seed=0, segment_s=60.0)
    spectrogram = coded[(0, 0)].spectrogram
    expected = normalisation.spectrogram(code_waveforms([sentence], 0)[0])
    np.testing.assert_allclose(spectrogram, normalisation(expected), atol=1e-3)
