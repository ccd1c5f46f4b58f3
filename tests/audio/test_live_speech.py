import numpy as np
import pytest
import soundfile

from seqcap.audio.high_pass import HighPass
from seqcap.audio.live_speech import LiveSpeech, LiveSpeechDetector
from seqcap.audio.normalisation import keep_frames
from seqcap.audio.speech_detection import speech_frames, speech_probabilities

MARGIN_S = 0.1  # that `speech_frames` adds on either side


@pytest.fixture(scope="module")
def waveform(samples):
    """Three sentences with pauses of a second between them, louder and softer."""
    sounds = [soundfile.read(path, dtype="float32")[0] for path in samples[:3]]
    pause = np.random.default_rng(0).normal(0, 1e-4, 16000).astype(np.float32)
    parts = [
        part
        for sound, gain in zip(sounds, (1, 0.1, 1), strict=True)
        for part in (pause, sound * gain)
    ]
    return np.concatenate((*parts, pause)).astype(np.float32)


def turns_of(waveform, size):
    detector = LiveSpeechDetector()
    found = []
    for start in range(0, len(waveform), size):
        found += detector.push(waveform[start : start + size])
    return found + list(detector.finish())


def test_turns_are_those_of_the_whole_recording(waveform):
    found = turns_of(waveform, 1600)
    frames = speech_frames(speech_probabilities([waveform])[0], len(waveform))
    edges = np.flatnonzero(np.diff(frames, prepend=False, append=False)) / 100
    expected = edges + np.tile([MARGIN_S, -MARGIN_S], len(edges) // 2)
    assert [speaks for speaks, _ in found] == [True, False] * (len(edges) // 2)
    assert len(found) >= 6
    assert [at_s for _, at_s in found] == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize("size", [1, 513, 100_000])
def test_the_size_of_pieces_changes_nothing(waveform, size):
    short = waveform[: 3 * 16000]
    found, expected = turns_of(short, size), turns_of(short, 1600)
    assert np.array(found) == pytest.approx(np.array(expected), abs=1e-6)


def test_speech_that_goes_on_ends_with_the_sound(samples):
    sound = soundfile.read(samples[0], dtype="float32")[0][:24000]
    (started, _), (ended, at_s) = turns_of(sound, 1600)
    assert (started, ended) == (True, False)
    assert at_s == 1.5


def test_an_offset_is_no_speech_and_hides_none(waveform):
    assert turns_of(np.full(32000, 0.3, np.float32), 1600) == []
    shifted = turns_of(waveform + np.float32(0.2), 1600)
    assert [s for s, _ in shifted] == [s for s, _ in turns_of(waveform, 1600)]


def speech_of(waveform, size):
    speech = LiveSpeech(LiveSpeechDetector())
    parts, turns = [], []
    for start in range(0, len(waveform), size):
        piece = waveform[start : start + size]
        part, found = speech.push(piece, piece)
        parts.append(part)
        turns += found
    return np.concatenate(parts), turns


@pytest.fixture(scope="module")
def loud(samples):
    """As `waveform`, and so loud that the detector hears it at its own level."""
    sounds = [soundfile.read(path, dtype="float32")[0] for path in samples[:3]]
    pauses = [np.random.default_rng(0).normal(0, 1e-4, n) for n in (40000, 9000, 4000, 30000)]
    parts = [each for both in zip(pauses, sounds, strict=False) for each in both]
    sound = np.concatenate((*parts, pauses[-1])).astype(np.float32)[: 9 * 16000]
    return np.clip(sound * np.float32(0.2 / np.sqrt(np.square(sound).mean())), -1, 1)


def test_speech_is_joined_as_in_a_recording(loud):
    heard = HighPass(20.0)(loud)
    expected = speech_frames(speech_probabilities([heard])[0], len(loud))
    found, turns = speech_of(loud, 1600)
    assert len(turns) >= 2
    assert 0 < expected.sum() < len(expected) - 100
    np.testing.assert_array_equal(found, keep_frames(loud, expected))


@pytest.mark.parametrize("size", [7, 513, 1_000_000])
def test_the_size_of_pieces_changes_no_sample(loud, size):
    short = loud[: 5 * 16000]
    np.testing.assert_array_equal(speech_of(short, size)[0], speech_of(short, 1600)[0])


def test_the_first_word_after_faint_noise_is_speech(samples):
    missed = count = 0
    noise = np.random.default_rng(0).normal(0, 5e-4, 32000).astype(np.float32)
    for path in samples:
        sound = np.concatenate((noise, soundfile.read(path, dtype="float32")[0]))
        expected = speech_frames(speech_probabilities([sound])[0], len(sound))
        places = np.arange(len(sound), dtype=np.float32)
        kept, _ = LiveSpeech(LiveSpeechDetector()).push(sound, places)
        found = np.isin(np.arange(len(expected)), kept.astype(int) // 160)
        missed += (expected & ~found).sum()
        count += expected.sum()
    assert missed / count < 0.006  # .009 with nothing before the noise


def test_what_waits_to_be_speech_is_kept_for_ten_seconds():
    speech = LiveSpeech(LiveSpeechDetector())
    noise = np.random.default_rng(0).normal(0, 1e-3, 160000).astype(np.float32)
    for _ in range(3):
        part, _ = speech.push(noise, noise)
        assert not len(part)
    assert len(speech._waiting) <= 10 * 16000
