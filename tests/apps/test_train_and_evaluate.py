import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from imported_modules import COMMAND
from safetensors.torch import load_file

from seqcap.scoring.balanced_prior import balance_prior
from seqcap.training.known_recordings import write_fingerprints
from seqcap.training.run_locks import lock_run
from seqcap.training.sampler import SegmentBatchSampler


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people who are angry at 300 Hz, sad at 2 kHz and bored at 1 kHz."""
    folder = tmp_path_factory.mktemp("tones")
    generator = np.random.default_rng(0)
    rows = []
    for speaker in "abcd":
        for emotion, pitch_hz in (("anger", 300), ("sadness", 2000), ("boredom", 1000)):
            for take in range(2):
                time_s = np.arange(generator.integers(4000, 8000)) / 16000
                file = folder / f"{speaker}{emotion}{take}.wav"
                tone = 0.3 * np.sin(2 * np.pi * pitch_hz * time_s)
                noise = 0.01 * generator.standard_normal(len(tone))
                soundfile.write(file, tone + noise, 16000)
                rows.append({"file": file.name, "speaker": speaker, "emotion": emotion})
    path = folder / "tones.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.mark.slow
def test_all_folds_at_once_give_a_model_each_and_pooled_scores(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path
) -> None:
    command = [
        "train", str(table), "--labels", "anger,sadness", "--folds", "paper", "--fold", "all",
        "--output", str(tmp_path / "run"), "--set", "epochs=2", "--set", "batch_size=4",
        "--device", "cpu", "--name", "tones-1",
    ]  # fmt: skip
    result = seqcap(*command)
    assert result.status == 0, result.err
    assert "Steps of training: only 4, since the corpus is small" in result.err
    assert "--set epochs=200, into another folder, gives 400" in result.err
    assert "anger, sadness: 16 of 24 rows\n" in result.err
    assert result.err.count("epoch 2 of 2: loss ") == 2
    assert re.search(r"^mean ± deviation +\d\.\d+ ± \d\.\d+ +\d\.\d+ ± ", result.out, re.MULTILINE)
    folds = sorted(path.parent.name for path in (tmp_path / "run").glob("*/model"))
    assert folds == ["paper-1", "paper-2"]
    pooled = pd.read_csv(tmp_path / "run" / "test.csv")
    assert sorted(pooled["speaker"].unique()) == ["b", "d"]
    card = (tmp_path / "run" / folds[0] / "model" / "CARD.md").read_text()
    assert card.startswith("# tones-1\n")
    for text in (
        "| train |", "--folds paper", "No speaker is in two parts.", "ECE", "chose the temperature",
    ):  # fmt: skip
        assert text in card
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["test"]["all"]["utterances"] == 8
    assert scores["test"]["all"]["ua_interval"] is not None

    model = tmp_path / "run" / folds[0] / "model"
    evaluated = seqcap(
        "evaluate", model, table, "--output", tmp_path / "p.csv", "--figure", tmp_path / "p.svg"
    )
    assert evaluated.status == 0, evaluated.err
    assert "8 of 24 rows are left out: they have labels other than anger, sadness" in evaluated.err
    assert "the model was trained or validated on 3 of these 4 speakers" in evaluated.err
    assert re.search(r"^given, seen in training +all +12 +3 ", evaluated.out, re.MULTILINE)
    assert re.search(r"^given +all +4 +1 ", evaluated.out, re.MULTILINE)
    assert "by speaker" in evaluated.out
    assert len(pd.read_csv(tmp_path / "p.csv")) == 16
    drawn = (tmp_path / "p.svg").read_text()
    assert "predicted" in drawn

    one = seqcap(*command, "--fold", "0")
    assert one.status == 2
    assert "it may be the folder of several folds; give another folder" in one.err
    all_in_one = seqcap(*command, "--output", tmp_path / "run" / folds[0])
    assert all_in_one.status == 2
    assert "holds the run of one fold; give another folder" in all_in_one.err


@pytest.mark.slow
def test_a_training_begins_with_the_weights_of_another_model(
    seqcap: Callable[..., Any], table: Path, model_folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "fine"
    command = [
        "train", table, "--labels", "all", "--output", output, "--init-from", model_folder,
        "--set", "epochs=1", "--set", "learning_rate=1e-9", "--set", "ema_decay=0",
        "--set", "threads=1", "--device", "cpu",
    ]  # fmt: skip
    result = seqcap(*command)
    assert result.status == 0, result.err
    assert "The training began with the weights of `" in (output / "model" / "CARD.md").read_text(
        "utf-8"
    )
    began, ended = (
        load_file(folder / "model.safetensors") for folder in (model_folder, output / "model")
    )
    name = "branches.0.primary.convolutions.weight"
    torch.testing.assert_close(began[name], ended[name], atol=1e-6, rtol=0)
    again = seqcap(*command)
    assert again.status == 0
    assert f"{output}: finished earlier; nothing was trained again" in again.err
    longer = seqcap(*command, "--set", "epochs=2")
    assert "holds a run with other settings (epochs)" in longer.err
    other = ("--init-from", output / "model", "--output", tmp_path / "other")
    learnt = seqcap(*command, *other, "--folds", "loso", "--fold", "1")
    assert learnt.status == 2
    assert "initial model unnamed was trained on speakers of validation or test: " in learnt.err


@pytest.mark.slow
def test_speakers_whom_a_model_adapts_to_are_known_or_not(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path
) -> None:
    trained = seqcap(
        "train", table, "--folds", "paper", "--labels", "anger,sadness", "--output", tmp_path / "r",
        "--set", "normalisation.speaker_mean_norm=1", "--set", "epochs=1", "--device", "cpu",
    )  # fmt: skip
    assert trained.status == 0, trained.err
    model = tmp_path / "r" / "model"
    assert "The model adapts to speakers" in (model / "CARD.md").read_text("utf-8")
    line = "The model adapts to each speaker, by all rows of the speaker, without labels; to "
    answers = []
    for options in ([], ["--unknown-speakers"]):
        output = tmp_path / f"{len(options)}.csv"
        run = seqcap("evaluate", model, table, *options, "--output", output)
        assert run.status == 0, run.err
        assert (line in run.err) == (not options)
        answers.append(pd.read_csv(output))
    assert (answers[0]["file"] == answers[1]["file"]).all()
    assert (answers[0]["anger"] - answers[1]["anger"]).abs().max() > 1e-4
    for name, given in (
        ("test", answers[0]),
        ("test-unknown-speakers", answers[1]),
    ):  # as the run did
        tested = pd.read_csv(tmp_path / "r" / f"{name}.csv")
        again = given[given["speaker"].isin(tested["speaker"])]
        np.testing.assert_allclose(again["anger"], tested["anger"], atol=1e-5)
        assert re.search(rf"^{name} +all +{len(tested)} ", trained.out, re.MULTILINE)


def test_the_prior_of_each_speaker_is_corrected_on_request(
    seqcap: Callable[..., Any], table: Path, model_folder: Path, tmp_path: Path
) -> None:
    tables = []
    for options in ([], ["--balanced-prior"]):
        output = tmp_path / f"{len(options)}.csv"
        run = seqcap("evaluate", model_folder, table, *options, "--output", output)
        assert run.status == 0, run.err
        assert bool(re.search(r"^given, balanced prior +all +16 ", run.out, re.M)) == bool(options)
        tables.append(pd.read_csv(output))
    emotions = ["anger", "sadness"]
    expected = balance_prior(tables[0], emotions)
    np.testing.assert_allclose(tables[1][emotions], expected[emotions], atol=1e-6)
    assert (tables[1]["predicted"] == expected["predicted"]).all()
    assert (tables[0]["anger"] - tables[1]["anger"]).abs().max() > 1e-3


@pytest.mark.slow
def test_a_model_is_scored_with_the_labels_that_it_was_trained_with(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path
) -> None:
    trained = seqcap(
        "train", table, "--labels", "anger,sadness+boredom", "--output", tmp_path / "r",
        "--system", "CNN", "--set", "epochs=1", "--device", "cpu",
    )  # fmt: skip
    assert trained.status == 0, trained.err
    result = seqcap("evaluate", tmp_path / "r" / "model", table, "--json")
    assert result.status == 0, result.err
    given = json.loads(result.out)["given"]["all"]
    assert (given["utterances"], sum(given["confusion"][1])) == (6, 4)  # of the one tested


@pytest.mark.slow
def test_a_speaker_without_a_name_is_unknown_and_in_no_interval(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path
) -> None:
    trained = seqcap(
        "train", table, "--labels", "anger,sadness", "--output", tmp_path / "r", "--system", "CNN",
        "--set", "epochs=1", "--set", "normalisation.speaker_mean_norm=1", "--device", "cpu",
    )  # fmt: skip
    assert trained.status == 0, trained.err
    unnamed = table.with_name("unnamed.csv")
    pd.read_csv(table).drop(columns="speaker").to_csv(unnamed, index=False)
    answers = []
    for name, given, options in (("a", unnamed, []), ("b", table, ["--unknown-speakers"])):
        output = tmp_path / f"{name}.csv"
        run = seqcap("evaluate", tmp_path / "r" / "model", given, *options, "--output", output)
        assert run.status == 0, run.err
        answers.append((run, pd.read_csv(output)["anger"]))
    assert "16 of 16 rows have no speaker" in answers[0][0].err
    assert re.search(r"^given +all +16 +– ", answers[0][0].out, re.MULTILINE)
    assert "seen in training" not in answers[0][0].out
    np.testing.assert_allclose(answers[0][1], answers[1][1])


def test_all_folds_are_checked_before_the_first_is_trained(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path
) -> None:
    rows = pd.read_csv(table)
    only_one = table.with_name("late.csv")
    rows[(rows["emotion"] != "sadness") | (rows["speaker"] == "d")].to_csv(only_one, index=False)
    result = seqcap("train", only_one, "--labels", "all", "--folds", "loso", "--fold", "all",
                    "--output", tmp_path / "r", "--set", "epochs=1")  # fmt: skip
    assert result.status == 2
    assert "no row of the training part is labelled sadness" in result.err
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--device", "nonsense"], "device 'nonsense' with precision '32-true' cannot be used"),
        (["--precision", "fp8"], "precision 'fp8' cannot be used"),
    ],
)
def test_impossible_settings_are_one_line_and_leave_nothing_behind(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    command = [
        "train", table, "--labels", "anger,sadness", "--output", tmp_path / "r", "--system", "CNN",
        "--set", "epochs=1",
    ]  # fmt: skip
    result = seqcap(*command, *options)
    assert result.status == 2
    assert said in result.err.splitlines()[-1]
    assert result.err.splitlines()[-1].startswith("seqcap: ")
    assert seqcap(*command, "--device", "cpu").status == 0


def test_a_folder_that_is_a_file_is_one_line(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path
) -> None:
    result = seqcap("train", table, "--labels", "anger,sadness", "--output", table)
    assert result.status == 2
    assert result.err.splitlines()[-1].startswith(f"seqcap: {table}")


def test_two_trainings_do_not_share_a_folder(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path
) -> None:
    with lock_run(tmp_path / "r", "train"):
        result = seqcap("train", table, "--labels", "anger,sadness", "--output", tmp_path / "r")
    assert result.status == 2
    assert "another training is at work here" in result.err


def test_an_interrupted_training_says_how_to_go_on(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_epoch = SegmentBatchSampler.set_epoch

    def interrupt(self: SegmentBatchSampler, epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt
        set_epoch(self, epoch)

    monkeypatch.setattr(SegmentBatchSampler, "set_epoch", interrupt)
    result = seqcap(
        "train", table, "--labels", "anger,sadness", "--output", tmp_path / "r", "--system", "CNN",
        "--set", "epochs=3", "--device", "cpu",
    )  # fmt: skip
    assert result.status == 130
    assert "epoch 1 of 3: loss " in result.err
    assert result.err.endswith(
        "seqcap: interrupted; run the same command to resume after the last completed epoch\n"
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_sigterm_ends_a_training_with_143_and_says_how_to_resume(
    table: Path, tmp_path: Path
) -> None:
    command = [
        *COMMAND, "train", table, "--labels", "anger,sadness", "--output", tmp_path / "r",
        "--system", "CNN", "--set", "epochs=5000", "--device", "cpu",
    ]  # fmt: skip
    with subprocess.Popen(
        [str(part) for part in command], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("epoch 1 of 5000"):
                process.send_signal(signal.SIGTERM)
        process.wait(timeout=600)
    assert process.returncode == 143
    assert any(line.startswith("training: 5000 epochs, ") for line in lines)
    assert lines[-1] == (
        "seqcap: interrupted; run the same command to resume after the last completed epoch\n"
    )
    assert not (tmp_path / "r" / "model").exists()


def test_a_training_that_diverges_leaves_no_model(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path
) -> None:
    result = seqcap(
        "train", table, "--labels", "anger,sadness", "--output", tmp_path / "r", "--system", "CNN",
        "--set", "epochs=20", "--set", "learning_rate=1e9", "--device", "cpu",
    )  # fmt: skip
    assert result.status == 2
    assert "the training has diverged; give a lower learning_rate" in result.err
    assert not (tmp_path / "r" / "model").exists()


def test_a_recording_in_two_rows_is_refused(
    seqcap: Callable[..., Any], table: Path, tmp_path: Path
) -> None:
    twice = table.with_name("twice.csv")
    rows = pd.read_csv(table)
    pd.concat([rows, rows[:1]]).to_csv(twice, index=False)
    result = seqcap("train", twice, "--labels", "anger,sadness", "--output", tmp_path / "r")
    assert result.status == 2
    assert "in more than one row with the same start and end" in result.err


def test_a_figure_that_cannot_be_written_is_refused_before_anything_is_read(
    seqcap: Callable[..., Any], table: Path, model_folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "p.csv"
    result = seqcap("evaluate", model_folder, table, "--output", output, "--figure", "c.bmp")
    assert result.status == 2
    assert result.err == "seqcap: c.bmp: ends in '.bmp'; .svg, .png, .pdf is expected\n"
    assert not output.exists()


def test_a_model_is_scored_on_the_emotions_that_another_corpus_shares(
    seqcap: Callable[..., Any], table: Path, model_folder: Path
) -> None:
    result = seqcap("evaluate", model_folder, table, "--json")
    assert result.status == 0, result.err
    assert "The table has no neutral, happiness, which the model knows" in result.err
    assert set(json.loads(result.out)["given"]["all"]["recall"]) == {"anger", "sadness"}


def test_a_corpus_without_an_emotion_that_the_model_knows_is_refused(
    seqcap: Callable[..., Any], table: Path, model_folder: Path, tmp_path: Path
) -> None:
    other = pd.read_csv(table).query("emotion == 'boredom'")
    other.to_csv(table.parent / "bored.csv", index=False)
    result = seqcap("evaluate", str(model_folder), str(table.parent / "bored.csv"))
    assert result.status == 2
    assert "of these the table has none; at least two are needed" in result.err


@pytest.mark.parametrize(
    ("query", "options", "text"),
    [
        ("speaker == 'a'", [], "one speaker; at least three are expected"),
        ("emotion == 'anger'", ["--labels", "all"], "all: anger came; at least two emotions"),
        ("speaker in ['a', 'b']", [], "2 speakers (a, b) are too few"),
    ],
)
def test_a_corpus_that_would_leak_is_refused_in_one_line(
    seqcap: Callable[..., Any],
    table: Path,
    tmp_path: Path,
    query: str,
    options: list[str],
    text: str,
) -> None:
    part = table.parent / "part.csv"
    pd.read_csv(table).query(query).to_csv(part, index=False)
    labels = options or ["--labels", "anger,sadness"]
    result = seqcap("train", str(part), *labels, "--output", str(tmp_path / "run"))
    assert result.status == 2, result.err
    assert text in result.err
    assert not (tmp_path / "run").exists()


def test_training_recordings_under_other_names_are_scored_apart(
    seqcap: Callable[..., Any], model_folder: Path, samples: list[Path], tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(model_folder, model)
    rows = pd.DataFrame({"file": list(map(str, samples)), "speaker": ["x", "X", "y"]})
    rows["emotion"] = ["neutral", "sadness", "anger"]
    write_fingerprints(rows[:1].assign(start=0.0, end=np.nan), "", model)
    rows.to_csv(tmp_path / "mine.csv", index=False)
    evaluated = seqcap("evaluate", model, tmp_path / "mine.csv")
    assert evaluated.status == 0, evaluated.err
    assert "The model was trained on 1 of these 3 recordings, as their sound" in evaluated.err
    assert re.search(r"^given, seen in training +all +2 +1 ", evaluated.out, re.MULTILINE)
    assert re.search(r"^given +all +1 +1 ", evaluated.out, re.MULTILINE)
