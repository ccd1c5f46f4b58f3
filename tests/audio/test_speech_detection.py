from pathlib import Path

import numpy as np
import pytest

from seqcap.audio.speech_detection import (
    CHUNK_SAMPLES,
    speech_frames,
    speech_probabilities,
    speech_probabilities_of_blocks,
)
from seqcap.audio.waveform import load_waveform

SAMPLES = sorted((Path(__file__).parents[2] / "samples" / "emodb").rglob("*.wav"))


@pytest.fixture(scope="module")
def sentences():
    return [load_waveform(file) for file in SAMPLES[:6]]


def detected(waveform):
    (probabilities,) = speech_probabilities([waveform])
    return speech_frames(probabilities, len(waveform))


def test_speech_is_found_and_the_silence_around_it_is_not(sentences):
    silence = np.zeros(32000, np.float32)
    for sentence in sentences:
        frames = detected(np.concatenate((silence, sentence, silence)))
        assert not frames[:150].any()
        assert not frames[-150:].any()
        assert frames[200 : 200 + len(sentence) // 160].mean() > 0.85


@pytest.mark.parametrize("kind", ["white noise", "falling noise", "hum", "chord", "silence"])
def test_what_is_not_speech_is_not_detected(kind):
    generator = np.random.default_rng(0)
    times = np.arange(64000) / 16000
    noise = generator.standard_normal(64000)
    sound = {
        "white noise": 0.1 * noise,
        "falling noise": 0.05 * np.convolve(noise, 0.9 ** np.arange(64), "same"),
        "hum": 0.2 * sum(np.sin(2 * np.pi * 50 * k * times) / k for k in range(1, 6)),
        "chord": 0.1 * sum(np.sin(2 * np.pi * f * times) for f in (262, 330, 392)),
        "silence": np.zeros(64000),
    }[kind]
    assert not detected(sound.astype(np.float32)).any()


def test_speech_is_detected_in_quiet_recordings_as_in_loud_ones(sentences):
    for sentence in sentences:
        assert np.mean(detected(sentence) != detected(sentence * np.float32(0.003))) < 0.02


def test_other_recordings_in_a_batch_change_nothing(sentences):
    together = speech_probabilities(sentences)
    for sentence, probabilities in zip(sentences, together, strict=True):
        (alone,) = speech_probabilities([sentence])
        np.testing.assert_allclose(alone, probabilities, atol=1e-4)


def test_blocks_of_a_long_recording_give_what_the_whole_gives(sentences):
    long = np.concatenate(sentences * 3)
    (whole,) = speech_probabilities([long])
    in_blocks = speech_probabilities_of_blocks(np.split(long, [1000, 160000, 300001]))
    np.testing.assert_allclose(in_blocks, whole, atol=1e-4)
    assert len(whole) == -(-len(long) // CHUNK_SAMPLES)


def test_parallel_lanes_equal_one_pass(sentences, monkeypatch):
    long = np.concatenate(sentences * 3)
    in_lanes = detected(long)
    monkeypatch.setattr("seqcap.audio.speech_detection.LANE_CHUNKS", 10**6)
    assert np.mean(in_lanes != detected(long)) < 0.01


def test_short_pauses_stay_and_long_ones_go(sentences):
    sentence = sentences[0]
    for pause_s, stays in ((0.2, True), (3.0, False)):
        pause = np.zeros(round(16000 * pause_s), np.float32)
        frames = detected(np.concatenate((sentence, pause, sentence)))
        middle = (len(sentence) + len(pause) // 2) // 160
        assert frames[middle] == stays


def test_a_click_is_not_speech():
    probabilities = np.zeros(100, np.float32)
    probabilities[50:52] = 1
    assert not speech_frames(probabilities, 51200).any()
