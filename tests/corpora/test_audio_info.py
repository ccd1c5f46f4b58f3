import os

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqcap.corpora.audio_info import durations_s, probe_all_audio, probe_audio
from seqcap.errors import AudioError


@pytest.fixture
def noise():
    return np.random.default_rng(1).integers(-9000, 9000, 12000).astype(np.int16)


def test_the_same_sound_has_one_hash_in_any_container(tmp_path, noise):
    soundfile.write(tmp_path / "a.wav", noise, 16000)
    soundfile.write(tmp_path / "b.flac", noise, 16000)
    soundfile.write(tmp_path / "c.wav", np.stack([noise, noise], axis=1), 16000)
    soundfile.write(tmp_path / "d.wav", noise.astype(np.int32) << 16, 16000, subtype="PCM_24")
    hashes = {probe_audio(path).audio_hash for path in tmp_path.iterdir()}
    assert len(hashes) == 1


def test_one_sample_makes_another_sound(tmp_path, noise):
    soundfile.write(tmp_path / "a.wav", noise, 16000)
    noise[77] += 1
    soundfile.write(tmp_path / "b.wav", noise, 16000)
    assert probe_audio(tmp_path / "a.wav") != probe_audio(tmp_path / "b.wav")


def test_a_changed_file_is_read_again(tmp_path, noise):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise, 16000)
    before = probe_audio(path)
    soundfile.write(path, noise[:8000], 16000)
    os.utime(path, ns=(1, 1))
    assert before.duration_s == 0.75
    assert probe_audio(path).duration_s == 0.5


def test_silence_is_noticed(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    assert probe_audio(tmp_path / "a.wav").silent


def test_one_bad_file_does_not_stop_the_others(tmp_path, noise):
    soundfile.write(tmp_path / "a.wav", noise, 16000)
    (tmp_path / "b.wav").write_text("no sound")
    sounds, faults = probe_all_audio([str(tmp_path / "b.wav"), str(tmp_path / "a.wav")])
    assert list(sounds) == [str(tmp_path / "a.wav")]
    assert "not a sound file" in faults[str(tmp_path / "b.wav")]
    with pytest.raises(AudioError, match="no such file"):
        probe_audio(tmp_path / "absent.wav")


def test_durations_come_from_times_or_headers(tmp_path, noise):
    soundfile.write(tmp_path / "a.wav", noise, 16000)
    table = pd.DataFrame(
        {
            "file": [str(tmp_path / "a.wav")] * 2 + [str(tmp_path / "absent.wav")],
            "start": [0.25, 0.25, 0.0],
            "end": [np.nan, 0.5, np.nan],
        }
    )
    assert durations_s(table).fillna(-1).tolist() == [0.5, 0.25, -1]
