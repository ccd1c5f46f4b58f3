import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from chromium import chromium
from lookalike_results import (
    EMOTIONS,
    SPEAKERS,
    corpus,
    predictions,
    write_experiment,
    write_json,
)
from scipy import stats
from sklearn.metrics import recall_score

from seqcap.errors import SettingsError
from seqcap.experiments.plan_files import SECTION_NAMES
from seqcap.models.systems import SYSTEMS
from seqcap.reports import paper_values as paper
from seqcap.reports.comparison_predictions import read_compared
from seqcap.reports.experiment_results import PlanResults, read_plans
from seqcap.reports.report import SECTIONS, make_report, write_report
from seqcap.reports.report_blocks import Block, Figure, Heading, Table, Text
from seqcap.scoring.evaluation import scores as scores_of
from seqcap.scoring.metrics import WHAT_SCORES_MEAN

SKILLS = {"CNN": 1.0, "CNN_GRU": 1.2, "CNN_SeqCap": 2.0, "CNN_RecCap": 2.2}
COMBINED = "CNN_GRU + CNN_SeqCap"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four systems, five folds, two seeds and a combination."""
    where = tmp_path_factory.mktemp("experiment")
    write_experiment(where, SKILLS, combinations=[("CNN_GRU", "CNN_SeqCap")])
    return where


@pytest.fixture(scope="module")
def markdown(folder: Path) -> str:
    write_report(folder, folder)
    return (folder / "report.md").read_text()


@functools.cache
def blocks_of(folder: Path) -> list[Block]:
    return make_report(read_plans(folder))


def texts_of(folder: Path) -> list[str]:
    return [block.text for block in blocks_of(folder) if isinstance(block, Text)]


def figures_of(folder: Path) -> dict[str, str]:
    return {block.name: block.svg for block in blocks_of(folder) if isinstance(block, Figure)}


def headings_of(folder: Path) -> list[str]:
    return [block.text for block in blocks_of(folder) if isinstance(block, Heading)]


def tables_of(folder: Path) -> dict[str, Table]:
    """Tables of a report by the first cell of their header and their number."""
    tables = [block for block in blocks_of(folder) if isinstance(block, Table)]
    return {f"{place} {table.header[0]}": table for place, table in enumerate(tables)}


def table_with(folder: Path, *columns: str) -> list[dict[str, str]]:
    for table in tables_of(folder).values():
        if set(columns) <= set(table.header):
            return [dict(zip(table.header, row, strict=True)) for row in table.rows]
    raise AssertionError(f"no table with {columns}")


def answers_of(folder: Path, system: str) -> list[pd.DataFrame]:
    files = sorted((folder / "runs").glob(f"{system}-paper-*/test.csv"))
    return [pd.read_csv(file, keep_default_na=False) for file in files]


def test_a_grid_can_ask_for_all_sections_of_a_report_and_for_no_others() -> None:
    assert tuple(SECTIONS) == SECTION_NAMES


@pytest.mark.slow
def test_wa_and_ua_are_those_of_the_predictions(folder: Path) -> None:
    rows = {row["system"]: row for row in table_with(folder, "WA pooled", "paper WA")}
    assert list(rows) == [*SKILLS, COMBINED, "chance"]
    for system in SKILLS:
        answers = answers_of(folder, system)
        each = [scores_of(one, EMOTIONS) for one in answers]
        for name in ("wa", "ua"):
            values = 100 * np.array([one[name] for one in each])
            mean = f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"
            assert rows[system][name.upper()] == mean
        pooled = scores_of(pd.concat(answers), EMOTIONS)
        assert rows[system]["WA pooled"].strip("*") == f"{100 * pooled['wa']:.1f}"
        assert rows[system]["UA pooled"].strip("*") == f"{100 * pooled['ua']:.1f}"
        assert rows[system]["paper WA"] == f"{100 * paper.TABLE_5[system].wa:.2f}"


@pytest.mark.slow
def test_a_combination_is_the_mean_of_probabilities_of_the_same_fold_and_seed(
    folder: Path,
) -> None:
    pairs = zip(answers_of(folder, "CNN_GRU"), answers_of(folder, "CNN_SeqCap"), strict=True)
    averaged = []
    for one, other in pairs:
        assert one["file"].tolist() == other["file"].tolist()
        mean = (one[list(EMOTIONS)] + other[list(EMOTIONS)]) / 2
        averaged.append(one.assign(**{e: mean[e] for e in EMOTIONS}))
    pooled = scores_of(pd.concat(averaged), EMOTIONS)
    row = next(r for r in table_with(folder, "WA pooled") if r["system"] == COMBINED)
    assert row["WA pooled"] == f"{100 * pooled['wa']:.1f}"
    assert row["UA pooled"] == f"{100 * pooled['ua']:.1f}"


@pytest.mark.slow
def test_tests_pair_runs_of_the_same_fold_and_seed(folder: Path) -> None:
    row = next(
        row
        for row in table_with(folder, "comparison", "Welch p")
        if row["comparison"] == "CNN_SeqCap less CNN_GRU"
    )
    was = [
        np.array([scores_of(one, EMOTIONS)["wa"] for one in answers_of(folder, system)])
        for system in ("CNN_GRU", "CNN_SeqCap")
    ]
    differences = was[1] - was[0]
    assert row["pairs"] == "10"
    assert row["difference"] == f"{100 * differences.mean():+.1f}"
    share = 12 / (120 - 24)  # one of ten tests, one validates
    t = differences.mean() / np.sqrt((1 / 10 + share) * differences.var(ddof=1))
    p = 2 * stats.t.sf(abs(t), 9)
    assert float(row["corrected t p (Holm)"].split()[0]) == pytest.approx(p, abs=5e-4)
    assert row["d"] == f"{differences.mean() / differences.std(ddof=1):.2f}"
    pooled = [scores_of(pd.concat(answers_of(folder, s)), EMOTIONS)["wa"] for s in
              ("CNN_GRU", "CNN_SeqCap")]  # fmt: skip
    assert row["pooled"] == f"{100 * (pooled[1] - pooled[0]):+.1f}"
    assert row["paper's difference"] == "+2.8"
    assert row["paper's claim"] == "UA p < 0.005"


@pytest.mark.slow
def test_recalls_by_emotion_are_differences_of_pooled_recalls(folder: Path) -> None:
    table = next(t for t in tables_of(folder).values() if t.header == ("comparison", *EMOTIONS))
    cells = next(row for row in table.rows if row[0] == "CNN_SeqCap less CNN_GRU")[1:]
    recalls = []
    for system in ("CNN_GRU", "CNN_SeqCap"):
        rows = pd.concat(answers_of(folder, system))
        right = rows["predicted"] == rows["emotion"]
        recalls.append(right.groupby(rows["emotion"]).mean())
    for emotion, cell in zip(EMOTIONS, cells, strict=True):
        difference, low, _, high = cell.strip("*").replace("(", "").replace(")", "").split()
        expected = 100 * (recalls[1][emotion] - recalls[0][emotion])
        assert float(difference) == pytest.approx(expected, abs=0.051)
        assert float(low) <= float(difference) <= float(high)
        assert cell.startswith("**") == (float(low) > 0 or float(high) < 0)


def test_confusions_are_shares_of_the_rows_with_counts(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN_SeqCap": 2.0}, grid="table6", shows=["table6"])
    rows = table_with(tmp_path, "CNN_SeqCap: actual")
    answers = pd.concat(answers_of(tmp_path, "CNN_SeqCap"))
    counts = pd.crosstab(answers["emotion"], answers["predicted"])
    assert "Confusions of CNN_SeqCap (Table VI)" in headings_of(tmp_path)
    for row, emotion in zip(rows, EMOTIONS, strict=True):
        for other in EMOTIONS:
            count = counts.loc[emotion, other]
            share = 100 * count / counts.loc[emotion].sum()
            assert row[other] == f"{share:.1f} ({count})"


def test_speakers_have_rows_of_their_own(folder: Path) -> None:
    rows = table_with(folder, "speaker", "CNN_RecCap")
    assert [row["speaker"] for row in rows] == list(SPEAKERS[::2])
    answers = pd.concat(answers_of(folder, "CNN_RecCap"))
    one = scores_of(answers[answers["speaker"] == SPEAKERS[4]], EMOTIONS)
    assert rows[2]["CNN_RecCap"] == f"{100 * one['wa']:.1f} / {100 * one['ua']:.1f}"


def test_every_validation_or_test_speaker_is_counted_once(folder: Path) -> None:
    rows = table_with(folder, "speaker", "all")
    assert [row["all"] for row in rows] == ["12"] * 10 + ["120"]


def test_calibration_is_shown_before_and_after(folder: Path) -> None:
    rows = {row["system"]: row for row in table_with(folder, "ECE before")}
    assert rows["CNN"]["ECE before"] == "0.250"
    assert rows[COMBINED]["ECE before"] == "–"
    expected = np.mean([scores_of(one, EMOTIONS)["ece"] for one in answers_of(folder, "CNN")])
    assert rows["CNN"]["ECE after"] == f"{expected:.3f}"


def test_time_and_memory_are_shown_with_the_machine(folder: Path, markdown: str) -> None:
    row = table_with(folder, "step / ms")[0]
    assert (row["parameters"], row["step / ms"], row["peak memory / MB"]) == (
        "703,540", "400", "1,004",
    )  # fmt: skip
    assert "a machine, 2 cores" in markdown


@pytest.mark.slow
def test_the_same_folder_gives_the_same_report_byte_for_byte(
    folder: Path, markdown: str, tmp_path: Path
) -> None:
    again = [path.relative_to(tmp_path) for path in write_report(folder, tmp_path)]
    assert len(again) == 7
    for file in again:
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()


def test_the_page_is_valid_and_needs_no_other_file(folder: Path, markdown: str) -> None:
    page = (folder / "report.html").read_text()
    elements = ElementTree.fromstring(re.sub(r"<(meta[^>]*)>", r"<\1/>", page.split("\n", 1)[1]))
    assert len(elements.findall(".//figure")) == 5
    outside = re.findall(r'(?:src|href)="([^"#][^"]*)"', page)
    assert all(one.startswith("data:") for one in outside)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "color-scheme" in page
    assert 'name="viewport"' in page


def test_wa_and_ua_are_explained_where_they_stand_in_the_words_of_evaluate(markdown: str) -> None:
    assert markdown.count(WHAT_SCORES_MEAN) >= 3


@pytest.mark.slow
def test_what_may_be_compared_depends_on_the_corpus(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN": 1.0}, seeds=[0])
    text = " ".join(b.text for b in make_report(read_plans(tmp_path)) if isinstance(b, Text))
    assert "the levels cannot be compared" in text
    plan = json.loads((tmp_path / "plans" / "table5.json").read_text())
    plan["corpus"], plan["corpus_facts"]["emotions"] = ["iemocap"], paper.TABLE_3
    write_json(tmp_path / "plans" / "table5.json", plan)
    text = " ".join(b.text for b in make_report(read_plans(tmp_path)) if isinstance(b, Text))
    assert "the corpus has the same 2,280 utterances of 10 speakers" in text


@pytest.mark.slow
def test_what_is_missing_and_failed_is_named_and_left_out_of_tests(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN": 1.0, "CNN_SeqCap": 2.0}, seeds=[0],
                     combinations=[("CNN", "CNN_SeqCap")])  # fmt: skip
    runs = tmp_path / "runs"
    for place in (0, 1, 2):
        (runs / f"CNN_SeqCap-paper-{place}-s0" / "scores.json").unlink()
    (runs / "CNN_SeqCap-paper-1-s0" / "error.txt").write_text("Traceback\nValueError: no sound\n")
    for file in (runs / "CNN_SeqCap-paper-2-s0").iterdir():
        file.unlink()
    rows = {row["entry"]: row for row in table_with(tmp_path, "missing")}
    assert set(rows) == {"CNN_SeqCap", "CNN + CNN_SeqCap"}
    assert rows["CNN_SeqCap"] == {
        "entry": "CNN_SeqCap", "missing": "paper-1 s0, paper-2 s0, paper-3 s0",
        "done": "2", "failed": "1", "begun": "1", "waiting": "1",
    }  # fmt: skip
    assert table_with(tmp_path, "error") == [
        {"entry": "CNN_SeqCap", "failed": "paper-2 s0", "error": "ValueError: no sound"}
    ]
    tested = table_with(tmp_path, "comparison", "pairs")
    assert {row["pairs"] for row in tested} == {"2"}
    scored = {row["system"]: row["runs"] for row in table_with(tmp_path, "WA pooled")}
    assert scored["CNN_SeqCap (incomplete)"] == "2 of 5"
    write_report(tmp_path, tmp_path)


@pytest.mark.slow
def test_one_fold_with_one_seed_is_a_report_too(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN": 1.0, "CNN_SeqCap": 2.0}, folds=[2], seeds=[0])
    row = table_with(tmp_path, "comparison", "pairs")[0]
    assert (row["pairs"], row["Welch p"], row["corrected t p (Holm)"]) == ("1", "–", "–")
    write_report(tmp_path, tmp_path)


def test_a_grid_without_finished_runs_says_so(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN": 1.0}, folds=[0], seeds=[0])
    (tmp_path / "runs" / "CNN-paper-0-s0" / "scores.json").unlink()
    write_report(tmp_path, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "**Incomplete: 0 of 1 runs are done.**" in text
    assert "No run is done yet" in text


@pytest.mark.slow
def test_the_curriculum_is_shown_as_a_difference(tmp_path: Path) -> None:
    write_experiment(
        tmp_path, {"CNN_SeqCap": 2.0, "CNN_SeqCap, shuffled": 1.0}, grid="table4",
        shows=["table4", "significance"],
        settings={"CNN_SeqCap, shuffled": {"curriculum": False}},
    )  # fmt: skip
    (row,) = table_with(tmp_path, "WA without", "WA with")
    assert row["system"] == "CNN_SeqCap"
    assert float(row["difference"]) > 0
    (first, *_) = (t for t in tables_of(tmp_path).values() if "WA without" in t.header)
    assert first.rows[0][6] == "+1.5"  # the paper's: 68.40 to 69.86
    assert len(table_with(tmp_path, "comparison")) == 1
    assert table_with(tmp_path, "entry", "settings") == [
        {"entry": "CNN_SeqCap", "settings": "–"},
        {"entry": "CNN_SeqCap, shuffled", "settings": "curriculum=False"},
    ]


def test_a_setting_that_earlier_runs_lack_is_shown(tmp_path: Path) -> None:
    later = {"speaker_mean_norm": 1.0, "utterance_mean_norm": 0.0, "min_steps": 1000}
    write_experiment(
        tmp_path, {"before": 1.0, "after": 2.0}, shows=["table5"], settings={"after": later}
    )
    assert table_with(tmp_path, "entry", "settings") == [
        {"entry": "before", "settings": "–"},
        {"entry": "after", "settings": "speaker_mean_norm=1.0"},  # alone
    ]


def test_iterations_of_routing_stand_in_order_beside_the_papers(tmp_path: Path) -> None:
    labels = {f"CNN_SeqCap, {count}": 1.0 + count / 4 for count in (3, 1, 2)}
    write_experiment(
        tmp_path, labels, seeds=[0], grid="figure7", shows=["figure7"],
        settings={
            label: {"capsules": {"routing_iterations": int(label[-1])}} for label in labels
        },
    )  # fmt: skip
    rows = table_with(tmp_path, "iterations")
    assert [row["iterations"] for row in rows] == ["1", "2", "3"]
    assert [row["paper UA"] for row in rows] == ["–", "56.97", "56.71"]


def test_gradients_of_the_same_utterance_stand_together(tmp_path: Path) -> None:
    write_experiment(
        tmp_path, {"CNN_GRU_Att": 1.0, "CNN_SeqCap": 2.0}, folds=[0, 1], seeds=[0],
        grid="figure8", shows=["figure8"],
    )  # fmt: skip
    generator = np.random.default_rng(0)
    for fold, systems in ((0, ["CNN_SeqCap"]), (1, ["CNN_GRU_Att", "CNN_SeqCap"])):
        for system in systems:
            path = tmp_path / "runs" / f"{system}-paper-{fold}-s0" / "gradients.npz"
            with path.open("wb") as file:
                arrays = {name: generator.standard_normal((50, 512), np.float32)
                          for name in ("spectrogram", "gradient")}  # fmt: skip
                told = {"emotion": "anger", "predicted": "anger", "frame_shift_s": 0.01}
                write_npz(file, {**arrays, **told, "file": f"{fold}.wav"})
    write_report(tmp_path, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "`1.wav` (anger), fold paper-2, seed 0" in text
    svg = (tmp_path / "figures" / "figure8-gradients.svg").read_text()
    assert svg.index("CNN_SeqCap: predicted anger") < svg.index("CNN_GRU_Att: predicted anger")


def write_npz(file: object, arrays: dict[str, object]) -> None:
    """As `numpy.savez`, which has an argument `file` of its own."""
    import zipfile

    with zipfile.ZipFile(file, "w") as archive:  # type: ignore[call-overload]
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as part:
                np.lib.format.write_array(part, np.asarray(array))


def test_a_grid_that_trains_nothing_counts_parameters(tmp_path: Path) -> None:
    write_experiment(tmp_path, dict.fromkeys(paper.TABLE_2, 1.0), folds=[], grid="table2",
                     shows=["table2"])  # fmt: skip
    rows = table_with(tmp_path, "system", "parameters")
    assert [row["parameters"] for row in rows] == [row["paper, Table II"] for row in rows]
    assert len(rows) == 7


def test_the_papers_counts_are_those_of_the_systems() -> None:
    counted = {name: one.paper_count for name, one in SYSTEMS.items() if one.paper_count}
    assert counted == paper.TABLE_2
    assert {label for c in paper.COMPARISONS for label in (c.system, c.other)} <= set(paper.TABLE_5)
    for rows in paper.CONFUSIONS.values():
        assert [sum(row) for row in rows] == pytest.approx([1] * 4, abs=2e-4)
    for system, (_, with_it) in paper.TABLE_4.items():
        assert with_it == paper.TABLE_5[system]


@pytest.mark.slow
def test_the_same_system_under_two_recipes_is_compared_in_pairs(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN_SeqCap": 1.0}, shows=["table5"])
    write_experiment(tmp_path, {"CNN_SeqCap": 2.0}, grid="default", recipe="default",
                     title="Default recipe", shows=["table5"])  # fmt: skip
    rows = table_with(tmp_path, "comparison", "pairs")
    assert rows[0]["comparison"] == "CNN_SeqCap (default) less CNN_SeqCap (paper)"
    assert rows[0]["pairs"] == "10"
    assert float(rows[0]["difference"]) > 0
    text = (write_report(tmp_path, tmp_path)[0]).read_text()
    assert text.index("## All systems") < text.index("## Default recipe")


def test_an_unknown_section_is_named_with_its_neighbour(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN": 1.0}, folds=[0], seeds=[0], shows=["tabel5"])
    with pytest.raises(SettingsError) as error:
        write_report(tmp_path, tmp_path)
    assert str(error.value) == (
        "grid table5: section 'tabel5' of the report is unknown; did you mean 'table5'?"
    )
    assert "table5" in SECTIONS


def test_a_folder_without_plans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read_plans(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: no plans/*.json; a folder that 'seqcap experiment run' wrote is expected"
    )


def test_a_run_with_a_broken_file_is_named(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN": 1.0}, folds=[0], seeds=[0])
    (tmp_path / "runs" / "CNN-paper-0-s0" / "resources.json").write_text("{")
    with pytest.raises(SettingsError, match=r"CNN-paper-0-s0.resources.json: cannot be read"):
        read_plans(tmp_path)


@pytest.mark.slow
def test_the_report_needs_no_torch(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from seqcap.reports.report import write_report;"
        f"write_report(Path({str(folder)!r}), Path({str(folder)!r}));"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_the_test_share_is_that_of_the_plan(folder: Path) -> None:
    plan: PlanResults = read_plans(folder)[0]
    assert plan.test_share(plan.done[0].done) == pytest.approx(12 / 96)
    assert len(corpus()) == 120


def test_trials_are_judged_by_their_validation_speakers(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN": 0.5, "CNN_SeqCap": 3.0}, seeds=[0], shows=["trials"])
    rows = table_with(tmp_path, "trial", "gain in UA")
    means = []
    for row in rows:
        files = sorted((tmp_path / "runs").glob(f"{row['trial']}-paper-*/validation.csv"))
        answers = [pd.read_csv(file, keep_default_na=False) for file in files]
        means.append(
            100
            * np.mean(
                [recall_score(a["emotion"], a["predicted"], average="macro") for a in answers]
            )
        )
        assert row["UA"].startswith(f"{means[-1]:.1f} ± ")
    assert [row["trial"] for row in rows] == ["CNN", "CNN_SeqCap"]
    assert rows[0]["gain in UA"] == "–"
    assert float(rows[1]["gain in UA"]) == pytest.approx(means[1] - means[0], abs=0.06)


@pytest.mark.slow
def test_adaptive_systems_are_scored_on_unknown_speakers_too(tmp_path: Path) -> None:
    skills = {"CNN": 1.0, "CNN_GRU": 1.5, "CNN_SeqCap": 3.0}
    combinations = [("CNN_GRU", "CNN_SeqCap"), ("CNN", "CNN_SeqCap")]
    write_experiment(
        tmp_path, skills, seeds=[0], combinations=combinations, shows=["table5", "trials"]
    )
    for system in ("CNN_GRU", "CNN_SeqCap"):
        for run in (tmp_path / "runs").glob(f"{system}-paper-*"):
            tested = pd.read_csv(run / "test.csv", keep_default_na=False)
            unknown_speakers = predictions(tested.drop(columns=[*EMOTIONS, "predicted"]), 0.5, 7)
            unknown_speakers.to_csv(run / "test-unknown-speakers.csv", index=False)
    rows = {row["system"]: row for row in table_with(tmp_path, "WA pooled")}
    assert [name for name in rows if "unknown speakers" in name] == [
        "CNN_GRU, unknown speakers",
        "CNN_SeqCap, unknown speakers",
        "CNN_GRU + CNN_SeqCap, unknown speakers",  # the other combination does not adapt
    ]
    files = sorted((tmp_path / "runs").glob("CNN_SeqCap-paper-*/test-unknown-speakers.csv"))
    pooled = scores_of(pd.concat([pd.read_csv(f, keep_default_na=False) for f in files]), EMOTIONS)
    assert rows["CNN_SeqCap, unknown speakers"]["WA pooled"] == f"{100 * pooled['wa']:.1f}"
    assert float(rows["CNN_SeqCap"]["WA pooled"].strip("*")) > 100 * pooled["wa"]
    text = texts_of(tmp_path)
    assert any("all unlabelled test recordings of a speaker" in one for one in text)
    trials = table_with(tmp_path, "trial", "gain in UA")
    assert not [row for row in trials if "unknown speakers" in row["trial"]]
    names = [one.name.partition(":")[2] for one in read_compared(str(tmp_path))]
    assert names == [name for name in rows if name != "chance"]


def test_the_best_entry_leads_the_report_and_is_bold(folder: Path) -> None:
    pooled = {
        system: scores_of(pd.concat(answers_of(folder, system)), EMOTIONS)["ua"]
        for system in SKILLS
    }
    rows = {row["system"]: row for row in table_with(folder, "UA pooled")}
    pooled[COMBINED] = float(rows[COMBINED]["UA pooled"]) / 100
    (second, best) = sorted(pooled, key=pooled.__getitem__)[-2:]
    (first,) = (block for block in blocks_of(folder)[2:3] if isinstance(block, Text))
    assert first.text.startswith(
        f"**{best}** is best with a UA of {100 * pooled[best]:.1f} % on test speakers (95 % "
    )
    assert f"chance 25.0 %). It leads **{second}** by " in first.text
    lead = float(first.text.partition(f"{second}** by ")[2].split()[0])
    assert lead == pytest.approx(100 * (pooled[best] - pooled[second]), abs=0.11)
    bold = [system for system, row in rows.items() if row["UA pooled"].startswith("**")]
    assert bold == [best]
    assert rows["chance"]["UA pooled"] == "25.0"


@pytest.mark.parametrize(("skill", "verdict"), [(1.02, "not more"), (4.0, "more")])
def test_a_lead_is_more_than_chance_if_its_interval_leaves_zero_out(
    skill: float, verdict: str, tmp_path: Path
) -> None:
    write_experiment(tmp_path, {"CNN": 1.0, "CNN_GRU": skill}, seeds=[0], shows=["table5"])
    text = texts_of(tmp_path)
    assert text[0].endswith(f", which is {verdict} than chance.")


def test_entries_of_an_incomplete_grid_are_ranked_by_the_runs_that_they_share(
    tmp_path: Path,
) -> None:
    skills = {"CNN": 1.0, "CNN_GRU": 3.0, "CNN_SeqCap": 2.0}
    write_experiment(tmp_path, skills, seeds=[0], folds=[0, 1])
    for system in ("CNN_GRU", "CNN_SeqCap"):
        shutil.rmtree(tmp_path / "runs" / f"{system}-paper-1-s0")
    (first, *_) = texts_of(tmp_path)
    assert first.startswith("**CNN_GRU** is best")
    assert " of the 1 run that 3 entries have (" in first
    assert "It leads **CNN_SeqCap** by" in first


def test_grids_of_validation_speakers_are_judged_by_them(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN": 1.0, "CNN_GRU": 3.0}, grid="trials", shows=["trials"])
    text = texts_of(tmp_path)
    assert "**CNN_GRU** is best" in text[0]
    assert "on validation speakers" in text[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "plan",
    [{"shows": []}, {"emotions": ["neutral", "anger", "happiness", "fear"]}, {"recipe": "mine"}],
    ids=["own grid", "other emotions", "own recipe"],
)
def test_an_own_grid_does_not_mention_the_paper(plan: dict[str, object], tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN_GRU": 1.0, "CNN_SeqCap": 2.0}, seeds=[0])
    file = tmp_path / "plans" / "table5.json"
    written = json.loads(file.read_text()) | plan
    if "emotions" in plan:
        for answers in (tmp_path / "runs").rglob("*.csv"):
            answers.write_text(answers.read_text().replace("sadness", "fear"))
    write_json(file, written)
    write_report(tmp_path, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "Table" not in text.replace("Table V: ", "")
    for word in ("paper WA", "paper's difference", "IEMOCAP", "Kendall"):
        assert word not in text
    assert "| chance |" in text


def test_confusions_are_heat_maps_of_all_entries(folder: Path) -> None:
    figures = figures_of(folder)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", figures["table5-confusions"])
    assert {*SKILLS, COMBINED, *EMOTIONS, "actual", "predicted"} <= set(texts)
    answers = pd.concat(answers_of(folder, "CNN_SeqCap"))
    counts = pd.crosstab(answers["emotion"], answers["predicted"]).loc[[*EMOTIONS], [*EMOTIONS]]
    shown = texts[texts.index("CNN_SeqCap") - 40 : texts.index("CNN_SeqCap")]
    assert [str(count) for count in counts.to_numpy().ravel()] == shown[-31::2]


def test_equal_failures_of_an_entry_are_one_row(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN": 1.0}, seeds=[0])
    for place in range(4):
        run = tmp_path / "runs" / f"CNN-paper-{place}-s0"
        (run / "scores.json").unlink()
        (run / "error.txt").write_text(f"ValueError: {'no sound' if place else 'no luck'}\n")
    assert [row["failed"] for row in table_with(tmp_path, "error")] == [
        "paper-1 s0", "paper-2 s0, paper-3 s0, paper-4 s0",
    ]  # fmt: skip


def test_utterances_without_an_answer_are_wrong_and_have_no_confidence(tmp_path: Path) -> None:
    write_experiment(tmp_path, {"CNN": 1.0}, seeds=[0], folds=[0])
    file = tmp_path / "runs" / "CNN-paper-0-s0" / "test.csv"
    answers = pd.read_csv(file)
    right = (answers["predicted"] == answers["emotion"]).to_numpy()
    silent = np.flatnonzero(right)[0]
    answers.loc[silent, list(EMOTIONS)] = np.nan
    answers.loc[silent, "predicted"] = "no speech"
    answers.to_csv(file, index=False)
    row = next(row for row in table_with(tmp_path, "WA pooled") if row["system"] == "CNN")
    assert row["WA pooled"].strip("*") == f"{100 * (right.sum() - 1) / len(right):.1f}"
    assert "table5-reliability" in figures_of(tmp_path)
    said = [block.text for block in blocks_of(tmp_path) if isinstance(block, Text)]
    assert any(text.startswith("**CNN** has a UA of") for text in said)
    assert not any("is best with a UA" in text for text in said)


def test_long_labels_are_broken_and_not_cut_at_the_edge(tmp_path: Path) -> None:
    label = "CNN_SeqCap, windows of forty steps and a shift of twenty steps"
    write_experiment(tmp_path, {"CNN_GRU": 1.0, label: 2.0}, seeds=[0], folds=[0])
    figures = figures_of(tmp_path)
    for name in ("table5-confusions", "table5-losses", "table5-reliability"):
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", figures[name])
        assert "windows of forty" in " ".join(texts)
        assert max(map(len, texts)) < 60


def test_narrow_screens_show_the_heading_of_each_cell(folder: Path, markdown: str) -> None:
    page = (folder / "report.html").read_text()
    assert '<td data-of="UA pooled">' in page
    assert "@media (max-width: 40rem)" in page


def test_figures_hold_no_more_digits_than_show(folder: Path, markdown: str) -> None:
    for file in (folder / "figures").glob("*.svg"):
        text = file.read_text()
        ElementTree.fromstring(text)
        assert not re.search(r'[ "(-]\d+\.\d{3,}[ "\n)]', text.split("</metadata>")[-1])
        assert not re.search(r'\d\.[ "\n)]', re.sub(r">[^<]*<", "><", text))


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_of_a_page_is_wider_than_its_screen(tmp_path: Path, width: int) -> None:
    label = "CNN_SeqCap, windows of forty steps and a shift of twenty steps"
    write_experiment(tmp_path, {"CNN_GRU": 1.0, label: 2.0}, seeds=[0])
    failed = tmp_path / "runs" / "CNN_GRU-paper-0-s0"
    (failed / "scores.json").unlink()
    (failed / "error.txt").write_text(f"OSError: /data/{'a-very-long-name/' * 20}: no such file\n")
    write_report(tmp_path, tmp_path)
    too_wide = """[...document.querySelectorAll("html, .wide, figure")].filter(
        element => element.scrollWidth > element.clientWidth).map(element => element.innerText)"""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto((tmp_path / "report.html").as_uri())
        assert page.evaluate(too_wide) == []
