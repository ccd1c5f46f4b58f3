import pytest

from seqcap.corpora.speakers import speaker_key


@pytest.mark.parametrize("other", ["sp01 ", "SP_1", "Sp 01", " sp-001", "ＳＰ０１"])
def test_spellings_of_one_person_are_one(other):
    assert speaker_key(other) == speaker_key("SP01")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SP01", "SP10"),
        ("emodb-03", "ravdess-03"),
        ("iemocap-1F", "iemocap-1M"),
        ("s1-2", "s12"),
        ("a-11", "a1-1"),
        ("10", "100"),
        ("?", "!"),
        ("анна", "яна"),
    ],
)
def test_different_people_stay_different(one, other):
    assert speaker_key(one) != speaker_key(other)
