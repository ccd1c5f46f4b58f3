import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lookalike_results import EMOTIONS, SPEAKERS, corpus, predictions, write_experiment
from scipy import stats

from seqcap.errors import CorpusError, SettingsError
from seqcap.reports.comparison import compare
from seqcap.reports.comparison_predictions import read_compared, read_predictions
from seqcap.reports.comparison_text import (
    comparison_as_json,
    comparison_as_markdown,
    comparison_as_rows,
)
from seqcap.scoring.evaluation import scores as scores_of


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare") / "mine"
    write_experiment(folder, {"CNN": 1.0, "CNN_SeqCap": 2.0}, seeds=[0],
                     combinations=[("CNN", "CNN_SeqCap")])  # fmt: skip
    return folder


def answered() -> pd.DataFrame:
    table = corpus()
    return table[table["speaker"].isin(SPEAKERS[::2])].reset_index(drop=True)


def read(*arguments: object) -> list:
    return [one for argument in arguments for one in read_compared(str(argument))]


def test_entries_of_an_experiment_are_compared_run_by_run(experiment: Path) -> None:
    comparison = compare(read(f"{experiment}:CNN", f"{experiment}:CNN_SeqCap"))
    assert (comparison.utterances, comparison.groups, comparison.by_speaker) == (60, 5, True)
    files = [sorted((experiment / "runs").glob(f"{s}-paper-*/test.csv")) for s in
             ("CNN", "CNN_SeqCap")]  # fmt: skip
    tables = [[pd.read_csv(file, keep_default_na=False) for file in of] for of in files]
    pooled = [scores_of(pd.concat(of), EMOTIONS) for of in tables]
    for line, expected in zip(comparison.lines, pooled, strict=True):
        assert (line.wa, line.ua) == pytest.approx((expected["wa"], expected["ua"]))
    difference = comparison.lines[1].difference
    assert difference is not None
    assert difference.ua == pytest.approx(pooled[1]["ua"] - pooled[0]["ua"])
    right = [pd.concat(of)["emotion"] == pd.concat(of)["predicted"] for of in tables]
    only = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert (difference.only_first, difference.only_this) == only
    assert difference.mcnemar_p == stats.binomtest(only[0], sum(only)).pvalue
    each = [np.array([scores_of(one, EMOTIONS)["wa"] for one in of]) for of in tables]
    assert difference.wa_runs is not None
    assert difference.wa_runs.count == 5
    assert difference.wa_runs.wilcoxon_p == pytest.approx(stats.wilcoxon(*each).pvalue)
    low, high = difference.ua_interval or (0, 0)
    assert low < difference.ua < high


def test_a_folder_stands_for_all_its_entries(experiment: Path) -> None:
    names = [one.name for one in read(experiment)]
    assert names == ["mine:CNN", "mine:CNN_SeqCap", "mine:CNN + CNN_SeqCap"]


def test_another_tools_table_is_understood(experiment: Path, tmp_path: Path) -> None:
    answers = predictions(answered(), 1.5, 7)
    short = {"neutral": "neu", "anger": "ANG", "happiness": "happy", "sadness": "Sad"}
    theirs = pd.DataFrame(
        {
            "Path": ["C:\\corpora\\" + file.replace("/", "\\") for file in answers["file"]],
            "start": "0 days 00:00:00",
            "prediction": answers["predicted"].map(short),
            "label": answers["emotion"].map(short),
        }
    )
    theirs.to_csv(tmp_path / "theirs.csv", index=False, sep=";")
    comparison = compare(read(f"{experiment}:CNN_SeqCap", tmp_path / "theirs.csv"))
    assert comparison.utterances == 60
    assert comparison.by_speaker  # told by the experiment
    assert comparison.lines[1].wa == pytest.approx(scores_of(answers, EMOTIONS)["wa"])
    difference = comparison.lines[1].difference
    assert difference is not None
    assert difference.wa_runs is None


def test_a_table_with_folds_is_tested_over_them(experiment: Path, tmp_path: Path) -> None:
    answers = predictions(answered(), 1.5, 7)
    folds = {speaker: f"paper-{place + 1}" for place, speaker in enumerate(SPEAKERS[::2])}
    answers = answers.assign(fold=answers["speaker"].map(folds), truth=answers["emotion"])
    answers.to_csv(tmp_path / "peer.csv", index=False)
    comparison = compare(read(tmp_path / "peer.csv", f"{experiment}:CNN"))
    difference = comparison.lines[1].difference
    assert difference is not None
    assert difference.ua_runs is not None
    assert difference.ua_runs.count == 5


