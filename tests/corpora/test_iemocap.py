import shutil
from pathlib import Path

import pandas as pd
import pytest
from lookalikes import IEMOCAP_PAPER4

from seqcap.corpora.folds import make_folds, part_of
from seqcap.corpora.labels import LABEL_SETS, apply_labels
from seqcap.corpora.readers import read_corpus
from seqcap.errors import CorpusWarning

pytestmark = pytest.mark.slow  # the stand-in has as many files as the corpus


@pytest.fixture(scope="module")
def table(iemocap_folder: Path) -> pd.DataFrame:
    return read_corpus("iemocap", iemocap_folder)  # a warning here would fail the tests


def test_all_10039_utterances_are_read_without_a_warning(table):
    assert len(table) == 10_039
    assert table["part"].value_counts().to_dict() == {"scripted": 5255, "improvised": 4784}
    sessions = table["session"].value_counts().sort_index()
    assert list(sessions) == [1819, 1811, 2136, 2103, 2170]
    assert list(sessions.index) == [f"iemocap-{n}" for n in range(1, 6)]


def test_table_iii_is_reproduced(table):
    four = apply_labels(table, LABEL_SETS["paper4"])["emotion"].value_counts()
    assert four.to_dict() == {"neutral": 1099, "sadness": 608, "anger": 289, "happiness": 284}


def test_the_counts_of_each_speaker_are_reproduced(table):
    four = apply_labels(table, LABEL_SETS["paper4"])
    counts = pd.crosstab(four["speaker"], four["emotion"])[
        ["neutral", "anger", "happiness", "sadness"]
    ]
    assert {f"iemocap-{s}": n for s, n in IEMOCAP_PAPER4.items()} == {
        speaker: tuple(row) for speaker, row in counts.iterrows()
    }


def test_other_sets_in_use_have_their_known_sizes(table):
    known = {
        "paper4": 2280,
        "paper4_excited": 2943,
        "iemocap4": 4490,
        "iemocap4_excited": 5531,
        "iemocap4_scripted": 2210,
    }
    assert {name: len(apply_labels(table, LABEL_SETS[name])) for name in known} == known


def test_the_speaker_is_the_letter_of_the_last_field_not_of_the_dialog(table):
    other = table[table["file"].str.contains(r"Ses01F_\w+_M\d+\.wav")]
    assert len(other) > 100
    assert set(other["speaker"]) == {"iemocap-1M"}
    assert set(other["gender"]) == {"male"}


def test_transcriptions_become_the_text(table):
    row = table.iloc[0]
    assert row["text"] == f"Excuse me {Path(row['file']).stem}."


def test_the_papers_folds_leave_out_one_session_each(table):
    four = apply_labels(table, LABEL_SETS["paper4"])
    folds = make_folds(four, "paper")
    assert [(fold.name, fold.validation, fold.test) for fold in folds] == [
        (f"paper-iemocap-{n}", (f"iemocap-{n}F",), (f"iemocap-{n}M",)) for n in range(1, 6)
    ]
    swapped = make_folds(four, "paper_swapped")
    tested = [part_of(four, fold).eq("test").sum() for fold in (*folds, *swapped)]
    assert sum(tested) == 2280


def test_missing_sounds_and_labels_are_listed(iemocap_folder, tmp_path):
    root = tmp_path / "copy"
    session = iemocap_folder / "IEMOCAP_full_release" / "Session1"
    shutil.copytree(session, root / "Session1")
    sound = next(root.glob("Session1/sentences/wav/Ses01F_impro01/Ses01F_*.wav"))
    sound.unlink()
    (root / "Session1/dialog/EmoEvaluation/Ses01M_impro02.txt").unlink()
    with pytest.warns(CorpusWarning) as caught:
        read_corpus("iemocap", root)
    text = "\n".join(str(warning.message) for warning in caught)
    assert f"1 labelled utterances have no recording: {sound.stem}" in text
    assert "recordings have no label in dialog/EmoEvaluation: Ses01M_impro02_" in text
    assert "nothing from speakers 2F, 2M, 3F" in text
