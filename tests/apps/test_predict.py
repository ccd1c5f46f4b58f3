import csv
import dataclasses
import io
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import soundfile

from seqcap import Recognizer
from seqcap.recognition.checkpoint import load_checkpoint, save_checkpoint

EMOTIONS = ["neutral", "anger", "happiness", "sadness"]
COLUMNS = ["file", "start", "end", *EMOTIONS, "predicted", "warnings"]


@pytest.fixture
def predict(seqcap, model_folder):
    return lambda *arguments: seqcap("predict", *arguments, "--model", model_folder)


@pytest.fixture(scope="module")
def answers(model_folder, samples):
    recognizer = Recognizer.from_pretrained(model_folder)
    return [recognizer.recognize(path) for path in samples]


@pytest.fixture
def folder(tmp_path, samples):
    """Two recordings, one of them deep and with a loud ending, and what is none."""
    shutil.copy(samples[0], tmp_path / "b.wav")
    (tmp_path / "calls" / "today").mkdir(parents=True)
    shutil.copy(samples[1], tmp_path / "calls" / "today" / "a.WAV")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "._b.wav").write_text("what macOS leaves behind")
    return tmp_path


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def assert_row_is(row, answer):
    assert list(row) == COLUMNS
    assert row["file"] == answer.file
    assert (float(row["start"]), float(row["end"])) == (answer.start, answer.end)
    for emotion, probability in answer.probabilities.items():
        assert float(row[emotion]) == pytest.approx(probability, abs=1.1e-5)
    assert row["predicted"] == answer.predicted
    codes = row["warnings"]
    codes = [code for code in codes.split("; ") if code] if isinstance(codes, str) else codes
    assert codes == answer.to_dict()["warnings"]


# What is written.


