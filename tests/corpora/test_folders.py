import pytest

from seqcap.corpora.emotions import emotion_in_name
from seqcap.corpora.readers import read_corpus
from seqcap.errors import CorpusWarning


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("01Neutral", "neutral"),
        ("02Fearful", "fear"),
        ("happy_speech", "happiness"),
        ("ANG", "anger"),
        ("OAF_angry", "anger"),
        ("YAF_pleasant_surprised", "surprise"),
        ("Sad-Speech (2)", "sadness"),
        ("class 3 disgust", "disgust"),
        ("HappyVoices", "happiness"),
        ("male_joy", "happiness"),
        ("Wut", "anger"),
        ("Ärger", "anger"),
        ("3_Überraschung", "surprise"),
        ("colère", "anger"),
        ("alegría", "happiness"),
        ("tristeza", "sadness"),
        ("paura", "fear"),
        ("Злость", "anger"),
        ("радость", "happiness"),
        ("愤怒", "anger"),
        ("öfke", "anger"),
        ("złość", "anger"),
    ],
)
def test_usual_names_of_folders_are_understood(name, emotion):
    assert emotion_in_name(name) == emotion


@pytest.mark.parametrize(
    "name",
    [
        "data",
        "speaker_01",
        "not_angry",
        "non-neutral",
        "happy_or_sad",
        "12",
        "",
        "dis_1_tri",
        "wav",
    ],
)
def test_other_folders_are_no_emotions(name):
    assert emotion_in_name(name) is None


def test_numbered_and_described_folders_are_read_and_named(make_tree):
    names = [
        "set/01Neutral/a.wav",
        "set/02Fearful/b.wav",
        "set/happy_speech/c.wav",
        "set/ANG/d.m4a",
    ]
    told = r"anger \(ANG\), fear \(02Fearful\), happiness \(happy_speech\), neutral \(01Neutral\)"
    with pytest.warns(CorpusWarning, match=told):
        table = read_corpus("folders", make_tree(names))
    assert sorted(table["emotion"]) == ["anger", "fear", "happiness", "neutral"]


def test_a_person_called_joy_is_no_emotion(make_tree):
    names = [
        f"{who}/{emotion}/{i}.wav"
        for who in ("Joy", "Anna")
        for emotion in ("angry", "sad")
        for i in range(2)
    ]
    with pytest.warns(CorpusWarning, match="2 speakers, by folders: Anna, Joy"):
        table = read_corpus("folders", make_tree(names))
    assert table["emotion"].value_counts().to_dict() == {"anger": 4, "sadness": 4}
