"""`seqcap experiment run`: what it prints, its exit status, and what it leaves."""

import json
import re

import pytest
from imported_modules import HEAVY, imported_by
from tiny_experiment import write_corpus, write_grid

OWN_SYSTEM = """\
from seqcap.models.cnn import CNN_COMPONENT
from seqcap.models.recurrent import GRUBranch
from seqcap.models.system import System

class Failing(System):
    def forward(self, spectrograms, frame_counts, trace=None):
        if len(spectrograms) == 4:  # a batch of the training
            raise RuntimeError("no luck today")
        return super().forward(spectrograms, frame_counts, trace)

def make(emotion_count, settings):
    return Failing(CNN_COMPONENT, [lambda c, b: GRUBranch(c, b, emotion_count, False)])
"""


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """Arguments of one run that can be done and one of a system that fails."""
    (tmp_path / "failing_system.py").write_text(OWN_SYSTEM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    corpus = write_corpus(tmp_path / "corpus")
    grid = write_grid(tmp_path, '[[entry]]\nsystem = "failing_system:make"\nlabel = "mine"\n')
    return [
        "experiment", "run", grid, "--corpus", corpus, "--output", tmp_path / "out",
        "--set", "epochs=1", "--engine", "here",
    ]  # fmt: skip


def test_help_imports_nothing_heavy():
    done, packages = imported_by("experiment", "run", "--help")
    assert done.returncode == 0
    assert packages.isdisjoint({*HEAVY, "joblib", "ray", "filelock"})


def test_a_dry_run_lists_what_would_be_run_and_changes_nothing(seqcap, experiment, tmp_path):
    done = seqcap(*experiment, "--only", "CNN_GRU", "--dry-run")
    assert done.status == 0
    lines = done.out.splitlines()
    assert re.split(r" {2,}", lines[0].strip()) == [
        "entry", "fold", "seed", "state", "estimate", "folder",
    ]  # fmt: skip
    assert len([line for line in lines if re.search(r"loso-.+waiting +\d+:\d\d", line)]) == 3
    assert "waiting: 3 of 3 runs" in lines
    assert re.fullmatch(r"estimate: \d+:\d\d, .*from a step measured here \(3 runs\)", lines[-1])
    assert not (tmp_path / "out").exists()


def test_failures_are_named_at_the_end_and_in_the_exit_status(seqcap, experiment, tmp_path):
    folds = tmp_path / "folds.json"
    table = experiment[4]
    assert seqcap("corpus", "folds", table, "--scheme", "loso", "--output", folds).status == 0
    content = json.loads(folds.read_text())
    folds.write_text(json.dumps({**content, "folds": content["folds"][:1]}))

    done = seqcap(*experiment, "--folds", folds)
    assert done.status == 1
    assert done.out.endswith(f"{tmp_path / 'out'}: 1 of 2 runs done\n")
    assert re.search(r"failed: mine, loso-a, seed 0: RuntimeError: no luck today \(.*\)", done.err)

    listed = seqcap(*experiment, "--folds", folds, "--dry-run")
    assert "done: 1 of 2 runs" in listed.out
    assert "failed: 1 of 2 runs" in listed.out

    again = seqcap(*experiment, "--folds", folds, "--only", "CNN_GRU")
    assert (again.status, again.out) == (0, f"{tmp_path / 'out'}: 1 of 1 runs done\n")
    plan = json.loads((tmp_path / "out" / "plans" / "tiny.json").read_text())
    assert [len(entry["runs"]) for entry in plan["entries"]] == [1, 1]


def test_a_system_that_cannot_be_built_is_refused_before_anything_is_run(
    seqcap, experiment, tmp_path
):
    (tmp_path / "broken_system.py").write_text("def make(emotions):\n    pass\n")
    experiment[2].write_text(experiment[2].read_text().replace("failing_", "broken_"))
    done = seqcap(*experiment)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(
        "seqcap: system 'broken_system:make': building it raised TypeError: "
    )
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert seqcap(*experiment, "--only", "CNN_GRU", "--dry-run").status == 0


def test_a_grid_that_trains_nothing_leaves_its_plan(seqcap, experiment, tmp_path):
    experiment[2] = "table2"
    done = seqcap(*experiment, "--labels", "anger,sadness")
    assert (done.status, done.out) == (0, f"{tmp_path / 'out'}: 0 of 0 runs done\n")
    plan = json.loads((tmp_path / "out" / "plans" / "table2.json").read_text())
    assert plan["shows"] == ["table2"]
    assert [entry["runs"] for entry in plan["entries"]] == [[]] * 7


@pytest.mark.parametrize(
    ("place", "word", "text"),
    [
        (2, "table1", "grid 'table1' is unknown; did you mean 'table"),
        (-1, "dask", "engine 'dask' is unknown; one of joblib, ray, here is expected"),
        (-3, "epoch=1", "setting 'epoch' is unknown; did you mean 'epochs'?"),
    ],
)
def test_a_users_mistake_is_one_line(seqcap, experiment, place, word, text):
    experiment[place] = word
    done = seqcap(*experiment)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"seqcap: {text}")
    assert done.err.count("\n") == 1
