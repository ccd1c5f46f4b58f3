"""Models that use speech only: whole recordings and pieces without any say so."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcap.audio.spectrogram import log_spectrogram
from seqcap.audio.waveform import load_waveform
from seqcap.errors import AudioError
from seqcap.recognition.answers import NO_SPEECH
from seqcap.recognition.checkpoint import load_checkpoint
from seqcap.recognition.recognizer import Recognizer
from seqcap.recognition.recordings import prepare, read_recording
from seqcap.scoring.evaluation import predict_table, scores

SAMPLES = Path(__file__).parents[2] / "samples" / "emodb"


@pytest.fixture(scope="module")
def recognizer():
    checkpoint = load_checkpoint()
    hearing = checkpoint.normalisation.changed(speech_only=True, high_pass_hz=20.0, trim_db=0.0)
    return Recognizer(dataclasses.replace(checkpoint, normalisation=hearing))


@pytest.fixture(scope="module")
def sentence():
    return load_waveform(SAMPLES / "15b09Wb.wav")


def soft_noise(seconds):
    noise = np.random.default_rng(0).standard_normal(round(16000 * seconds))
    return (0.001 * noise).astype(np.float32)


def values(answer):
    return np.array(list(answer.probabilities.values()))


@pytest.mark.parametrize("seconds", [0.05, 3.0, 70.0])
def test_a_recording_without_speech_says_so(recognizer, seconds):
    answer = recognizer.recognize((soft_noise(seconds), 16000))
    assert answer.predicted == NO_SPEECH
    assert np.isnan(values(answer)).all()
    assert {piece.predicted for piece in answer.timeline} == {NO_SPEECH}
    assert math.isnan(answer.confidence)
    assert json.loads(json.dumps(answer.to_dict()))["anger"] is None


@pytest.mark.parametrize("pause_s", [6.0, 70.0])
def test_recordings_are_answered_from_their_speech_and_pauses_are_no_speech(
    recognizer, sentence, pause_s
):
    alone = recognizer.recognize((np.concatenate((sentence, sentence)), 16000))
    apart = np.concatenate((sentence, soft_noise(pause_s), sentence))
    answer = recognizer.recognize((apart, 16000))
    np.testing.assert_allclose(values(answer), values(alone), atol=0.15)
    said = [piece.predicted for piece in answer.timeline]
    assert said[0] != NO_SPEECH
    assert said[-1] != NO_SPEECH
    assert said.count(NO_SPEECH) >= (pause_s - 3) // 2
    assert answer.timeline[0].start == 0.0
    assert answer.timeline[-1].end == answer.end


def test_capsules_of_a_recording_without_speech_are_refused(recognizer):
    with pytest.raises(AudioError, match=r"<array>: no speech in it; .* needs speech"):
        recognizer.embed((soft_noise(2.0), 16000))


def test_an_offset_changes_nothing(recognizer, sentence):
    plain = recognizer.recognize((sentence * np.float32(0.5), 16000))
    offset = recognizer.recognize((sentence * np.float32(0.5) + np.float32(0.3), 16000))
    np.testing.assert_allclose(values(offset), values(plain), atol=1e-3)


def test_no_speech_is_wrong_in_every_score(recognizer, sentence, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a.wav", sentence, 16000)
    soundfile.write(tmp_path / "b.wav", soft_noise(2.0), 16000)
    emotion = recognizer.recognize((sentence, 16000)).predicted
    table = pd.DataFrame(
        {
            "file": [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")],
            "start": 0.0,
            "end": np.nan,
            "speaker": ["1", "2"],
            "emotion": emotion,
        }
    )
    answers = predict_table(recognizer, table)
    assert answers["predicted"].tolist() == [emotion, NO_SPEECH]
    score = scores(answers, recognizer.emotions)
    assert score["wa"] == score["ua"] == score["recall"][emotion] == 0.5
    assert sum(row[-1] for row in score["confusion"]) == 1


@pytest.mark.parametrize("pause_s", [3.0, 65.0])  # held, and read again in blocks
def test_kept_frames_are_those_of_the_joined_speech(recognizer, sentence, pause_s):
    normalisation = recognizer.checkpoint.normalisation
    apart = np.concatenate((soft_noise(1.0), sentence, soft_noise(pause_s), sentence))
    (prepared,) = prepare([read_recording((apart, 16000))], normalisation)
    frames = np.concatenate(list(prepared.blocks()))
    assert len(frames) == sum(prepared.sizes)
    np.testing.assert_allclose(
        frames, log_spectrogram(normalisation.prepare(apart)), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(frames, normalisation.spectrogram(apart), rtol=1e-4, atol=1e-4)
