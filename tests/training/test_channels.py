import numpy as np
import pytest

from seqcap.errors import SettingsError
from seqcap.training import channels
from seqcap.training.augmentation import Augmentation, augment_waveform


@pytest.fixture
def noise():
    return (0.1 * np.random.default_rng(0).standard_normal(32000)).astype(np.float32)


def power_between(waveform, low_hz, high_hz):
    spectrum = np.abs(np.fft.rfft(waveform)) ** 2
    frequencies = np.fft.rfftfreq(len(waveform), 1 / 16000)
    return spectrum[(frequencies >= low_hz) & (frequencies < high_hz)].mean()


def test_a_telephone_keeps_its_band_only(noise):
    changed = channels.telephone(noise, np.random.default_rng(1))
    assert len(changed) == len(noise)
    assert power_between(changed, 4200, 8000) < 1e-3 * power_between(changed, 500, 3000)
    assert power_between(changed, 500, 3000) == pytest.approx(power_between(noise, 500, 3000), 0.1)


def test_an_equaliser_stays_within_its_range(noise):
    changed = channels.equalise(noise, 6.0, np.random.default_rng(1))
    ratio_db = 20 * np.log10(np.abs(np.fft.rfft(changed)) / np.abs(np.fft.rfft(noise)))
    assert np.abs(ratio_db).max() < 6.01
    assert np.ptp(ratio_db) > 1


def test_a_room_adds_a_tail_that_decays():
    click = np.zeros(32000, np.float32)
    click[100] = 1
    response = channels.reverberate(click, np.random.default_rng(1))
    assert response[:100].max() < 1e-6
    assert response[100] == pytest.approx(1, abs=1e-5)
    assert np.square(response[200:2000]).sum() > 10 * np.square(response[16000:]).sum()


def test_clipping_changes_the_loudest_hundredth_at_most(noise):
    changed = channels.clip(noise, np.random.default_rng(1))
    assert 0 < np.mean(changed != noise) <= 0.0101


def test_noise_whose_name_begins_with_5_is_kept_for_tests(tmp_path, monkeypatch, noise):
    import soundfile

    soundfile.write(tmp_path / "5-a.wav", noise, 16000)
    monkeypatch.setenv(channels.NOISE_FOLDER, str(tmp_path))
    with pytest.raises(SettingsError, match="holds no audio"):
        channels.draw_noise(100, np.random.default_rng(0))
    soundfile.write(tmp_path / "1-a.wav", noise, 16000)
    channels.recorded_noises.cache_clear()
    (kept,) = channels.recorded_noises(str(tmp_path))
    assert len(kept) == len(noise)


def test_a_segment_keeps_its_length_and_level_in_every_channel(noise):
    settings = Augmentation(
        gain_db=0.0,
        equaliser_share=1.0,
        telephone_share=0.5,
        low_pass_share=1.0,
        room_share=1.0,
        clip_share=1.0,
        noise_share=1.0,
        noise_snr_db=(0.0, 20.0),
        recorded_noise=True,
    )
    for seed in range(20):
        changed = augment_waveform(noise, settings, np.random.default_rng(seed))
        assert len(changed) == len(noise)
        assert np.mean(changed**2) == pytest.approx(np.mean(noise**2), rel=1e-3)


def test_no_random_number_is_drawn_for_a_change_that_is_off(noise):
    plain = augment_waveform(noise, Augmentation(), np.random.default_rng(4))
    generator = np.random.default_rng(4)
    assert generator.random() >= Augmentation().noise_share
    gain_db = generator.uniform(-3, 3)
    np.testing.assert_array_equal(plain, noise * np.float32(10 ** (gain_db / 20)))
