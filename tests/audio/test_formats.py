import pytest

from seqcap.audio.formats import ENDINGS, has_sound_ending


@pytest.mark.parametrize("name", ["a.wav", "A.WAV", "memo.m4a", "x.y.opus", "film.MKV", "ö.amr"])
def test_sound_files_are_known_by_their_endings(name):
    assert has_sound_ending(name)


@pytest.mark.parametrize("name", ["a.txt", "wav", ".wav", "a.wav.part", "a.ts", "cover.jpg"])
def test_other_files_are_not(name):
    assert not has_sound_ending(name)


def test_endings_are_unique_and_in_lower_case():
    assert len(set(ENDINGS)) == len(ENDINGS)
    assert all(ending == ending.lower() and ending.startswith(".") for ending in ENDINGS)
