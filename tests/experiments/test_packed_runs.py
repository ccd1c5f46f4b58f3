import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lookalike_results import EMOTIONS, write_experiment

from seqcap.errors import SettingsError
from seqcap.experiments.packed_runs import PackedRuns, packed_runs, read_run_files
from seqcap.experiments.packing import pack_runs, remove_run_files
from seqcap.experiments.run_files import read_run_folder
from seqcap.reports.report import write_report
from seqcap.training.run_identity import run_name

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """Two systems, of which one failed on the last fold and another was never finished."""
    folder = tmp_path / "mine"
    write_experiment(folder, {"CNN": 1.0, "CNN_SeqCap": 2.0}, folds=[0, 1], seeds=[0])
    for name, error in (("CNN-paper-1-s0", "ValueError: no sound"), ("CNN_SeqCap-paper-1-s0", "")):
        (folder / "runs" / name / "scores.json").unlink()
        if error:
            (folder / "runs" / name / "error.txt").write_text(f"Traceback\n{error}\n")
    return folder


def test_a_packed_run_says_what_its_folder_said(experiment: Path, tmp_path: Path) -> None:
    names = pack_runs(experiment, tmp_path / "packed")
    assert len(names) == 4
    for name in names:
        own = read_run_folder(experiment / "runs" / name)
        packed = PackedRuns(tmp_path / "packed").read(name)
        for what in ("name", "settings", "scores", "resources", "error", "is_done"):
            assert getattr(packed, what) == getattr(own, what)
        assert set(packed.tables) == set(own.tables)
        for part, table in own.tables.items():
            pd.testing.assert_frame_equal(
                packed.tables[part], table, check_dtype=False, check_exact=True
            )


@pytest.mark.slow
def test_a_packed_experiment_gives_the_same_report_byte_for_byte(
    experiment: Path, tmp_path: Path
) -> None:
    pack_runs(experiment, tmp_path / "packed")
    written = [write_report(folder, folder) for folder in (experiment, tmp_path / "packed")]
    for one, other in zip(*written, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_utterances_without_an_answer_stay_without(experiment: Path, tmp_path: Path) -> None:
    file = experiment / "runs" / "CNN-paper-0-s0" / "test.csv"
    answers = pd.read_csv(file, keep_default_na=False)
    answers.loc[0, [*EMOTIONS]] = float("nan")
    answers.to_csv(file, index=False)
    pack_runs(experiment, tmp_path / "packed")
    for folder in (experiment, tmp_path / "packed"):
        shown = read_run_files(folder, "CNN-paper-0-s0").tables["test"][[*EMOTIONS]]
        assert shown.isna().all(axis=1).tolist() == [True] + [False] * (len(answers) - 1)


def test_packing_a_packed_folder_changes_nothing(experiment: Path, tmp_path: Path) -> None:
    pack_runs(experiment, tmp_path / "packed")
    pack_runs(tmp_path / "packed", tmp_path / "again")
    files = [path for path in (tmp_path / "packed").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"results.csv", "test.parquet", "table5.json"}
    for path in files:
        again = tmp_path / "again" / path.relative_to(tmp_path / "packed")
        assert again.read_bytes() == path.read_bytes()


def test_results_csv_has_a_row_a_run(experiment: Path) -> None:
    pack_runs(experiment, experiment)
    rows = pd.read_csv(experiment / "results.csv", keep_default_na=False)
    assert rows["state"].tolist() == ["done", "failed", "done", "begun"]
    assert rows["error"].tolist() == ["", "ValueError: no sound", "", ""]
    assert rows["label"].tolist() == ["CNN", "CNN", "CNN_SeqCap", "CNN_SeqCap"]
    assert set(rows["machine"]) == {"a machine, 2 cores", ""}


def test_only_files_of_packed_and_finished_runs_are_removed(experiment: Path) -> None:
    model = experiment / "runs" / "CNN-paper-0-s0" / "model" / "model.json"
    model.parent.mkdir()
    model.write_text("{}")
    before = {name: read_run_files(experiment, name) for name in ("CNN-paper-0-s0",)}
    names = pack_runs(experiment, experiment)
    assert remove_run_files(experiment, names) == 2
    left = {str(path.relative_to(experiment / "runs")) for path in (experiment / "runs").rglob("*")}
    assert "CNN-paper-0-s0/model/model.json" in left
    assert "CNN-paper-0-s0/scores.json" not in left
    assert "CNN_SeqCap-paper-0-s0" not in left
    assert "CNN-paper-1-s0/error.txt" in left
    for name, run in before.items():
        assert read_run_files(experiment, name).scores == run.scores


def test_a_run_that_was_repeated_comes_before_its_packed_form(experiment: Path) -> None:
    name = "CNN-paper-1-s0"
    pack_runs(experiment, experiment)
    assert not packed_runs(experiment).is_complete(name)
    shutil.copy(experiment / "runs/CNN-paper-0-s0/scores.json", experiment / "runs" / name)
    assert read_run_files(experiment, name).is_done
    pack_runs(experiment, experiment)
    assert packed_runs(experiment).is_complete(name)


def test_gradients_are_kept_for_the_requested_runs(experiment: Path, tmp_path: Path) -> None:
    values = np.linspace(0, 1, 5000, dtype=np.float32)
    for name in ("CNN-paper-0-s0", "CNN_SeqCap-paper-0-s0"):
        with (experiment / "runs" / name / "gradients.npz").open("wb") as file:
            np.savez(file, spectrogram=values, gradient=-values)
    pack_runs(experiment, tmp_path / "packed", ["CNN-paper-0-s0"])
    packed = packed_runs(tmp_path / "packed")
    kept, dropped = packed.read("CNN-paper-0-s0"), packed.read("CNN_SeqCap-paper-0-s0")
    assert kept.gradients is not None
    assert dropped.gradients is None
    assert packed.is_complete(dropped.name, gradients=True)
    with np.load(kept.gradients) as arrays:
        low, high = arrays["gradient_range"]
        shown = low + (high - low) * arrays["gradient"] / 255
    np.testing.assert_allclose(shown[:4950], values[:4950], atol=1 / 255)


def test_impossible_packing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no runs; the folder of an experiment is expected$"):
        pack_runs(tmp_path, tmp_path / "packed")
    (tmp_path / "runs.parquet").write_text("no table")
    with pytest.raises(
        SettingsError, match=r"runs.parquet: cannot be read .*; pack the runs again"
    ):
        packed_runs(tmp_path)


@pytest.mark.skipif(not RESULTS.is_dir(), reason="no results beside these tests")
@pytest.mark.parametrize("experiment", ["emodb7", "changes", "corpora"])
def test_runs_on_file_keep_their_identity(experiment: str) -> None:
    packed = PackedRuns(RESULTS / experiment)
    assert packed.names
    for name in packed.names:
        assert run_name(dict(packed.read(name).settings)) == name
