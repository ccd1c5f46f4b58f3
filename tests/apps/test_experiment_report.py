from collections.abc import Callable
from pathlib import Path
from typing import Any

from lookalike_results import write_experiment


def test_the_report_of_a_folder_is_written_into_it(
    seqcap: Callable[..., Any], tmp_path: Path
) -> None:
    write_experiment(tmp_path / "mine", {"CNN": 1.0, "CNN_SeqCap": 2.0}, seeds=[0])
    run = seqcap("experiment", "report", tmp_path / "mine")
    assert run.status == 0
    assert run.out.splitlines() == [
        str(tmp_path / "mine" / "report.md"),
        str(tmp_path / "mine" / "report.html"),
        "5 figures beside them",
    ]
    assert "CNN_SeqCap less CNN" in (tmp_path / "mine" / "report.md").read_text()


def test_output_names_another_folder(seqcap: Callable[..., Any], tmp_path: Path) -> None:
    write_experiment(tmp_path / "mine", {"CNN": 1.0}, folds=[0], seeds=[0], shows=["table5"])
    run = seqcap("experiment", "report", tmp_path / "mine", "--output", tmp_path / "results")
    assert run.status == 0
    assert (tmp_path / "results" / "figures" / "table5-scores.svg").is_file()
    assert not (tmp_path / "mine" / "report.md").exists()


def test_a_folder_of_something_else_is_one_line(seqcap: Callable[..., Any], tmp_path: Path) -> None:
    run = seqcap("experiment", "report", tmp_path)
    assert run.status == 2
    assert run.err == (
        f"seqcap: {tmp_path}: no plans/*.json; a folder that 'seqcap experiment run' wrote is "
        "expected\n"
    )
