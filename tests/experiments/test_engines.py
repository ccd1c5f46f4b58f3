import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_experiment import write_corpus, write_grid

from seqcap.corpora.table import read_table
from seqcap.errors import AudioWarning, SettingsError
from seqcap.experiments import engines
from seqcap.experiments.cores import Engine, share_cores
from seqcap.experiments.engines import run_all
from seqcap.experiments.estimate import Estimate, estimate, rest_s, sum_up
from seqcap.experiments.grid_files import read_grid
from seqcap.experiments.packing import pack_runs
from seqcap.experiments.plan import Plan, make_plan
from seqcap.experiments.worker import JobContext, State, failures, run_job, state_of
from seqcap.training.run_locks import is_locked, lock_run

OWN_SYSTEM = """\
from pathlib import Path
from seqcap.models.systems import SYSTEMS

def make(emotion_count, settings):
    if Path({flag!r}).exists():
        raise RuntimeError("no luck today")
    return SYSTEMS["CNN_GRU"].build(emotion_count, settings)
"""


class Experiment:
    """The tiny corpus and grid in one folder."""

    def __init__(self, folder: Path, more: str = "gradients = true\n") -> None:
        self.folder = folder
        self.corpus = write_corpus(folder / "corpus")
        self.grid = write_grid(folder)
        self.grid.write_text(self.grid.read_text().replace("[set]", f"{more}[set]"))
        self.table = read_table(self.corpus)

    @property
    def plan(self) -> Plan:
        return make_plan(read_grid(self.grid), self.table)

    def command(self, output: Path, *options: str) -> list[str]:
        return [sys.executable, "-m", "seqcap", "experiment", "run", str(self.grid), "--corpus",
                str(self.corpus), "--output", str(output), *options]  # fmt: skip

    def start(self, output: Path, *options: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(output, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=self.folder,
        )  # fmt: skip

    def results(self, output: Path) -> dict[str, bytes]:
        return {
            f"{run.name}/{file}": (run.folder(output) / file).read_bytes()
            for run in self.plan.runs
            for file in ("model/model.safetensors", "scores.json", "test.csv", "validation.csv",
                         "gradients.npz")
        }  # fmt: skip

    def trainings(self, output: Path) -> int:
        """How often a training was begun: each begins a log."""
        return len(list(output.rglob("events.out.tfevents*")))


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return Experiment(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module")
def uninterrupted(experiment: Experiment) -> Path:
    """All runs, done one after the other in this process."""
    output = experiment.folder / "uninterrupted"
    threads = torch.get_num_threads()
    ended = list(
        run_all(JobContext(experiment.table, output), experiment.plan.runs, Engine("here"))
    )
    torch.set_num_threads(threads)
    assert [state for _, state in ended] == [State.DONE] * 3
    return output


def kill_when_begun(process: "subprocess.Popen[str]", output: Path, folders: int) -> None:
    """Kills a process as soon as so many runs have left a checkpoint, now or before."""
    seen: set[Path] = set()
    while len(seen) < folders:
        assert process.poll() is None, process.communicate()
        seen |= {file.parent for file in output.glob("runs/*/last.ckpt")}
        seen |= {file.parent for file in output.glob("runs/*/scores.json")}
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_grid_killed_twice_and_finished_by_two_processes_gives_the_same_bytes(
    experiment: Experiment, uninterrupted: Path
) -> None:
    output = experiment.folder / "killed"
    for engine, runs_begun in (("joblib", 1), ("here", 2)):
        process = experiment.start(output, "--jobs", "1", "--engine", engine)
        kill_when_begun(process, output, runs_begun)
    done = {file: file.stat().st_mtime_ns for file in output.glob("runs/*/scores.json")}
    processes = [experiment.start(output, "--engine", "here") for _ in range(2)]
    for process in processes:
        out, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        assert out.endswith(f"{output}: 3 of 3 runs done\n")
    assert experiment.results(output) == experiment.results(uninterrupted)
    for file, time_ns in done.items():
        assert file.stat().st_mtime_ns == time_ns
    assert experiment.trainings(output) <= 3 + 2
    for run in experiment.plan.runs:
        pd.testing.assert_frame_equal(
            pd.read_csv(run.folder(output) / "metrics.csv"),
            pd.read_csv(run.folder(uninterrupted) / "metrics.csv"),
            check_like=True,
        )
    assert not list(output.rglob("*.ckpt"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ray is for Unix")
def test_ray_gives_the_results_of_the_other_engines(
    experiment: Experiment, uninterrupted: Path
) -> None:
    pytest.importorskip("ray")
    output = experiment.folder / "ray"
    process = experiment.start(output, "--engine", "ray", "--address", "local", "--jobs", "2")
    out, errors = process.communicate(timeout=600)
    assert (process.returncode, out) == (0, f"{output}: 3 of 3 runs done\n"), errors
    assert experiment.results(output) == experiment.results(uninterrupted)
    assert experiment.trainings(output) == 3


@pytest.mark.slow
def test_packed_runs_are_not_repeated(
    experiment: Experiment, uninterrupted: Path, tmp_path: Path
) -> None:
    pack_runs(uninterrupted, tmp_path)
    runs = experiment.plan.runs
    assert [state_of(run, tmp_path) for run in runs] == [State.DONE] * 3
    ended = run_all(JobContext(experiment.table, tmp_path), runs, Engine("here"))
    assert [state for _, state in ended] == [State.DONE] * 3
    assert experiment.trainings(tmp_path) == 0
    assert not (tmp_path / "runs").exists()
    (one, *_) = estimate([experiment.plan], list(runs), tmp_path, Engine("here")).values()
    assert one.source == "runs that are done"


@pytest.mark.slow
def test_gradients_are_those_of_the_same_utterance_and_come_later_too(
    experiment: Experiment, uninterrupted: Path
) -> None:
    run = experiment.plan.runs[0]
    file = run.folder(uninterrupted) / "gradients.npz"
    before = dict(np.load(file))
    assert before["spectrogram"].shape == before["gradient"].shape
    assert before["spectrogram"].shape[1] == 512
    assert np.abs(before["gradient"]).max() > 0
    assert before["file"].item() == sorted(before["file"].tolist().split())[0]
    assert before["frame_shift_s"] == 0.01
    tested = pd.read_csv(run.folder(uninterrupted) / "test.csv").set_index("file")
    row = tested.loc[before["file"].item()]
    assert (row["emotion"], row["predicted"]) == (before["emotion"], before["predicted"])

    file.unlink()
    assert state_of(run, uninterrupted) is State.WAITING
    scores = (run.folder(uninterrupted) / "scores.json").stat().st_mtime_ns
    assert run_job(JobContext(experiment.table, uninterrupted), run) is State.DONE
    assert (run.folder(uninterrupted) / "scores.json").stat().st_mtime_ns == scores
    after = dict(np.load(file))
    assert after.keys() == before.keys()
    np.testing.assert_array_equal(after["gradient"], before["gradient"])


@pytest.fixture
def own_system(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A system of your own, beside the grid, that fails as long as there is a file."""
    flag = experiment.folder / "flag"
    (experiment.folder / "my_system.py").write_text(OWN_SYSTEM.format(flag=str(flag)))
    monkeypatch.chdir(experiment.folder)
    flag.touch()
    yield flag
    sys.path.remove(str(experiment.folder))


@pytest.mark.slow
def test_a_failed_run_is_recorded_does_not_stop_others_and_is_tried_again(
    experiment: Experiment, own_system: Path
) -> None:
    output = experiment.folder / "failing"
    more = '[[entry]]\nsystem = "my_system:make"\nlabel = "mine"\n'
    grid = write_grid(experiment.folder / "corpus", more)
    grid.write_text(grid.read_text().replace("epochs = 3", "epochs = 1"))
    runs = make_plan(read_grid(grid), experiment.table).runs[:4]
    first = dict(run_all(JobContext(experiment.table, output), runs, Engine("here")))
    assert [first[run] for run in runs] == [State.DONE, State.FAILED] * 2
    mine = runs[1]
    error = mine.folder(output) / "error.txt"
    assert error.read_text().splitlines()[-1] == "RuntimeError: no luck today"
    assert error.read_text().startswith("Traceback")
    assert state_of(mine, output) is State.FAILED

    # What another process has just failed at is left; what failed before we began is tried.
    own_system.unlink()
    assert run_job(JobContext(experiment.table, output), mine) is State.FAILED
    again = JobContext(experiment.table, output, failures=failures(runs, output))
    assert run_job(again, mine) is State.DONE
    assert not error.exists()


def test_a_machine_with_other_versions_is_refused(experiment: Experiment, tmp_path: Path) -> None:
    run = experiment.plan.runs[0]
    other = experiment.table.assign(emotion=experiment.table["emotion"][::-1].to_numpy())
    assert run_job(JobContext(other, tmp_path), run) is State.FAILED
    assert "the same recordings and the same versions" in (
        run.folder(tmp_path) / "error.txt"
    ).read_text("utf-8")


def test_a_locked_run_is_left_to_its_owner(experiment: Experiment, tmp_path: Path) -> None:
    run = experiment.plan.runs[0]
    assert not is_locked(tmp_path, run.name)
    with lock_run(tmp_path, run.name) as ours:
        assert ours
        assert is_locked(tmp_path, run.name)
        assert state_of(run, tmp_path) is State.ELSEWHERE
        assert run_job(JobContext(experiment.table, tmp_path), run) is State.ELSEWHERE
        with lock_run(tmp_path, run.name) as also_ours:
            assert not also_ours
    assert not is_locked(tmp_path, run.name)
    assert not run.folder(tmp_path).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_lock_is_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\nfrom seqcap.training.run_locks import lock_run\n"
        "with lock_run(pathlib.Path(sys.argv[1]), 'a'):\n"
        " print('mine', flush=True)\n time.sleep(99)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        assert is_locked(tmp_path, "a")
        holder.kill()
        holder.wait()
    assert not is_locked(tmp_path, "a")


@pytest.mark.slow
def test_estimates_come_from_finished_runs_or_from_a_measured_step(
    experiment: Experiment, uninterrupted: Path, tmp_path: Path
) -> None:
    plan, engine = experiment.plan, Engine(jobs=1)
    known = estimate([plan], plan.runs, uninterrupted, engine)
    assert {one.source for one in known.values()} == {"runs that are done"}
    measured = estimate([plan], plan.runs, tmp_path, engine)
    assert {one.source for one in measured.values()} == {"a step measured here"}
    assert all(one.duration_s > 0 for one in (*known.values(), *measured.values()))
    assert rest_s([plan], plan.runs, tmp_path, engine) is None
    rest = rest_s([plan], plan.runs, uninterrupted, engine)
    assert rest == pytest.approx(sum(one.duration_s for one in known.values()))
    assert rest_s([plan], [], tmp_path, engine) == 0


def test_runs_at_once_share_the_time_and_the_cores() -> None:
    assert share_cores(8, 0, 100) == (8, 1)
    assert share_cores(8, 0, 2) == (2, 4)
    assert share_cores(2, 16, 100) == (16, 1)
    assert sum_up([Estimate(60, "a")] * 3, Engine(jobs=1)).duration_s == 180
    assert sum_up([Estimate(60, "a")] * 3, Engine(jobs=3)).duration_s == 60


def test_a_process_of_a_grid_warns_in_one_line_like_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_job_with_a_warning(*_: object) -> State:
        warnings.warn("a.wav: 2 % of the samples are clipped", AudioWarning, stacklevel=1)
        return State.DONE

    monkeypatch.setattr(engines, "run_job", run_job_with_a_warning)
    run = SimpleNamespace(name="CNN_GRU-paper-1")
    work: Any = None  # not looked at
    assert engines._run_job_for(sys.argv, work, cast(Any, run)) == (run.name, State.DONE)
    assert capsys.readouterr().err == "seqcap: a.wav: 2 % of the samples are clipped\n"


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^engine 'dask' is unknown; one of joblib, ray, here"):
        Engine("dask")
    with pytest.raises(SettingsError, match=r"^jobs: -1 came, at least 0 is expected"):
        Engine(jobs=-1)
