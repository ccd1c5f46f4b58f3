import json

import pandas as pd
import pytest

from seqcap.corpora.folds import (
    Fold,
    check_fold,
    make_folds,
    part_of,
    read_folds,
    write_folds,
)
from seqcap.errors import CorpusError


def corpus(people, sessions=None, gender=True, texts=("Hi.",)):
    """One row for each person and text; people are named m.. or f.. for their gender."""
    rows = [
        {
            "file": f"/data/{who}/{i}.wav",
            "speaker": who,
            "session": (sessions or {}).get(who, ""),
            "gender": {"m": "male", "f": "female"}[who[0]] if gender else "",
            "text": text,
        }
        for who in people
        for i, text in enumerate(texts)
    ]
    return pd.DataFrame(rows)


IEMOCAP = corpus(
    [f"{letter}{n}" for n in range(1, 6) for letter in "mf"],
    {f"{letter}{n}": f"Ses{n}" for n in range(1, 6) for letter in "mf"},
)
EMODB = corpus(["m03", "f08", "f09", "m10", "m11", "m12", "f13", "f14", "m15", "f16"])
RAVDESS = corpus([f"{'fm'[n % 2]}{n:02d}" for n in range(1, 25)]).replace(
    {"speaker": {f"{'fm'[n % 2]}{n:02d}": f"ravdess-{n:02d}" for n in range(1, 25)}}
)
NINE = corpus(["f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4", "m5"])
ALL_SCHEMES = ["paper", "paper_swapped", "loso", "groups:3", "groups:5"]


@pytest.mark.parametrize("scheme", ALL_SCHEMES)
@pytest.mark.parametrize(
    "table", [IEMOCAP, EMODB, RAVDESS, NINE], ids=["iemocap", "emodb", "ravdess", "nine"]
)
def test_every_speaker_is_in_one_part_and_tests_once(table, scheme):
    tested = []
    names = set()
    for fold in make_folds(table, scheme):
        parts = (fold.train, fold.validation, fold.test)
        assert all(parts)
        assert sorted(sum(parts, ())) == sorted(set(table["speaker"]))
        assert fold.shared_speakers == ()
        tested += fold.test
        names.add(fold.name)
        check_fold(table, fold)
    assert len(tested) == len(set(tested))
    assert len(names) == len(make_folds(table, scheme))
    if not scheme.startswith("paper"):
        assert set(tested) == set(table["speaker"])


@pytest.mark.parametrize("scheme", ALL_SCHEMES)
def test_folds_do_not_depend_on_the_order_of_rows_or_on_spellings(scheme):
    shuffled = EMODB.sample(frac=1, random_state=3)
    messy = pd.concat([EMODB, EMODB.assign(speaker=EMODB["speaker"].str.lower() + " ")])
    assert make_folds(shuffled, scheme) == make_folds(EMODB, scheme)
    assert make_folds(messy, scheme) == make_folds(EMODB, scheme)


def test_the_papers_folds_leave_out_a_session_and_split_its_two():
    folds = make_folds(IEMOCAP, "paper")
    assert len(folds) == 5
    assert folds[2].name == "paper-Ses3"
    assert (folds[2].validation, folds[2].test) == (("f3",), ("m3",))
    assert {speaker[1] for speaker in folds[2].train} == {"1", "2", "4", "5"}


def test_the_swapped_folds_exchange_the_two():
    for fold, swapped in zip(
        make_folds(IEMOCAP, "paper"), make_folds(IEMOCAP, "paper_swapped"), strict=True
    ):
        assert (fold.validation, fold.test) == (swapped.test, swapped.validation)


def test_a_corpus_without_sessions_gets_couples_of_a_woman_and_a_man():
    folds = make_folds(EMODB, "paper")
    assert [(fold.validation, fold.test) for fold in folds] == [
        (("f08",), ("m03",)),
        (("f09",), ("m10",)),
        (("f13",), ("m11",)),
        (("f14",), ("m12",)),
        (("f16",), ("m15",)),
    ]


def test_with_an_odd_number_of_speakers_all_are_tested():
    tested = [
        s for scheme in ("paper", "paper_swapped") for f in make_folds(NINE, scheme) for s in f.test
    ]
    assert sorted(tested) == sorted(set(NINE["speaker"]))
    nameless = corpus(["f1", "f2", "f3", "f4", "f5"], gender=False)
    assert [len(fold.test) for fold in make_folds(nameless, "paper")] == [1, 2]


