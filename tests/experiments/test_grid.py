import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tiny_experiment import write_corpus, write_grid

from seqcap.corpora.folds import choose_folds
from seqcap.corpora.labels import apply_labels
from seqcap.corpora.table import read_table
from seqcap.errors import CorpusError, SettingsError
from seqcap.experiments.grid import PAPER_SEEDS, Grid
from seqcap.experiments.grid_files import GRIDS, choose, grid_file, read_grid
from seqcap.experiments.plan import in_order, make_plan, write_plan
from seqcap.models.systems import SYSTEMS
from seqcap.reports.report import SECTIONS
from seqcap.training.run_identity import describe_run, run_name

OURS = sorted(file.stem for file in GRIDS.glob("*.toml"))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return read_table(write_corpus(tmp_path_factory.mktemp("tiny") / "corpus"))


def tiny(folder: Path, more: str = "") -> Grid:
    return read_grid(write_grid(folder, more))


def names(grid: Grid, table: pd.DataFrame) -> dict[str, set[str]]:
    runs = make_plan(grid, table).runs
    return {
        label: {run.name for run in runs if run.label == label}
        for label in dict.fromkeys(run.label for run in runs)
    }


@pytest.mark.parametrize("name", OURS)
def test_each_grid_of_the_program_opens_with_command_time_machine_and_numbers(name: str) -> None:
    purpose = read_grid(name).purpose
    assert f"seqcap experiment run {name} --corpus" in purpose
    assert "Time: " in purpose
    assert "Expected" in purpose
    assert ("AMD EPYC" in purpose) == read_grid(name).trains


def test_each_table_and_figure_of_the_paper_has_its_grid() -> None:
    tables = [f"table{number}" for number in range(2, 8)]
    ours = ["default", "whisper", "trials", "changes"]
    assert sorted(OURS) == sorted([*tables, "figure7", "figure8", *ours])
    of_paper = [name for name in SYSTEMS if not name.startswith("Whisper")]
    assert of_paper == [entry.system for entry in read_grid("table5").entries]
    assert [c.label for c in read_grid("table5").combinations] == [
        "CNN_GRU + CNN_SeqCap",
        "CNN_GRU + CNN_RecCap",
    ]
    for name in OURS:
        assert set(read_grid(name).shows) <= set(SECTIONS)


def test_the_protocol_is_the_papers_unless_a_grid_says_otherwise() -> None:
    grid = read_grid("table5")
    assert (grid.folds, grid.labels, grid.recipe) == ("paper", "paper4", "paper")
    assert grid.seeds == PAPER_SEEDS == (0, 1, 2, 3, 4)


@pytest.mark.slow
def test_grids_that_ask_for_the_same_runs_share_them(table: pd.DataFrame) -> None:
    def chosen(name: str) -> dict[str, set[str]]:
        return names(choose(read_grid(name), "loso", "anger,sadness", "0"), table)

    table5 = chosen("table5")
    assert chosen("table6")["CNN_SeqCap"] == table5["CNN_SeqCap"]
    assert chosen("table7")["CNN_RecCap"] == table5["CNN_RecCap"]
    assert chosen("figure7")["3 iterations"] == table5["CNN_SeqCap"]
    assert chosen("figure8")["CNN_GRU_Att"] == table5["CNN_GRU_Att"]
    table4 = chosen("table4")
    assert table4["CNN_SeqCap"] == table5["CNN_SeqCap"]
    assert table4["CNN_SeqCap without curriculum"].isdisjoint(table5["CNN_SeqCap"])


def test_a_run_is_named_as_it_names_itself(table: pd.DataFrame, tmp_path: Path) -> None:
    plan = make_plan(tiny(tmp_path), table)
    folds = choose_folds(table, "loso", "all", False)
    labelled = apply_labels(table, plan.label_set).reset_index(drop=True)
    assert [run.name for run in plan.runs] == [
        run_name(describe_run(labelled, fold, plan.label_set, run.settings))
        for fold, run in zip(folds, plan.runs, strict=True)
    ]


@pytest.mark.slow
def test_the_order_is_seed_by_seed_then_fold_by_fold(table: pd.DataFrame, tmp_path: Path) -> None:
    grid = choose(tiny(tmp_path, '[[entry]]\nsystem = "CNN"\n'), seeds="3,1")
    other = replace(grid, name="other", entries=grid.entries[1:], gradients=True)
    runs = in_order([make_plan(grid, table), make_plan(other, table)])
    assert [(run.settings.seed, run.fold.name, run.label) for run in runs] == [
        (seed, fold, label)
        for seed in (3, 1)
        for fold in ("loso-a", "loso-b", "loso-c")
        for label in ("CNN_GRU", "CNN")
    ]
    assert {run.label for run in runs if run.gradients} == {"CNN"}
    only = in_order([make_plan(grid, table)], ["CNN"])
    assert {run.label for run in only} == {"CNN"}
    with pytest.raises(SettingsError, match=r"^entry 'CMN' is unknown; there are"):
        in_order([make_plan(grid, table)], ["CMN"])


