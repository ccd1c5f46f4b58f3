import os
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from seqcap.audio.normalisation import (
    Normalisation,
    NormalisationSettings,
    block_powers,
    rms_of_louder_half,
)
from seqcap.audio.spectrogram import (
    BIN_COUNT,
    DFT_SAMPLES,
    FLOOR,
    FRAMES_PER_S,
    SHIFT_SAMPLES,
    WINDOW_SAMPLES,
    frame_count,
    log_spectrogram,
    log_spectrogram_blocks,
    magnitudes,
)
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform

# A float32 sum over 640 products of a window and samples is right to about this share of the
# greatest magnitude; single precision is enough for a spectrogram, not for 1e-6 of every bin.
SINGLE = 2e-6


def make_noise(sample_count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-0.5, 0.5, sample_count).astype(np.float32)


def test_a_frame_is_the_golden_one():
    folder = os.environ.get("SEQCAP_SHARED")
    if folder is None:
        pytest.skip("SEQCAP_SHARED does not say where golden/equations.npz is")
    with np.load(Path(folder) / "golden" / "equations.npz") as golden:
        frame, expected = golden["frame_x"], golden["frame_mag"]
    # The formula in float64, with the room's own numbers: 1e-6 of every bin.
    hann = scipy.signal.get_window("hann", WINDOW_SAMPLES)  # periodic
    formula = np.abs(np.fft.rfft(frame * hann, DFT_SAMPLES))[:BIN_COUNT]
    np.testing.assert_allclose(formula, expected, rtol=1e-6)
    # The room's float32: 1e-6 of the frame's length, sharper than any feature looks.
    ours = magnitudes(frame.astype(np.float32))[0]
    assert np.linalg.norm(ours - expected) <= 1e-6 * np.linalg.norm(expected)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=SINGLE * expected.max())


def test_magnitudes_are_scipys():
    waveform = make_noise(16000)
    analysis = scipy.signal.ShortTimeFFT(
        scipy.signal.get_window("hann", WINDOW_SAMPLES),
        hop=SHIFT_SAMPLES,
        fs=SAMPLE_RATE_HZ,
        mfft=DFT_SAMPLES,
        phase_shift=None,
    )
    # scipy centres its windows; ours start at the frame.
    first = WINDOW_SAMPLES // 2 // SHIFT_SAMPLES
    padded = np.concatenate((waveform.astype(float), np.zeros(WINDOW_SAMPLES)))
    expected = np.abs(analysis.stft(padded, p0=first, p1=first + 100)).T[:, :BIN_COUNT]
    np.testing.assert_allclose(magnitudes(waveform), expected, atol=SINGLE * expected.max())
    np.testing.assert_allclose(analysis.f[:BIN_COUNT], np.arange(BIN_COUNT) * 10)


def test_a_tone_stands_at_its_frequency():
    time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    for frequency_hz in (100, 440, 1000, 5000):
        tone = np.sin(2 * np.pi * frequency_hz * time_s).astype(np.float32)
        peaks = log_spectrogram(tone)[:-4].argmax(axis=1)
        assert set(peaks) == {frequency_hz // 10}


def test_sound_moved_by_one_hop_moves_frames_by_one():
    waveform = make_noise(8000)
    moved = np.concatenate((np.zeros(SHIFT_SAMPLES, np.float32), waveform))
    np.testing.assert_array_equal(log_spectrogram(moved)[1:], log_spectrogram(waveform))


@pytest.mark.parametrize(
    ("sample_count", "frames"),
    [(1, 1), (159, 1), (160, 1), (161, 2), (640, 4), (641, 5), (16000, 100), (16001, 101)],
)
def test_every_started_10_ms_has_a_frame(sample_count, frames):
    spectrogram = log_spectrogram(make_noise(sample_count))
    assert spectrogram.shape == (frames, BIN_COUNT)
    assert frame_count(sample_count) == frames
    assert spectrogram.dtype == np.float32
    assert np.isfinite(spectrogram).all()


def test_a_second_has_100_frames():
    assert FRAMES_PER_S == 100


def test_many_frames_are_what_each_is_alone():
    waveform = make_noise(160 * 600)
    spectrogram = log_spectrogram(waveform)
    for frame in (0, 255, 256, 511, 512, 590):
        alone = log_spectrogram(waveform[160 * frame : 160 * frame + WINDOW_SAMPLES])[0]
        np.testing.assert_allclose(spectrogram[frame], alone, atol=1e-6)


def test_silence_is_the_floor_and_loud_sound_is_far_above():
    np.testing.assert_allclose(log_spectrogram(np.zeros(640, np.float32)), np.log(FLOOR))
    assert log_spectrogram(np.ones(6400, np.float32)).max() == pytest.approx(np.log(320), abs=1e-3)


def test_normalisation_gives_mean_zero_and_variance_one():
    spectrogram = log_spectrogram(make_noise(16000))
    normalise = Normalisation(spectrogram.mean(axis=0), spectrogram.std(axis=0))
    normalised = normalise(spectrogram)
    np.testing.assert_allclose(normalised.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normalised.std(axis=0), 1, atol=1e-4)


def test_pauses_do_not_count_for_loudness():
    waveform = make_noise(16000)
    padded = np.concatenate((np.zeros(8000, np.float32), waveform, np.zeros(8000, np.float32)))
    assert rms_of_louder_half(block_powers(padded)) == pytest.approx(
        float(np.sqrt(np.mean(waveform**2))), rel=1e-3
    )


def test_a_level_makes_quiet_and_loud_recordings_alike():
    ones = np.ones(BIN_COUNT, np.float32)
    normalise = Normalisation(0 * ones, ones, NormalisationSettings(target_rms=0.1))
    waveform = make_noise(16000)
    quiet, loud = normalise.spectrogram(0.05 * waveform), normalise.spectrogram(waveform)
    np.testing.assert_allclose(quiet, loud, atol=1e-3)
    silence = np.zeros(1600, np.float32)
    np.testing.assert_array_equal(normalise.spectrogram(silence), log_spectrogram(silence))
    as_it_is = Normalisation(0 * ones, ones)
    np.testing.assert_array_equal(as_it_is.spectrogram(waveform), log_spectrogram(waveform))


def test_real_speech_has_its_energy_below_5_khz(samples):
    for path in samples:
        spectrogram = magnitudes(load_waveform(path)) ** 2
        assert spectrogram[:, :400].sum() > 0.9 * spectrogram.sum()


@pytest.mark.parametrize("sizes", [[160], [480, 480, 1], [640], [16000, 16000, 123], [1600, 40]])
def test_blocks_give_the_frames_of_the_whole(sizes):
    generator = np.random.default_rng(0)
    blocks = [generator.uniform(-0.5, 0.5, size).astype(np.float32) for size in sizes]
    np.testing.assert_allclose(
        np.concatenate(list(log_spectrogram_blocks(blocks))),
        log_spectrogram(np.concatenate(blocks)),
        atol=1e-5,
    )