def test_leaving_one_out_validates_with_the_partner_of_the_session():
    fold = make_folds(IEMOCAP, "loso")[0]
    assert (fold.test, fold.validation) == (("f1",), ("m1",))
    fold = make_folds(EMODB, "loso")[-1]
    assert len(make_folds(EMODB, "loso")) == 10
    assert len(fold.validation) == 1


def test_ravdess_in_six_groups_has_two_men_and_two_women_in_each():
    folds = make_folds(RAVDESS, "groups:6")
    assert folds[0].test == ("ravdess-01", "ravdess-02", "ravdess-03", "ravdess-04")
    assert folds[0].validation == folds[1].test
    assert folds[5].validation == folds[0].test
    assert all(len(fold.test) == 4 for fold in folds)


def test_each_corpus_is_tested_by_a_system_trained_on_the_others():
    table = pd.concat(
        [
            EMODB.assign(corpus="emodb"),
            RAVDESS.assign(corpus="ravdess"),
            NINE[:3].assign(corpus="nine"),
        ]
    )
    folds = make_folds(table, "corpora")
    assert [fold.name for fold in folds] == ["corpora-emodb", "corpora-nine", "corpora-ravdess"]
    first = folds[0]
    assert set(first.test) == set(EMODB["speaker"])
    assert first.validation == ("f3", *(f"ravdess-{n:02d}" for n in (5, 10, 15, 20)))
    assert sorted(first.train + first.validation + first.test) == sorted(set(table["speaker"]))


def test_numbers_in_names_count_as_numbers():
    table = corpus([f"m{n}" for n in range(1, 13)])
    assert make_folds(table, "groups:4")[0].test == ("m1", "m2", "m3")


def test_a_split_column_is_followed_and_other_names_are_understood():
    table = corpus(["m1", "m2", "m3"]).assign(split=["train", "Dev", "EVAL"])
    (fold,) = make_folds(table, "split")
    assert fold == Fold("split", ("m1",), ("m2",), ("m3",))
    assert part_of(table, fold).tolist() == ["train", "validation", "test"]


def test_a_column_of_fold_numbers_is_a_cross_validation():
    table = corpus(["m1", "m2", "m3", "m4"]).assign(split=["1", "2", "3", "1"])
    folds = make_folds(table, "split")
    assert [(fold.name, fold.validation, fold.test) for fold in folds] == [
        ("split-1", ("m2",), ("m1", "m4")),
        ("split-2", ("m3",), ("m2",)),
        ("split-3", ("m1", "m4"), ("m3",)),
    ]
    shared = table.replace({"speaker": {"m4": "M2 "}})
    with pytest.raises(CorpusError, match="speaker m2 is in folds 1 and 2 of column 'split'"):
        make_folds(shared, "split")


def test_a_split_that_shares_speakers_is_refused_and_marked_when_allowed():
    table = corpus(["m01", "m2", "m3", "m4"]).replace({"speaker": {"m4": "M01 "}})
    table["split"] = ["train", "dev", "test", "test"]
    with pytest.raises(CorpusError, match=r"fold split: speakers .*: m01; .*--allow-shared-speak"):
        make_folds(table, "split")
    (fold,) = make_folds(table, "split", allow_shared_speakers=True)
    assert fold.name == "split_shared_speakers"
    assert fold.shared_speakers == ("m01",)
    assert part_of(table, fold).tolist() == ["train", "validation", "test", "test"]
    with pytest.raises(CorpusError, match="m01"):
        check_fold(table, fold)
    assert check_fold(table, fold, allow_shared_speakers=True).shared_speakers == ("m01",)


@pytest.mark.parametrize(
    ("table", "scheme", "message"),
    [
        (EMODB, "kfold", "kfold: no such scheme of folds; there are paper, paper_swapped, loso"),
        (EMODB, "groups:two", "no such scheme"),
        (EMODB.assign(corpus="emodb"), "corpora", "the table holds emodb; two or more"),
        (EMODB, "corpora", "the table holds no corpus; two or more"),
        (EMODB, "groups:2", "groups:2: 10 speakers; from 3 groups"),
        (EMODB, "groups:11", "from 3 groups to one for each speaker"),
        (
            corpus(["f1", "f2"]),
            "paper",
            "2 speakers .f1, f2. are too few .* no speaker is left for training",
        ),
        (corpus(["f1", "f2"]), "loso", "no speaker is left for training"),
        *((corpus(["f1"]), one, "one speaker; at least three") for one in ("loso", "groups:3")),
        (EMODB.assign(speaker=""), "paper", "10 rows without a speaker, the first in row 2"),
        (EMODB, "split", "no column 'split' in the table"),
        (EMODB.assign(split="train"), "split", "no rows for validation, test"),
        (EMODB.assign(split="fold1"), "split", "row 2: 'fold1' in column 'split'; train, dev or"),
        (IEMOCAP.assign(session="one"), "paper", "no speaker is left for training"),
        (IEMOCAP.assign(session=IEMOCAP["speaker"]), "paper", "session f1 has one speaker, f1"),
        (
            pd.concat([IEMOCAP, IEMOCAP.assign(session="Ses9")]),
            "paper",
            "speaker f1 is in sessions Ses1, Ses9",
        ),
    ],
)
def test_impossible_folds_are_refused_with_the_way_out(table, scheme, message):
    with pytest.raises(CorpusError, match=message):
        make_folds(table, scheme)


