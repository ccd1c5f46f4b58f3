import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lookalike_results import EMOTIONS, corpus, predictions, write_experiment

from seqcap.scoring.balanced_prior import balance_prior


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """An experiment and a CSV."""
    write_experiment(tmp_path / "mine", {"CNN": 1.0}, seeds=[0])
    predictions(corpus(), 2.0, 3).to_csv(tmp_path / "theirs.csv", index=False)
    return [tmp_path / "mine", tmp_path / "theirs.csv"]


def test_a_table_is_printed(seqcap: Callable[..., Any], sources: list[Path]) -> None:
    run = seqcap("experiment", "compare", *sources)
    assert run.status == 0
    assert "60 utterances of theirs are left out: not all others have them." in run.out
    rows = [line.split()[:2] for line in run.out.splitlines()]
    assert ["mine:CNN", "60"] in rows
    assert ["theirs", "60"] in rows
    assert "McNemar p" in run.out


def test_the_class_prior_of_entries_is_corrected_on_request(
    seqcap: Callable[..., Any], tmp_path: Path
) -> None:
    write_experiment(tmp_path / "mine", {"CNN": 1.0, "CNN_GRU": 1.5}, seeds=[0])
    (plain, _), (balanced, _) = (
        json.loads(seqcap("experiment", "compare", tmp_path / "mine", "--json", *more).out)["lines"]
        for more in ((), ("--balanced-prior",))
    )
    assert balanced["name"] == "mine:CNN, balanced prior"
    tested = [pd.read_csv(file) for file in sorted((tmp_path / "mine/runs").glob("CNN-*/test.csv"))]
    pooled = pd.concat([balance_prior(one, EMOTIONS) for one in tested])
    assert balanced["wa"] == pytest.approx((pooled["emotion"] == pooled["predicted"]).mean())
    assert balanced["wa"] != plain["wa"]


def test_the_average_of_an_entrys_seeds_is_added_on_request(
    seqcap: Callable[..., Any], tmp_path: Path
) -> None:
    write_experiment(tmp_path / "mine", {"CNN": 2.0}, seeds=[0, 1])
    asked = "experiment", "compare", tmp_path / "mine", "--average-seeds", "--json"
    plain, averaged = json.loads(seqcap(*asked).out)["lines"]
    _, balanced = json.loads(seqcap(*asked, "--balanced-prior").out)["lines"]
    assert averaged["name"] == "mine:CNN, seeds averaged"
    assert balanced["name"] == "mine:CNN, seeds averaged, balanced prior"
    assert averaged["answers"] * 2 == plain["answers"]
    runs = sorted((tmp_path / "mine/runs").glob("*/test.csv"))
    by_seed = [
        pd.concat([pd.read_csv(file) for file in runs if f"-s{seed}" in str(file)])
        for seed in (0, 1)
    ]
    columns = list(EMOTIONS)
    mean = by_seed[0].assign(**(by_seed[0][columns] + by_seed[1][columns]) / 2)
    mean["predicted"] = mean[columns].idxmax(axis=1)
    right = [(one["emotion"] == one["predicted"]).mean() for one in (mean, *by_seed)]
    assert averaged["wa"] == pytest.approx(right[0])
    assert averaged["wa"] not in right[1:]
    pooled = balance_prior(mean, EMOTIONS)
    assert balanced["wa"] == pytest.approx((pooled["emotion"] == pooled["predicted"]).mean())


def test_the_endings_of_version_0_1_ask_for_the_same(
    seqcap: Callable[..., Any], tmp_path: Path
) -> None:
    write_experiment(tmp_path / "mine", {"CNN": 2.0}, seeds=[0, 1])
    label = f"{tmp_path / 'mine'}:CNN"
    old = f"{label}, emotions evened", f"{label}, seeds averaged, emotions evened"
    asked = label, "--average-seeds", "--balanced-prior"
    by_ending, by_option = (
        json.loads(seqcap("experiment", "compare", *words, "--json").out)["lines"]
        for words in (old, asked)
    )
    assert by_ending == by_option


def test_a_failed_entry_shows_the_reason(seqcap: Callable[..., Any], tmp_path: Path) -> None:
    write_experiment(tmp_path / "mine", {"CNN": 2.0}, folds=[0], seeds=[0])
    (folder,) = (tmp_path / "mine/runs").iterdir()
    (folder / "scores.json").unlink()
    (folder / "error.txt").write_text("Traceback\nValueError: no sound\n")
    for source in (f"{tmp_path / 'mine'}:CNN", tmp_path / "mine"):
        run = seqcap("experiment", "compare", source)
        assert run.status == 2
        assert "done; 1 failed, paper-1 s0: ValueError: no sound" in run.err


def test_one_seed_is_no_average(seqcap: Callable[..., Any], tmp_path: Path) -> None:
    write_experiment(tmp_path / "mine", {"CNN": 1.0}, seeds=[0])
    label = f"{tmp_path / 'mine'}:CNN"
    run = seqcap("experiment", "compare", label, f"{label}, seeds averaged")
    assert run.status == 2
    assert "one seed; an entry with two or more is expected" in run.err


def test_folds_that_lack_a_seed_are_left_out_of_an_average(
    seqcap: Callable[..., Any], tmp_path: Path
) -> None:
    write_experiment(tmp_path / "mine", {"CNN": 2.0}, seeds=[0, 1])
    label = f"{tmp_path / 'mine'}:CNN"
    first, *others = sorted((tmp_path / "mine/runs").glob("*-s1"))
    for folder in others:
        (folder / "scores.json").unlink()
    run = seqcap("experiment", "compare", label, f"{label}, seeds averaged", "--json")
    assert run.status == 0, run.err
    assert json.loads(run.out)["lines"][1]["answers"] == len(pd.read_csv(first / "test.csv"))
    (first / "scores.json").unlink()
    run = seqcap("experiment", "compare", label, f"{label}, seeds averaged")
    assert run.status == 2
    assert "no fold has all 2 seeds done; wait for one or more" in run.err


def test_it_is_written_in_the_format_of_the_files_ending(
    seqcap: Callable[..., Any], sources: list[Path], tmp_path: Path
) -> None:
    for ending in ("md", "csv", "json"):
        assert seqcap("experiment", "compare", *sources, "-o", tmp_path / f"c.{ending}").status == 0
    printed = seqcap("experiment", "compare", *sources).out
    page = (tmp_path / "c.md").read_text()
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    lines = [line for line in printed.splitlines() if line]
    for row in cells:
        assert any(all(cell.strip() in line for cell in row) for line in lines)
    assert "|---" in page
    assert "|" not in printed
    table = pd.read_csv(tmp_path / "c.csv")
    told = json.loads((tmp_path / "c.json").read_text())
    assert table["wa"].tolist() == [line["wa"] for line in told["lines"]]
    assert json.loads(seqcap("experiment", "compare", *sources, "--json").out) == told


def test_a_users_mistake_is_one_line(
    seqcap: Callable[..., Any], sources: list[Path], tmp_path: Path
) -> None:
    run = seqcap("experiment", "compare", *sources, "-o", tmp_path / "c.txt")
    assert run.status == 2
    assert run.err == (
        f"seqcap: {tmp_path / 'c.txt'}: the ending tells no format; .md, .csv, .json is expected\n"
    )
    run = seqcap("experiment", "compare", sources[0])
    assert run.status == 2
    assert run.err.startswith("seqcap: 1 to compare; two are expected")
