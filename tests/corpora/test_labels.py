import pandas as pd
import pytest

from seqcap.corpora.labels import LABEL_SETS, apply_labels, label_set_named
from seqcap.errors import CorpusError, CorpusWarning


@pytest.fixture
def table():
    emotions = ["neutral", "anger", "happiness", "sadness", "excitement", "boredom", "undecided"]
    return pd.DataFrame(
        {"emotion": emotions * 2, "part": ["improvised"] * 7 + ["scripted"] * 7, "file": range(14)}
    )


def test_the_papers_set_is_in_table_iiis_order_without_merging():
    paper4 = LABEL_SETS["paper4"]
    assert paper4.emotions == ("neutral", "anger", "happiness", "sadness")
    assert dict(paper4.mapping) == {emotion: emotion for emotion in paper4.emotions}


@pytest.mark.parametrize("label_set", LABEL_SETS.values(), ids=LABEL_SETS)
def test_every_set_maps_onto_its_own_emotions_under_its_own_name(label_set):
    assert set(label_set.mapping.values()) == set(label_set.emotions)
    assert len(set(label_set.emotions)) == len(label_set.emotions)
    assert label_set.description.startswith(f"{label_set.name}: ")


def test_only_rows_of_the_set_and_its_part_are_kept(table):
    kept = apply_labels(table, LABEL_SETS["paper4"])
    assert kept["file"].tolist() == [0, 1, 2, 3]
    assert kept.index.tolist() == [0, 1, 2, 3]
    assert apply_labels(table, LABEL_SETS["iemocap4_scripted"])["file"].tolist() == [7, 8, 9, 10]


def test_rows_of_a_corpus_without_parts_are_kept(table):
    assert len(apply_labels(table.drop(columns="part"), LABEL_SETS["paper4"])) == 8
    assert len(apply_labels(table.assign(part=""), LABEL_SETS["paper4"])) == 8


def test_merging_is_done_and_spelled_out(table):
    kept = apply_labels(table, LABEL_SETS["paper4_excited"])
    assert kept["emotion"].tolist() == ["neutral", "anger", "happiness", "sadness", "happiness"]
    assert "happiness (= happiness + excitement)" in LABEL_SETS["paper4_excited"].description


def test_sets_are_made_from_names_and_from_the_table(table):
    pair = label_set_named("ang,hap+exc")
    assert pair.emotions == ("anger", "happiness")
    assert len(apply_labels(table, pair)) == 6
    everything = label_set_named("all", table)
    assert everything.emotions == (
        "neutral", "anger", "happiness", "sadness", "boredom", "excitement"
    )  # fmt: skip
    assert label_set_named("stressed,calm").emotions == ("stressed", "calm")
    assert label_set_named("paper4") is LABEL_SETS["paper4"]


@pytest.mark.parametrize("name", ["paper5", "anger,angry", "anger,", "all"])
def test_unknown_and_impossible_sets_are_refused(name):
    with pytest.raises(CorpusError, match=name):
        label_set_named(name)


def test_a_label_set_in_a_list_of_emotions_is_named_with_its_emotions():
    expected = "'paper4' is a label set .* write neutral,anger,happiness,sadness,boredom$"
    with pytest.raises(CorpusError, match=expected):
        label_set_named("paper4,boredom")


def test_a_set_without_any_row_is_refused_and_one_without_some_is_warned_of(table):
    with pytest.raises(CorpusError, match=r"emotions are neutral, anger.* choose"):
        apply_labels(table, label_set_named("fear,disgust"))
    with pytest.warns(CorpusWarning, match="the table has no fear"):
        apply_labels(table, label_set_named("anger,fear"))


def test_an_emotion_named_like_a_column_is_refused():
    with pytest.raises(CorpusError, match="'end' is a column of tables and cannot be an emotion"):
        label_set_named("anger,end")


def test_a_misspelt_word_is_named_with_the_nearest_emotion(table):
    table.loc[1, "emotion"] = "angri"
    with pytest.warns(CorpusWarning, match="'angri' in 1 row, did you mean 'anger'"):
        kept = apply_labels(table, label_set_named("neutral,anger"))
    assert len(kept) == 3


def test_known_emotions_outside_the_set_are_left_out_without_a_warning(table):
    assert len(apply_labels(table, label_set_named("neutral,anger"))) == 4


def test_own_emotions_in_the_set_are_no_misspelling():
    own = pd.DataFrame({"emotion": ["stressed", "relaxing"]})
    assert len(apply_labels(own, label_set_named("stressed,relaxing"))) == 2


def test_a_misspelt_word_in_a_label_set_is_named_with_the_nearest_emotion(table):
    with pytest.warns(CorpusWarning, match="did you mean 'sadness' by 'sadnes'"):
        apply_labels(table, label_set_named("anger,neutral,sadnes"))
