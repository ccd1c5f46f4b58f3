import pytest

from seqcap.corpora.speakers import speaker_key


@pytest.mark.parametrize("other", ["sp01 ", "SP_1", "Sp 01", " sp-001", "ＳＰ０１"])
def test_spellings_of_one_person_are_one(other):
    assert speaker_key(other) == speaker_key("SP01")


@pytest.mark.parametrize("other", ["3", "3.0", "03", "3,0", "03.00", " 3.0 ", "３"])
def test_a_number_is_one_person_however_a_spreadsheet_writes_it(other):
    assert speaker_key(other) == speaker_key("03")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SP01", "SP10"),
        ("emodb-03", "ravdess-03"),
        ("iemocap-1F", "iemocap-1M"),
        ("s1-2", "s12"),
        ("a-11", "a1-1"),
        ("10", "100"),
        ("1.0", "10"),
        ("3.5", "3"),
        ("3.01", "3"),
        ("?", "!"),
        ("анна", "яна"),
    ],
)
def test_different_speakers_stay_different(one, other):
    assert speaker_key(one) != speaker_key(other)