def test_speakers_of_joined_corpora_do_not_collide():
    joined = pd.concat(
        [
            EMODB.assign(speaker="emodb-" + EMODB["speaker"], corpus="emodb"),
            IEMOCAP.assign(speaker="iemocap-" + IEMOCAP["speaker"], corpus="iemocap"),
        ]
    )
    folds = make_folds(joined, "paper")
    assert len(folds) == 10
    for fold in folds:
        left_out = {s.split("-")[0] for s in (*fold.validation, *fold.test)}
        assert len(left_out) == 1


def test_a_fold_with_a_shared_speaker_is_refused_by_name_in_any_spelling():
    table = corpus(["m1", "m2", "m3"])
    fold = Fold("mine", ("m1", "m3"), ("m2",), (" M03",))
    with pytest.raises(CorpusError, match=r"fold mine: speakers in more than one .*: m3;"):
        check_fold(table, fold)
    with pytest.raises(CorpusError, match="m3"):
        part_of(table, fold)


def test_a_speaker_in_no_part_is_refused_by_name():
    with pytest.raises(CorpusError, match="speakers 'm4' are in no part of fold f"):
        part_of(corpus(["m1", "m4"]), Fold("f", ("m1",), ("m2",), ("m3",)))


def test_an_empty_part_is_refused():
    with pytest.raises(CorpusError, match="fold f: nothing to test"):
        check_fold(corpus(["m1", "m2"]), Fold("f", ("m1",), ("m2",), ("m3",)))


def test_a_recording_of_training_in_the_test_is_found_by_its_sound():
    table = corpus(["m1", "m2", "m3"])
    fold = Fold("f", ("m1",), ("m2",), ("m3",))
    hashes = dict(zip(table["file"], ["x", "y", "x"], strict=True))
    check_fold(table, fold)
    message = r"1 recordings are in two parts, the first as /data/m1/0.wav \(row 2, train\) and /da"
    with pytest.raises(CorpusError, match=message):
        check_fold(table, fold, audio_hashes=hashes)


def test_sentences_of_the_test_that_are_in_training_are_counted():
    table = corpus(["m1", "m2", "m3"], texts=["Hi.", "Ho.", ""])
    table.loc[table["speaker"] == "m3", "text"] = ["Hi.", "New.", ""]
    report = check_fold(table, Fold("f", ("m1",), ("m2",), ("m3",)))
    assert report.shared_texts == ("Hi.",)
    assert report.test_share == pytest.approx(1 / 3)


def test_written_folds_are_read_back_and_name_their_table(tmp_path):
    folds = make_folds(IEMOCAP, "paper")
    write_folds(folds, tmp_path / "folds.json", IEMOCAP)
    assert read_folds(tmp_path / "folds.json") == folds
    content = json.loads((tmp_path / "folds.json").read_text())
    assert content["utterances"] == 10
    assert len(content["table_sha256"]) == 64
    write_folds(folds, tmp_path / "again.json", IEMOCAP)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "folds.json").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as folds"),
        ("[]", "cannot be read as folds"),
        ('{"folds": [{"name": "f"}]}', "cannot be read as folds .KeyError: 'train'"),
        (
            '{"folds": [{"name": "f", "train": ["a"], "validation": ["b"], "test": ["A "]}]}',
            "fold f: speakers in more than one of training, validation and test: a",
        ),
    ],
)
def test_files_that_hold_no_folds_or_leaking_ones_are_refused(tmp_path, text, message):
    (tmp_path / "folds.json").write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_folds(tmp_path / "folds.json")
    with pytest.raises(CorpusError, match="no such file; folds as"):
        read_folds(tmp_path / "absent.json")
