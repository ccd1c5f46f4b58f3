import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from imported_modules import imported_by
from typer.testing import CliRunner

from seqcap.apps.cli import app
from seqcap.corpora.folds import read_folds
from seqcap.corpora.table import read_table
from seqcap.errors import SeqcapError

EMODB_NAMES = [
    f"{speaker}{sentence}{letter}a"
    for speaker in ("03", "08", "09", "10", "11", "13")
    for sentence in ("a01", "b02")
    for letter in "WFTN"
]


def run(*arguments):
    """Runs the command as `seqcap corpus` does; errors of users are raised."""
    options = [str(argument) for argument in arguments]
    result = CliRunner().invoke(app, ["corpus", *options], env={"COLUMNS": "150"})
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(5)
    (tmp_path / "emodb" / "wav").mkdir(parents=True)
    for name in EMODB_NAMES:
        noise = generator.uniform(-0.5, 0.5, 4000)
        soundfile.write(tmp_path / "emodb" / "wav" / f"{name}.wav", noise, 16000)
    return tmp_path / "emodb"


@pytest.fixture
def table(folder, tmp_path):
    run("read", "emodb", folder, "--output", tmp_path / "emodb.csv")
    return tmp_path / "emodb.csv"


def test_list_names_corpora_and_label_sets():
    output = run("list").output
    assert "iemocap" in output
    assert "10,039" in output
    assert "happiness (= happiness + excitement)" in output


def test_the_list_needs_no_pandas():
    done, packages = imported_by("corpus", "list")
    assert done.returncode == 0
    assert packages.isdisjoint({"pandas", "torch", "pyarrow"})


def test_tables_fit_a_terminal_of_80_columns(table, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in (["list"], ["describe", table]):
        command = ["corpus", *map(str, arguments)]
        lines = CliRunner().invoke(app, command, env={"COLUMNS": "80"}).output.splitlines()
        shown = [line for line in lines if not line.startswith("0.")]  # the sentence on durations
        assert max(map(len, shown)) <= 80
        assert not any("..." in line or "…" in line for line in lines)


def test_read_writes_the_table_and_says_what_is_missing(folder, tmp_path):
    result = run("read", "emodb", folder, "-o", tmp_path / "new" / "emodb.parquet")
    assert result.exit_code == 0
    assert "emodb: 48 utterances found, 535 are official" in result.output
    assert "48 utterances of 6 speakers (INCOMPLETE, see above)" in result.output
    assert len(read_table(tmp_path / "new" / "emodb.parquet")) == 48


def test_a_correct_table_passes_the_check(table):
    result = run("check", table, "--folds", "paper")
    assert result.exit_code == 0
    assert "48 rows, 0 problems" in result.output
    assert "sentences of the test are in training too, in 3 of 3 folds, 100 to 100 %" in (
        result.output
    )


def test_planted_problems_are_named_with_their_rows_and_exit_status_1(table, folder):
    wav = folder / "wav"
    (wav / "03a01Fa.wav").rename(wav / "03a01Wz.wav")
    (wav / "03b02Fa.wav").write_bytes((wav / "03b02Fa.wav").read_bytes()[:1000])
    lines = table.read_text().splitlines()
    lines[5] = lines[5].replace("emodb-03", "EMODB-3 ")
    lines[9] = lines[9].replace("happiness", "hapiness")
    table.write_text("\n".join(lines) + "\n")
    result = run("check", table)
    assert result.exit_code == 1
    for line in (
        "row 2: missing file",
        "row 6: speaker spelled twice: 'EMODB-3 ' in row 6, 'emodb-03' in 7 others",
        "row 6: unusable audio",
    ):
        assert line in result.output
    assert "did you mean 'happiness'?" in result.output
    assert "48 rows, 4 problems" in result.output
    assert run("check", table, "--no-audio").exit_code == 1


def test_a_duplicate_of_a_training_recording_in_the_test_is_a_leak(table, folder):
    samples, rate = soundfile.read(folder / "wav" / "08a01Wa.wav", dtype="int16")
    soundfile.write(folder / "wav" / "03b02Na.wav", samples, rate)
    result = run("check", table, "--folds", "paper_swapped")
    assert result.exit_code == 1
    assert "same audio, other speaker" in result.output
    assert "leak: fold paper_swapped-1: 1 recordings are in two parts" in result.output
    assert run("check", table, "--folds", "paper", "--no-audio").exit_code == 0


def test_a_divided_table_is_checked_as_it_is_divided(table):
    rows = read_table(table)
    rows["split"] = np.where(rows["speaker"] == "emodb-03", "test", "train")
    rows.loc[rows["speaker"] == "emodb-08", "split"] = "dev"
    rows.to_csv(table, index=False)
    assert run("check", table).exit_code == 0
    rows.loc[0, "split"] = "train"
    rows.to_csv(table, index=False)
    result = run("check", table)
    assert result.exit_code == 1
    assert "leak: fold split: speakers in more than one of training, validation and test" in (
        result.output
    )
    result = run("check", table, "--allow-shared-speakers")
    assert result.exit_code == 0
    assert "note: split_shared_speakers: SHARED SPEAKERS emodb-03" in result.output


def test_many_problems_of_a_kind_are_counted_not_listed(table, folder):
    for path in (folder / "wav").iterdir():
        path.unlink()
    result = run("check", table)
    assert "... and 28 more of the kind 'missing file'" in result.output
    assert "48 problems" in result.output


def test_describe_counts_and_draws(table, tmp_path):
    result = run("describe", table, "--plot", tmp_path / "emodb.png", "--labels", "anger,sadness")
    assert "labels anger,sadness: anger, sadness" in result.output
    assert "mean 0.25 s, median 0.25 s" in result.output
    assert (tmp_path / "emodb.png").stat().st_size > 10_000
    assert "neutral" not in result.output


def test_folds_are_written_and_can_be_read_back(table, tmp_path):
    result = run("folds", table, "--scheme", "groups:3", "-o", tmp_path / "folds.json")
    assert "folds.json: 3 folds" in result.output
    folds = read_folds(tmp_path / "folds.json")
    assert [fold.name for fold in folds] == ["groups_3-1", "groups_3-2", "groups_3-3"]
    assert folds[0].test == ("emodb-03", "emodb-08")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["read", "emodbb", ".", "-o", "t.csv"], "emodbb: no reader of this name"),
        (["read", "tess", "/absent", "-o", "t.csv"], "/absent: no such folder"),
        (["check", "/absent.csv"], "/absent.csv: no such file; a corpus table"),
        (["describe", "TABLE", "--labels", "paper9"], "paper9: no label set of this name"),
        (["folds", "TABLE", "--scheme", "halves", "-o", "f.json"], "halves: no such scheme"),
        (["folds", "TABLE", "--scheme", "groups:9", "-o", "f.json"], "6 speakers; from 3 groups"),
    ],
)
def test_impossible_requests_are_one_line(table, arguments, message):
    with pytest.raises(SeqcapError, match=message) as error:
        run(*[str(table) if argument == "TABLE" else argument for argument in arguments])
    assert "\n" not in str(error.value)


def test_help_does_not_load_pandas():
    code = (
        "import sys, seqcap.apps.corpus; "
        "assert not {'pandas', 'numpy', 'torch', 'matplotlib'} & set(sys.modules)"
    )
    source = Path(__file__).parents[2] / "src"
    environment = os.environ | {"PYTHONPATH": str(source)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
