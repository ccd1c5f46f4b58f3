"""The shipped model, on real speech of speakers that it was not trained on."""

import json

import numpy as np
import pytest
import soundfile

from seqcap import Recognizer
from seqcap.models.systems import count_parameters
from seqcap.recognition.answers import NO_SPEECH
from seqcap.recognition.checkpoint import load_checkpoint
from seqcap.recognition.model_folder import CARD_FILE, shipped_models

EMOTION_OF_LETTER = {"N": "neutral", "W": "anger", "F": "happiness", "T": "sadness"}


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.from_pretrained(device="cpu")


def test_it_has_sequential_capsules_and_the_papers_network_is_there_as_well(recognizer):
    assert recognizer.checkpoint.system_name == "Whisper-SeqCap"
    assert count_parameters(load_checkpoint().system) == 904_008
    assert recognizer.emotions == tuple(EMOTION_OF_LETTER.values())
    papers = load_checkpoint("cnn")
    assert papers.system_name == "CNN_GRU-SeqCap"
    assert count_parameters(papers.system) == 1_523_448


def test_speakers_of_the_samples_did_not_train_it(recognizer, samples):
    fold = recognizer.checkpoint.provenance["fold"]
    known = {*fold["train"], *fold["validation"]}
    assert known.isdisjoint(f"emodb-{path.name[:2]}" for path in samples)
    assert not set(fold["test"]) & known


def test_it_recognises_most_of_the_samples_and_is_never_wrong_about_arousal(recognizer, samples):
    right = 0
    for path in samples:
        emotion = EMOTION_OF_LETTER[path.stem[5]]
        predicted = recognizer.recognize(path).predicted
        right += predicted == emotion
        if emotion in ("anger", "sadness"):  # loud and quiet are not mixed up
            assert predicted not in {"anger": ("sadness",), "sadness": ("anger",)}[emotion]
    assert right >= 6  # of 8; chance is 2


def test_the_adaptive_model_adapts_to_the_speakers_of_the_samples(samples):
    adaptive = Recognizer.from_pretrained("adaptive")
    assert adaptive.is_speaker_adaptive
    fold = adaptive.checkpoint.provenance["fold"]
    assert not set(fold["test"]) & {*fold["train"], *fold["validation"]}
    right = 0
    for speaker in ("15", "16"):
        own = [path for path in samples if path.name.startswith(speaker)]
        for path, answer in zip(own, adaptive.recognize_speaker(own), strict=True):
            right += answer.predicted == EMOTION_OF_LETTER[path.stem[5]]
    assert right >= 6  # of 8; chance is 2


def test_the_model_for_streams_answers_about_all_speech_so_far(samples):
    recognizer = Recognizer.from_pretrained("stream")
    fold = recognizer.checkpoint.provenance["fold"]
    assert not set(fold["test"]) & {*fold["train"], *fold["validation"]}
    nothing = recognizer.stream(horizon_s=None)
    nothing.push(np.zeros(16000, np.float32))
    assert nothing.answer().predicted == NO_SPEECH
    right = alike = 0
    for path in samples:
        stream = recognizer.stream(horizon_s=None, refresh_s=60)
        stream.push(soundfile.read(path, dtype="float32")[0])
        predicted = stream.answer().predicted
        right += predicted == EMOTION_OF_LETTER[path.stem[5]]
        alike += predicted == recognizer.recognize(path).predicted
    assert right >= 5  # of 8; chance is 2
    assert alike >= 7


@pytest.mark.parametrize("folder", shipped_models().values(), ids=shipped_models())
def test_its_card_tells_its_scores_licence_and_limits(folder):
    card = (folder / CARD_FILE).read_text("utf-8")
    for text in ("WA", "UA", "**Licence of the weights.** CC BY", "EMO-DB", "not meant for"):
        assert text in card
    settings = json.loads((folder / "model.json").read_text("utf-8"))
    learned = {name.partition("-")[0] for name in settings["provenance"]["fold"]["train"]}
    # These corpora are for non-commercial use, and so is what learned from them.
    bound = bool(learned & {"ravdess", "nemo"})
    assert ("for non-commercial use only" in card) == bound
    assert ("**Licence of the weights.** CC BY-NC-SA 4.0" in card) == bound
    assert card.startswith(f"# {settings['name']}\n")
    assert "| test | all |" in card