def test_warnings_of_an_answer_are_in_every_table(predict, samples, tmp_path):
    waveform, _ = soundfile.read(samples[0], dtype="float32")
    soundfile.write(tmp_path / "telephone.wav", waveform[: 8000 * 2 // 5], 8000)
    shutil.copy(samples[0], tmp_path / "whole.wav")
    codes = ["short", "narrow_band"]
    written = {}
    for ending in ("csv", "json", "jsonl", "parquet"):
        written[ending] = tmp_path / f"out.{ending}"
        run = predict(*sorted(tmp_path.glob("*.wav")), "--timeline", "--output", written[ending])
        assert run.status == 0
        assert "telephone.wav: 0.40 s are short" in run.err
    flat = [pd.read_csv(written["csv"]), pd.read_parquet(written["parquet"])]
    for table in flat:
        assert list(table)[-1] == "warnings"
        own = table.assign(name=table["file"].map(os.path.basename)).groupby("name")["warnings"]
        assert own.first().fillna("").to_dict() == {
            "telephone.wav": "; ".join(codes),
            "whole.wav": "",
        }
        assert not table.loc[table["piece"].notna(), "warnings"].fillna("").any()
    lines = written["jsonl"].read_text("utf-8").splitlines()
    for rows in (json.loads(written["json"].read_text("utf-8")), list(map(json.loads, lines))):
        assert [row["warnings"] for row in rows] == [codes, []]
        assert all(piece["warnings"] == [] for row in rows for piece in row["timeline"])
    metadata = pyarrow.parquet.read_schema(written["parquet"]).metadata
    assert metadata[b"seqcap_schema"] == b"2"


def test_csv_has_a_row_for_every_recording(predict, samples, answers):
    run = predict(*samples, "--format", "csv")
    assert run.status == 0
    for row, answer in zip(rows_of(run.out), answers, strict=True):
        assert_row_is(row, answer)
    assert run.err == "seqcap: 3 recognised, 0 failed\n"


def test_csv_of_a_timeline_has_a_row_for_the_whole_and_one_for_every_piece(
    predict, samples, answers
):
    rows = rows_of(predict(*samples, "--format", "csv", "--timeline").out)
    expected = [each for answer in answers for each in (answer, *answer.timeline)]
    assert len(expected) > 2 * len(answers)
    numbers = [row.pop("piece") for row in rows]
    for row, one in zip(rows, expected, strict=True):
        assert_row_is(row, one)
    assert numbers == [
        number
        for answer in answers
        for number in ("", *(str(place) for place in range(len(answer.timeline))))
    ]


def test_parquet_has_the_rows_of_csv(predict, samples, tmp_path):
    output = tmp_path / "emotions.parquet"
    assert predict(*samples, "--timeline", "--output", output).status == 0
    text = predict(*samples, "--timeline", "--format", "csv").out
    found, expected = pd.read_parquet(output), pd.read_csv(io.StringIO(text))
    assert found.pop("warnings").tolist() == [""] * len(expected)
    assert expected.pop("warnings").isna().all()
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_a_tables_own_columns_are_kept_beside_those_of_answers(predict, samples, tmp_path):
    table = tmp_path / "theirs.csv"
    table.write_text(f"file,predicted,anger,note\n{samples[0]},joy,.7,loud\n")
    run = predict(table, "--format", "csv")
    (row,) = rows_of(run.out)
    kept = {"given_predicted": "joy", "given_anger": ".7", "note": "loud"}
    assert {name: row[name] for name in kept} == kept
    assert list(row)[3:6] == list(kept)
    assert "kept: 'predicted' as 'given_predicted', 'anger' as 'given_anger'" in run.err
    (nested,) = json.loads(predict(table, "--format", "json").out)
    assert {name: nested[name] for name in kept} == kept


def test_json_is_the_same_table_with_timelines_nested(predict, samples, answers):
    rows = json.loads(predict(*samples, "--format", "json", "--timeline").out)
    for row, answer in zip(rows, answers, strict=True):
        timeline = row.pop("timeline")
        assert_row_is(row, answer)
        for piece, expected in zip(timeline, answer.timeline, strict=True):
            assert_row_is(piece, expected)


def test_json_lines_are_one_object_a_line(predict, samples, answers):
    lines = predict(*samples, "--format", "jsonl").out.splitlines()
    for line, answer in zip(lines, answers, strict=True):
        assert_row_is(json.loads(line), answer)


def test_pandas_reads_what_is_written(predict, samples, tmp_path):
    for ending in ("csv", "jsonl"):
        predict(*samples, "--output", tmp_path / f"emotions.{ending}")
    from_csv = pd.read_csv(tmp_path / "emotions.csv")
    from_lines = pd.read_json(tmp_path / "emotions.jsonl", lines=True)
    assert from_lines.pop("warnings").tolist() == [[], [], []]
    assert from_csv.pop("warnings").isna().all()
    pd.testing.assert_frame_equal(from_csv, from_lines, check_dtype=False)
    assert list(from_csv.columns) == COLUMNS[:-1]


def test_the_table_on_a_terminal_has_the_same_answers(predict, samples, answers):
    lines = predict(*samples).out.splitlines()
    assert lines[0].split() == ["file", "seconds", *EMOTIONS, "predicted", "confidence"]
    for line, answer in zip(lines[1:], answers, strict=True):
        file, seconds, *percentages, predicted, bar, confidence = line.split()
        assert file == answer.file
        assert seconds == f"{answer.start:.1f}-{answer.end:.1f}"
        assert percentages == [f"{p:.0%}" for p in answer.probabilities.values()]
        assert (predicted, confidence) == (answer.predicted, f"{answer.confidence:.0%}")
        assert bar.count("█") == round(10 * answer.confidence)


def test_the_table_of_a_timeline_has_lines_for_pieces(predict, samples, answers):
    lines = predict(*samples, "--timeline").out.splitlines()[1:]
    pieces = sum(len(a.timeline) for a in answers if len(a.timeline) > 1)
    assert len(lines) == len(answers) + pieces


def test_a_file_is_written_as_its_ending_says(predict, samples, tmp_path):
    for ending, start in (("csv", "file,"), ("json", "["), ("jsonl", "{"), ("txt", "file  ")):
        output = tmp_path / "new" / f"emotions.{ending}"
        run = predict(samples[0], "--output", output)
        assert (run.status, run.out) == (0, "")
        assert output.read_text("utf-8").startswith(start)
    predict(samples[0], "--output", output, "--format", "json")
    assert output.read_text("utf-8").startswith("[")
    assert len(list(output.parent.iterdir())) == 4


def test_an_answer_below_the_threshold_is_uncertain(predict, samples):
    rows = rows_of(predict(*samples, "--format", "csv", "--abstain-below", 1).out)
    assert {row["predicted"] for row in rows} == {"uncertain"}


# What comes in.


def test_a_folder_is_searched_to_its_depths(predict, folder):
    rows = rows_of(predict(folder, "--format", "csv").out)
    names = [str(folder / "b.wav"), str(folder / "calls" / "today" / "a.WAV")]
    assert [row["file"] for row in rows] == names


def test_a_pattern_that_the_shell_left_is_followed(predict, folder):
    for pattern in ("*.wav", "b.*", "c*", "**/*.WAV"):
        rows = rows_of(predict(folder / pattern, "--format", "csv").out)
        assert len(rows) == 1


def test_a_recording_named_twice_is_recognised_once(predict, folder):
    run = predict(folder, folder / "b.wav", folder / "*.wav", "--format", "csv")
    assert len(rows_of(run.out)) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights")
def test_links_in_a_circle_come_to_an_end(predict, folder):
    (folder / "calls" / "again").symlink_to(folder)
    assert len(rows_of(predict(folder, "--format", "csv").out)) == 2


def test_standard_input_is_read(predict, samples, answers, monkeypatch):
    for content in (samples[0].read_bytes(), b""):
        stdin = io.TextIOWrapper(io.BytesIO(content))
        monkeypatch.setattr(sys, "stdin", stdin)
        run = predict("-", "--format", "csv")
        if content:
            (row,) = rows_of(run.out)
            assert row["file"] == "<stdin>"
            assert row["predicted"] == answers[0].predicted
        else:
            assert run.status == 2
            assert run.err.startswith("seqcap: <stdin>: empty (0 bytes)")


def test_a_model_that_can_adapts_to_the_speaker_of_all_recordings(
    seqcap, model_folder, samples, tmp_path
):
    checkpoint = load_checkpoint(model_folder)
    adapting = checkpoint.normalisation.changed(speaker_mean_norm=1.0)
    checkpoint = dataclasses.replace(checkpoint, normalisation=adapting)
    save_checkpoint(checkpoint, tmp_path / "model")
    command = ("predict", *samples[:3], "--model", tmp_path / "model", "--format", "csv")
    run = seqcap(*command, "--adapt")
    assert (run.status, run.err) == (0, "seqcap: 3 recognised, 0 failed\n")
    known = Recognizer(checkpoint).adapt_to_speaker(samples[:3])
    expected = list(known.recognize_many(samples[:3]))
    for row, answer in zip(rows_of(run.out), expected, strict=True):
        assert_row_is(row, answer)
    assert rows_of(seqcap(*command).out) != rows_of(run.out)


def test_adapting_takes_the_adaptive_model(seqcap, samples):
    run = seqcap("predict", *samples[:2], "--adapt", "--format", "csv")
    adaptive = Recognizer.from_pretrained("adaptive")
    expected = list(adaptive.recognize_speaker(samples[:2], adapt=True))
    for row, answer in zip(rows_of(run.out), expected, strict=True):
        assert_row_is(row, answer)


def test_several_models_are_averaged_and_a_dash_is_the_included_one(seqcap, model_folder, samples):
    run = seqcap("predict", samples[0], "--model", "-", "--model", model_folder, "--format", "csv")
    assert run.status == 0, run.err
    each = [Recognizer.from_pretrained(folder) for folder in (None, model_folder)]
    answers = [recognizer.recognize(samples[0]).probabilities for recognizer in each]
    (row,) = rows_of(run.out)
    for emotion in answers[0]:
        mean = (answers[0][emotion] + answers[1][emotion]) / 2
        assert float(row[emotion]) == pytest.approx(mean, abs=1e-4)


def test_answers_about_one_speaker_have_their_prior_corrected(
    predict, model_folder, samples, tmp_path
):
    run = predict(*samples, "--balanced-prior", "--format", "csv")
    assert run.status == 0
    assert run.err == (
        "seqcap: --balanced-prior: 3 recordings tell little about a speaker; "
        "8 or more are expected\n"
        "seqcap: 3 recognised, 0 failed\n"
    )
    recognizer = Recognizer.from_pretrained(model_folder)
    expected = recognizer.recognize_speaker(samples, balanced_prior=True)
    for row, answer in zip(rows_of(run.out), expected, strict=True):
        assert_row_is(row, answer)
    assert rows_of(predict(*samples, "--format", "csv").out) != rows_of(run.out)
    for place, path in enumerate([*samples] * 3):
        shutil.copy(path, tmp_path / f"{place}.wav")
    many = predict(tmp_path, "--balanced-prior", "--timeline", "--format", "csv")
    assert (many.status, many.err) == (0, "seqcap: 9 recognised, 0 failed\n")


# What goes wrong.


def test_adaptation_by_a_model_that_does_not_adapt_is_refused(predict, samples, tmp_path):
    run = predict(samples[0], "--adapt", "--output", tmp_path / "emotions.csv")
    assert (run.status, run.out, list(tmp_path.iterdir())) == (2, "", [])
    assert predict(samples[0], "--adapt", "--format", "csv").out == ""
    assert run.err == (
        "seqcap: random was not trained to adapt to a speaker; "
        "--model adaptive does, and --set normalisation.speaker_mean_norm=1 trains one, "
        "or speaker_feature_norm with a speech encoder\n"
    )


def test_bad_recordings_are_named_skipped_and_counted(predict, folder, samples):
    short = folder / "short.wav"
    soundfile.write(short, np.zeros(100), 16000)
    run = predict(folder, folder / "missing.wav", "--format", "csv")
    assert run.status == 1
    assert len(rows_of(run.out)) == 2
    assert run.err.splitlines() == [
        f"seqcap: {short}: 0.00 s of audio; at least 0.04 s is needed",
        f"seqcap: {folder / 'missing.wav'}: no such file; check the path",
        "seqcap: 2 recognised, 2 failed; 1 file with other endings not read (1 .txt)",
    ]


def test_nothing_recognised_is_status_2_and_no_output(predict, folder):
    output = folder / "emotions.csv"
    run = predict(folder / "missing.wav", folder / "notes.txt", "--output", output)
    assert (run.status, run.out) == (2, "")
    assert len(run.err.splitlines()) == 3
    assert run.err.endswith("seqcap: 0 recognised, 2 failed\n")
    assert not output.exists()


def test_a_folder_without_recordings_is_refused(predict, tmp_path):
    run = predict(tmp_path)
    assert run.status == 2
    assert run.err.startswith(f"seqcap: {tmp_path}: no recordings in this folder, by the endings")


def test_a_pattern_without_a_match_is_refused(predict, tmp_path):
    run = predict(tmp_path / "*.wav")
    assert run.status == 2
    assert run.err == f"seqcap: {tmp_path / '*.wav'}: no file has such a name; check the pattern\n"


def test_a_warning_is_one_line(predict, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    run = predict(tmp_path / "silence.wav", "--format", "csv")
    assert run.status == 0
    assert run.err == (
        f"seqcap: {tmp_path / 'silence.wav'}: digital silence; speech is expected, its emotions"
        " would mean nothing\n"
    )


def test_an_ending_without_a_format_is_refused(predict, samples, tmp_path):
    run = predict(samples[0], "--output", tmp_path / "emotions.xls")
    assert run.status == 2
    assert run.err == (
        f"seqcap: {tmp_path / 'emotions.xls'}: the ending tells no format; .txt, .csv, .json,"
        " .jsonl, .parquet, .textgrid, .eaf, .vtt, .srt, .svg, .png, .html is expected, or give"
        " --format\n"
    )


def test_an_output_that_cannot_be_written_is_refused(predict, samples):
    run = predict(samples[0], "--output", samples[1] / "emotions.csv")
    assert run.status == 2
    assert run.err.startswith(f"seqcap: {samples[1] / 'emotions.csv'}: cannot be written (")


def test_an_input_is_never_replaced(predict, samples, tmp_path):
    recording = tmp_path / "a.wav"
    shutil.copy(samples[0], recording)
    content = recording.read_bytes()
    (tmp_path / "link.csv").symlink_to(recording)
    for output in (recording, tmp_path / "link.csv"):
        run = predict(recording, "--output", output, "--format", "csv")
        assert run.status == 2
        assert run.err.startswith(f"seqcap: {output}: is one of the inputs and would be replaced")
    assert recording.read_bytes() == content


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_full_disk_is_one_line_with_the_name(predict, samples):
    run = predict(samples[0], "--output", "/dev/full", "--format", "csv")
    assert run.status == 2
    assert run.err == "seqcap: /dev/full: cannot be written (No space left on device)\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such names")
def test_unusual_names_and_pipes_are_recognised(predict, samples, tmp_path):
    odd = os.fsencode(tmp_path) + b"/bad\xff.wav"
    shutil.copy(samples[0], odd)
    os.mkfifo(tmp_path / "pipe.wav")  # without a writer: it is passed over
    for output in ("--format", "csv"), ("--output", tmp_path / "out.json"):
        run = predict(tmp_path, *output)
        assert run.status == 0, run.err
    assert len(json.loads((tmp_path / "out.json").read_text("utf-8"))) == 1
    pipe = tmp_path / "named"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as writing:
        writing.submit(pipe.write_bytes, samples[0].read_bytes())
        (row,) = rows_of(predict(pipe, "--format", "csv").out)
    assert row["file"] == str(pipe)


def test_a_folder_as_output_is_refused(predict, samples, tmp_path):
    run = predict(samples[0], "--output", tmp_path, "--format", "csv")
    assert run.status == 2
    assert run.err == f"seqcap: {tmp_path}: is a folder; a file is expected for csv\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such file")
def test_a_device_is_written_to_and_not_replaced(predict, samples):
    assert predict(samples[0], "--output", "/dev/null", "--format", "csv").status == 0


def test_an_absent_device_is_refused(predict, samples):
    run = predict(samples[0], "--device", "abacus")
    assert run.status == 2
    assert run.err.startswith("seqcap: device 'abacus' cannot be used (")


def test_an_invalid_threshold_is_refused(predict, samples):
    assert predict(samples[0], "--abstain-below", 2).status == 2


def test_a_format_that_needs_a_file_is_refused_before_recognition(predict, samples, tmp_path):
    run = predict(*samples, "--format", "parquet", "--output", os.devnull)
    assert (run.status, run.err) == (
        2,
        f"seqcap: {os.devnull}: is a device; parquet needs a file\n",
    )
    (tmp_path / "a.csv").mkdir()
    run = predict(*samples, "--output", tmp_path / "a.csv")
    assert run.err == f"seqcap: {tmp_path / 'a.csv'}: is a folder; a file is expected for csv\n"


def test_a_folder_that_is_named_like_a_table_is_a_folder(predict, samples, tmp_path):
    folder = tmp_path / "calls.csv"
    folder.mkdir()
    shutil.copy(samples[0], folder)
    run = predict(folder, "--format", "csv")
    assert (run.status, len(rows_of(run.out))) == (0, 1)