def test_utterances_of_one_source_only_are_left_out_and_counted(tmp_path: Path) -> None:
    answers = predictions(answered(), 1.5, 7)
    answers.iloc[:40].to_csv(tmp_path / "one.csv", index=False)
    answers.iloc[30:].to_csv(tmp_path / "other.csv", index=False)
    comparison = compare(read(tmp_path / "one.csv", tmp_path / "other.csv"))
    assert comparison.utterances == 10
    assert comparison.notes[:3] == (
        "10 utterances match, by file and start.",
        "30 utterances of one are left out: not all others have them.",
        "20 utterances of other are left out: not all others have them.",
    )
    assert comparison.lines[0].wa == comparison.lines[1].wa


def test_label_sets_are_intersected(tmp_path: Path) -> None:
    answers = predictions(answered(), 3.0, 7)
    answers.to_csv(tmp_path / "four.csv", index=False)
    three = answers[answers["emotion"] != "sadness"].drop(columns="sadness")
    foreign = int((three["predicted"] == "sadness").sum())
    assert foreign > 0
    three["predicted"] = three["predicted"].replace("sadness", "neutral")
    three.to_csv(tmp_path / "three.csv", index=False)
    comparison = compare(read(tmp_path / "three.csv", tmp_path / "four.csv"))
    assert comparison.emotions == ("neutral", "anger", "happiness")
    said = "four answers what is none of these emotions, which counts as wrong: sadness"
    assert any(f"{said} ({foreign})." in note for note in comparison.notes)
    assert comparison.utterances == len(three)
    whole = compare(read(tmp_path / "four.csv", tmp_path / "four.csv"))
    assert whole.emotions == ("neutral", "anger", "happiness", "sadness")


def test_an_emotion_that_is_never_predicted_counts_all_the_same(tmp_path: Path) -> None:
    truth = "file,predicted,truth\na.wav,anger,anger\nb.wav,sadness,sadness\nc.wav,anger,fear\n"
    (tmp_path / "full.csv").write_text(truth)
    (tmp_path / "alone.csv").write_text("file,predicted\na.wav,anger\nb.wav,anger\nc.wav,\n")
    for order in (["full", "alone"], ["alone", "full"]):
        comparison = compare(read(*(tmp_path / f"{name}.csv" for name in order)))
        assert comparison.emotions == ("anger", "sadness", "fear")
        assert comparison.utterances == 3
        wa = {line.name: line.wa for line in comparison.lines}
        assert wa == {"full": pytest.approx(2 / 3), "alone": pytest.approx(1 / 3)}
    assert any("counts as wrong: nothing (1)" in note for note in comparison.notes)


def test_answers_outside_the_common_emotions_are_wrong(tmp_path: Path) -> None:
    rows = "file,predicted,truth\na.wav,fear,anger\nb.wav,sadness,sadness\nc.wav,anger,anger\n"
    (tmp_path / "one.csv").write_text(rows)
    (tmp_path / "other.csv").write_text(rows.replace("fear", "anger"))
    comparison = compare(read(tmp_path / "one.csv", tmp_path / "other.csv"))
    assert comparison.emotions == ("anger", "sadness")
    assert [line.wa for line in comparison.lines] == pytest.approx([2 / 3, 1])
    assert [line.ua for line in comparison.lines] == pytest.approx([0.75, 1])


def test_without_speakers_the_bootstrap_is_over_utterances_and_says_so(tmp_path: Path) -> None:
    answers = predictions(answered(), 1.5, 7)[["file", "emotion", "predicted"]]
    for name in ("one", "other"):
        answers.to_csv(tmp_path / f"{name}.csv", index=False)
    comparison = compare(read(tmp_path / "one.csv", tmp_path / "other.csv"))
    assert not comparison.by_speaker
    assert comparison.groups == 60
    assert any("No source has speakers" in note for note in comparison.notes)


def test_truth_may_come_from_one_of_them(experiment: Path, tmp_path: Path) -> None:
    answers = predictions(answered(), 1.5, 7)
    answers[["file", "predicted"]].to_csv(tmp_path / "predicted.csv", index=False)
    comparison = compare(read(tmp_path / "predicted.csv", f"{experiment}:CNN"))
    assert comparison.lines[0].wa == pytest.approx(scores_of(answers, EMOTIONS)["wa"])
    with pytest.raises(
        SettingsError, match="no ground truth; one of the tables needs a column 'truth'"
    ):
        compare(read(tmp_path / "predicted.csv", tmp_path / "predicted.csv"))


def test_utterances_of_two_truths_are_left_out(tmp_path: Path) -> None:
    answers = predictions(answered(), 1.5, 7)
    answers.to_csv(tmp_path / "one.csv", index=False)
    answers.loc[answers.index[0], "emotion"] = "anger"
    assert answers["emotion"].iloc[0] != answered()["emotion"].iloc[0]
    answers.to_csv(tmp_path / "other.csv", index=False)
    comparison = compare(read(tmp_path / "one.csv", tmp_path / "other.csv"))
    assert comparison.utterances == 59
    assert any("1 of them are left out" in note for note in comparison.notes)