def test_the_command_line_wins_over_an_entry_which_wins_over_the_grid(tmp_path: Path) -> None:
    grid = tiny(tmp_path, "[entry.set]\nbatch_size = 8\ncapsules.routing_iterations = 2\n")
    settings = grid.settings(grid.entries[0], seed=7)
    assert (settings.epochs, settings.batch_size, settings.seed) == (3, 8, 7)
    assert settings.capsules.routing_iterations == 2
    changed = choose(grid, recipe="default", overrides=["batch_size=2"])
    assert changed.settings(grid.entries[0], 7).batch_size == 2
    assert changed.settings(grid.entries[0], 7).schedule == "one_cycle"
    assert settings.schedule == "paper"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("[[entri]]", r"key 'entri' is unknown; did you mean 'entry'\?"),
        ("[[entry]]\nsistem = 1", r"entry: key 'sistem' is unknown; did you mean 'system'\?"),
        ("[[entry]]\nlabel = 'x'", 'entry: a system is missing; system = "CNN_SeqCap" is'),
        ("[[entry]]\nsystem = 'CNN_SecCap'", "system 'CNN_SecCap' is unknown; did you mean"),
        ("[[entry]]\nsystem = 'CNN_GRU'", "label 'CNN_GRU' stands there twice; give another"),
        ("[entry.set]\nseed = 1", "setting 'seed' belongs to the grid: system to an entry, seeds"),
        ("[[combination]]\nof = ['CNN_GRU']", "combination: two labels at least are expected"),
        ("[[combination]]\nof = ['CNN_GRU', 'CNN']", r"'CNN_GRU \+ CNN': there is no entry 'CNN'"),
        ("[entry.set]\nseed", "not TOML: "),
        ("[[entry]]\nsystem = 1", "key 'system': 1 came, text is expected"),
    ],
)
def test_invalid_grids_are_named(more: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"tiny\.toml: .*{text}"):
        tiny(tmp_path, more)


def test_an_unknown_section_of_the_report_is_named_before_anything_is_run(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("shows = ['tabel5']\n[[entry]]\nsystem = 'CNN'\n")
    message = r"shows: section 'tabel5' is unknown; did you mean 'table5'\?"
    with pytest.raises(SettingsError, match=message):
        read_grid(file)


def test_files_that_are_no_grids_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"grid 'table1' is unknown; did you mean 'table"):
        grid_file("table1")
    with pytest.raises(SettingsError, match=r"none\.toml: no grid here"):
        read_grid(tmp_path / "none.toml")


def test_invalid_settings_are_named_before_anything_is_run(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="setting 'epoch' is unknown; did you mean 'epochs'"):
        make_plan(choose(tiny(tmp_path), overrides=["epoch=3"]), table)
    with pytest.raises(SettingsError, match="setting 'seed=3' belongs to the grid; give --seeds"):
        choose(tiny(tmp_path), overrides=["seed=3"])
    with pytest.raises(SettingsError, match="seeds '0,x': whole numbers with commas are expected"):
        choose(tiny(tmp_path), seeds="0,x")
    with pytest.raises(SettingsError, match="system 'absent:make': No module named 'absent'"):
        make_plan(tiny(tmp_path, '[[entry]]\nsystem = "absent:make"\n'), table)
    odd = '[[entry]]\nlabel = "odd"\nsystem = "CNN"\nset = { batch_size = 0 }\n'
    with pytest.raises(SettingsError, match="entry 'odd': setting 'batch_size': 0 came"):
        make_plan(tiny(tmp_path, odd), table)
    with pytest.raises(CorpusError, match="none is in the label set fear,disgust"):
        make_plan(choose(tiny(tmp_path), labels="fear,disgust"), table)


def test_a_setting_that_makes_two_entries_the_same_is_refused(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    more = '[[entry]]\nsystem = "CNN_GRU"\nlabel = "shuffled"\n[entry.set]\ncurriculum = false\n'
    grid = choose(tiny(tmp_path, more), overrides=["curriculum=true"])
    with pytest.raises(SettingsError, match="entries 'CNN_GRU' and 'shuffled' are the same with"):
        make_plan(grid, table)


def test_a_plan_names_the_folder_of_each_run(table: pd.DataFrame, tmp_path: Path) -> None:
    plan = make_plan(tiny(tmp_path, '[[combination]]\nof = ["CNN_GRU", "CNN_GRU"]\n'), table)
    file = write_plan(plan, tmp_path / "out", "seqcap experiment run tiny.toml")
    assert file == tmp_path / "out" / "plans" / "tiny.json"
    written = json.loads(file.read_text())
    assert written["purpose"] == "Three runs of a second."
    assert written["corpus_facts"] == {
        "utterances": 12,
        "speakers": 3,
        "emotions": {"anger": 6, "sadness": 6},
    }
    assert written["entries"][0]["runs"] == [
        {"fold": run.fold.name, "seed": 0, "folder": run.name} for run in plan.runs
    ]
    assert written["combinations"] == [{"label": "CNN_GRU + CNN_GRU", "of": ["CNN_GRU"] * 2}]


def test_seeds_of_another_call_add_up_and_other_settings_replace_the_plan(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    def written(*overrides: str, seeds: str) -> tuple[list[int], int]:
        grid = choose(tiny(tmp_path), seeds=seeds, overrides=overrides)
        content = json.loads(write_plan(make_plan(grid, table), tmp_path, "again").read_text())
        return content["seeds"], len(content["entries"][0]["runs"])

    assert written(seeds="0") == ([0], 3)
    assert written(seeds="2") == ([0, 2], 6)
    assert written(seeds="1,2") == ([0, 1, 2], 9)
    assert written("epochs=2", seeds="0") == ([0], 3)


def test_a_grid_that_trains_nothing_has_a_plan_without_runs(table: pd.DataFrame) -> None:
    plan = make_plan(choose(read_grid("table2"), labels="anger,sadness"), table)
    assert plan.runs == ()
