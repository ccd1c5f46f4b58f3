import numpy as np
import pytest
import scipy.signal

from seqcap.audio.high_pass import HighPass


@pytest.fixture
def noise_with_offset():
    return (np.random.default_rng(0).standard_normal(20000) * 0.1 + 0.3).astype(np.float32)


def test_it_is_the_filter_of_its_equation(noise_with_offset):
    high_pass = HighPass(20.0)
    first = float(noise_with_offset[0])
    expected, _ = scipy.signal.lfilter(
        [1, -1], [1, -high_pass.decay], noise_with_offset.astype(float), zi=[-first]
    )
    np.testing.assert_allclose(high_pass(noise_with_offset), expected, atol=1e-6)


@pytest.mark.parametrize("cuts", [[1, 2, 3], [160, 320], [7, 999, 1000, 15001]])
def test_blocks_of_any_lengths_give_what_the_whole_gives(noise_with_offset, cuts):
    whole = HighPass(20.0)(noise_with_offset)
    high_pass = HighPass(20.0)
    joined = np.concatenate([high_pass(block) for block in np.split(noise_with_offset, cuts)])
    np.testing.assert_allclose(joined, whole, atol=1e-6)


def test_an_offset_leaves_no_trace_and_speech_passes():
    tone = 0.1 * np.sin(2 * np.pi * 100 * np.arange(16000) / 16000)
    filtered = HighPass(20.0)((tone + 0.5).astype(np.float32))
    np.testing.assert_allclose(filtered, HighPass(20.0)(tone.astype(np.float32)), atol=1e-6)
    assert 0.95 < np.sqrt(np.mean(filtered**2) / np.mean(tone**2)) < 1