def test_the_start_distinguishes_pieces_of_one_recording(tmp_path: Path) -> None:
    text = "file,start,end,predicted,truth\na.wav,0,1,anger,anger\na.wav,1.5,2,anger,sadness\n"
    for name in ("one", "other"):
        (tmp_path / f"{name}.csv").write_text(text)
    assert compare(read(tmp_path / "one.csv", tmp_path / "other.csv")).utterances == 2


def test_several_seeds_are_scored_together_and_mcnemar_takes_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    write_experiment(folder, {"CNN": 1.0, "CNN_SeqCap": 2.0}, seeds=[0, 1])
    comparison = compare(read(folder))
    assert (comparison.utterances, comparison.lines[0].answers) == (60, 120)
    assert any("McNemar's test of the first seed's" in note for note in comparison.notes)


def test_a_run_stands_for_itself(experiment: Path) -> None:
    runs = experiment / "runs"
    comparison = compare(read(runs / "CNN-paper-0-s0", runs / "CNN_SeqCap-paper-0-s0"))
    assert comparison.utterances == 12
    assert comparison.lines[0].wa_interval is None  # one speaker
    (all_folds,) = read_compared(str(runs / "CNN-paper-0-s0"))
    assert all_folds.test_share == pytest.approx(12 / 96)


def test_it_is_written_as_markdown_rows_and_json(experiment: Path) -> None:
    comparison = compare(read(experiment))
    text = comparison_as_markdown(comparison)
    assert "60 utterances, emotions neutral, anger, happiness, sadness" in text
    assert "WA: accuracy, the share of utterances that are right (Eq. 11)." in text
    assert "| mine:CNN_SeqCap | 60 |" in text
    rows = comparison_as_rows(comparison)
    assert rows[0]["wa_difference"] is None
    assert rows[1]["wa_difference"] == pytest.approx(rows[1]["wa"] - rows[0]["wa"])
    assert rows[1]["ua_runs_count"] == 5
    told = json.loads(comparison_as_json(comparison))
    assert told["lines"][2]["name"] == "mine:CNN + CNN_SeqCap"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,truth\na.wav,anger\n", "columns file, truth; one named predicted or prediction or "
                                       "pred is expected"),
        ("file,predicted\n", "no rows; a header and one row an utterance are expected"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(SettingsError) as error:
        read_predictions(tmp_path / "bad.csv")
    assert str(error.value) == f"{tmp_path / 'bad.csv'}: {said}"


def test_a_table_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("predicted,truth\nanger,anger\n")
    with pytest.raises(CorpusError, match="one named 'file'"):
        read_predictions(tmp_path / "bad.csv")


def test_two_answers_to_one_utterance_are_refused(tmp_path: Path) -> None:
    text = "file,predicted,truth\na.wav,anger,anger\na.wav,sadness,anger\nb.wav,anger,sadness\n"
    (tmp_path / "twice.csv").write_text(text)
    with pytest.raises(SettingsError) as error:
        compare(read(tmp_path / "twice.csv", tmp_path / "twice.csv"))
    assert str(error.value) == "twice (1): two answers to a.wav; one of each run is expected"


def test_sources_without_common_utterances_are_refused_with_an_example_of_each(
    tmp_path: Path,
) -> None:
    (tmp_path / "one.csv").write_text("file,predicted,truth\na.wav,anger,sadness\n")
    (tmp_path / "other.csv").write_text("file,predicted,truth\nb.wav,anger,sadness\n")
    with pytest.raises(SettingsError) as error:
        compare(read(tmp_path / "one.csv", tmp_path / "other.csv"))
    assert str(error.value) == (
        "no utterance in common by file and start (one: a.wav, other: b.wav); predictions of the "
        "same recordings are expected"
    )


def test_an_unknown_entry_is_named_with_the_known_ones(experiment: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read_compared(f"{experiment}:CNN_GRU")
    assert str(error.value) == (
        f"{experiment}:CNN_GRU: no entry 'CNN_GRU'; there are CNN, CNN_SeqCap, CNN + CNN_SeqCap"
    )
    with pytest.raises(SettingsError, match="no such thing; a run's folder"):
        read_compared(str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match=r"no results here; 'test\.csv' of a run"):
        read_compared(str(tmp_path))
    with pytest.raises(SettingsError, match=r"^1 to compare; two are expected"):
        compare(read(f"{experiment}:CNN"))


def test_an_entry_of_two_grids_needs_the_name_of_its_grid(tmp_path: Path) -> None:
    folder = tmp_path / "both"
    write_experiment(folder, {"CNN": 1.0}, seeds=[0])
    write_experiment(folder, {"CNN": 2.0}, seeds=[0], grid="default", recipe="default")
    with pytest.raises(SettingsError, match=r"one of \S+:table5/CNN, \S+:default/CNN is expected"):
        read_compared(f"{folder}:CNN")
    names = [one.name for one in read(folder)]
    assert names == ["both:table5/CNN", "both:default/CNN"]
    assert read_compared(f"{folder}:default/CNN")[0].name == "both:default/CNN"
