"""Code on the pages: Python runs, commands exist with their options, marked commands run."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import tiny_experiment
import typer
from pages import PAGES, ROOT, blocks, name

from seqcap.recognition.recognizer import Recognizer
from seqcap.training.settings import read_settings
from seqcap.training.settings_files import read_toml


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A folder with what the examples mention: recordings, a corpus table, a trained model."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "samples").symlink_to(ROOT / "samples")
    (folder / "speech.wav").symlink_to(ROOT / "samples" / "emodb" / "15b09Wb.wav")
    (folder / "recordings").mkdir()
    (folder / "recordings" / "one.wav").symlink_to(ROOT / "samples" / "emodb" / "16a01Nc.wav")
    tiny_experiment.write_corpus(folder / "tiny").rename(folder / "emodb.csv")
    (folder / "mine.csv").write_text("file,speaker,emotion\nspeech.wav,15,anger\n", "utf-8")
    (folder / "answers").mkdir()
    answers = pd.DataFrame({"file": ["one.wav"], "predicted": ["neutral"]})
    answers.to_parquet(folder / "answers" / "part-0.parquet")
    (folder / "runs" / "emodb").mkdir(parents=True)
    (folder / "runs" / "emodb" / "model").symlink_to(model_folder)
    return folder


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if any(block.language == language for block in blocks(page))]


SLOW_PAGES = ("docs/guides/explain.md", "docs/guides/export.md", "docs/guides/other-tools.md")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if name(page) in SLOW_PAGES else ())
        for page in pages_with("python")
    ],
    ids=name,
)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    names: dict[str, object] = {"__name__": "example"}
    for block in blocks(page):
        if block.language == "python":
            exec(compile(block.text, name(page), "exec"), names)


def test_the_grid_of_the_guide_is_toml_with_settings_that_exist(tmp_path: Path) -> None:
    (text,) = (
        block.text
        for block in blocks(ROOT / "docs" / "guides" / "experiment.md")
        if block.language == "toml"
    )
    (tmp_path / "windows.toml").write_text(text, "utf-8")
    _, grid = read_toml("grid", tmp_path / "windows.toml")
    for entry in grid["entry"]:
        read_settings(overrides=[f"{key}={value}" for key, value in entry.get("set", {}).items()])


@pytest.mark.slow
def test_the_system_of_the_guide_trains_in_its_grid_and_recognises(
    samples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = ROOT / "docs" / "guides" / "experiment.md"
    (system,) = (block.text for block in blocks(guide) if "def build(" in block.text)
    (grid,) = (block.text for block in blocks(guide) if block.language == "toml")
    (tmp_path / "my_systems.py").write_text(system, "utf-8")
    (tmp_path / "windows.toml").write_text(grid, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    corpus = tiny_experiment.write_corpus(tmp_path / "corpus")
    options = "--only mine --seeds 0 --folds loso --labels anger,sadness --engine here"
    options += " --output runs --set epochs=1 --set min_steps=1"
    trained = subprocess.run(
        [sys.executable, "-m", "seqcap", "experiment", "run", "windows.toml",
         "--corpus", str(corpus), *options.split()],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, check=False, capture_output=True,
        text=True,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    model, *_ = (tmp_path / "runs").glob("runs/*/model")
    answer = Recognizer.from_pretrained(model, "cpu").recognize(samples[0])
    assert sum(answer.probabilities.values()) == pytest.approx(1)


def commands(page: Path) -> Iterator[list[str]]:
    """The calls of seqcap in the blocks without a language, as lists of words."""
    for block in blocks(page):
        if block.language == "":
            for line in block.text.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                words = words[words.index("|") + 1 :] if "|" in words else words
                if words and words[0].rpartition("/")[2] == "seqcap":
                    yield words[1:]


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=name)
def test_every_command_of_a_page_exists_with_its_options_and_settings(page: Path) -> None:
    from seqcap.apps.cli import app

    for words in commands(page):
        command = typer.main.get_command(app)
        rest = list(words)
        while hasattr(command, "commands"):
            assert rest[0] in command.commands, words
            command = command.commands[rest.pop(0)]
        options = {
            option
            for each in command.params
            if not getattr(each, "hidden", False)
            for option in [*each.opts, *each.secondary_opts]
        }
        given = [word for word in rest if word.startswith("-") and word != "-"]
        assert not set(given) - options, words
        changed = [rest[place + 1] for place, word in enumerate(rest) if word == "--set"]
        if changed:
            read_settings(overrides=changed)


def marked() -> list[tuple[str, str]]:
    return [(name(page), block.text) for page in PAGES for block in blocks(page) if block.is_marked]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "text"), marked())
def test_commands_that_are_marked_run(page: str, text: str, desk: Path, tmp_path: Path) -> None:
    program = tmp_path / "seqcap"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seqcap "$@"\n')
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=desk,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
