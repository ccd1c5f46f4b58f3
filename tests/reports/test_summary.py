from pathlib import Path

import pandas as pd
import pytest
from lookalike_results import EMOTIONS, write_experiment

from seqcap.errors import SettingsError
from seqcap.reports.summary import summarise
from seqcap.scoring.evaluation import scores


def test_a_row_an_entry_of_all_experiments_with_the_scores_of_its_predictions(
    tmp_path: Path,
) -> None:
    write_experiment(tmp_path / "one", {"CNN": 1.0}, seeds=[0])
    write_experiment(tmp_path / "other", {"CNN_GRU": 2.0}, seeds=[0], recipe="default")
    write_experiment(tmp_path / "other", {"CNN": 2.0}, seeds=[0], grid="trials", shows=["trials"],
                     recipe="tried")  # fmt: skip
    lines = summarise([tmp_path / "one", tmp_path / "other"], tmp_path).splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| [")]
    assert [row[:3] for row in rows] == [
        ["[one](one/report.md)", "paper", "CNN"],
        ["[other](other/report.md)", "default", "CNN_GRU"],
    ]
    answers = pd.concat(
        pd.read_csv(file, keep_default_na=False)
        for file in (tmp_path / "one" / "runs").glob("*/test.csv")
    )
    told = scores(answers, EMOTIONS)
    low, high = (f"{100 * end:.1f}" for end in told["ua_interval"])
    assert rows[0][3:] == [
        "4", "5", "5 (seeds 0)", f"{100 * told['wa']:.1f}", f"{100 * told['ua']:.1f}",
        f"{low} to {high}", "25.0",
    ]  # fmt: skip


def test_experiments_without_results_are_refused(tmp_path: Path) -> None:
    write_experiment(tmp_path / "one", {"CNN": 1.0}, grid="trials", shows=["trials"])
    with pytest.raises(
        SettingsError, match="no results on test speakers; a grid that shows table5"
    ):
        summarise([tmp_path / "one"], tmp_path)
