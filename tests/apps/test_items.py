import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqcap import Recognizer


@pytest.fixture
def predict(seqcap, model_folder):
    return lambda *arguments: seqcap("predict", *arguments, "--model", model_folder)


@pytest.fixture
def recognizer(model_folder):
    return Recognizer.from_pretrained(model_folder)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_rows_of_a_table_are_recognised_with_their_segments_and_columns(
    predict, recognizer, samples, tmp_path
):
    table = tmp_path / "mine.csv"
    rows = [(samples[0], 0.5, 1.5, "anna", "x"), (samples[0], "", "", "bob", "y")]
    pd.DataFrame(rows, columns=["path", "start", "end", "speaker", "note"]).to_csv(
        table, index=False
    )
    run = predict(table, "--format", "csv")
    assert run.status == 0, run.err
    found = rows_of(run.out)
    assert [(row["speaker"], row["note"]) for row in found] == [("anna", "x"), ("bob", "y")]
    assert list(found[0])[:5] == ["file", "start", "end", "speaker", "note"]
    answers = [
        recognizer.recognize(samples[0], start_s=0.5, end_s=1.5),
        recognizer.recognize(samples[0]),
    ]
    for row, answer in zip(found, answers, strict=True):
        assert (float(row["start"]), float(row["end"])) == (answer.start, answer.end)
        assert float(row["anger"]) == pytest.approx(answer.probabilities["anger"], abs=1e-5)
    written = tmp_path / "again.json"
    assert predict(table, "--output", written).status == 0
    assert [row["note"] for row in json.loads(written.read_text())] == ["x", "y"]


def test_answers_can_be_recognised_again(predict, samples, tmp_path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    assert predict(*samples, "--output", first).status == 0
    run = predict(first, "--output", second)
    assert run.status == 0
    assert "answers of these emotions already; they are replaced" in run.err
    before, after = pd.read_csv(first), pd.read_csv(second)
    assert list(before) == list(after)
    # Ends are written in milliseconds, so that the last samples may be others.
    np.testing.assert_allclose(before["anger"], after["anger"], atol=0.02)
    assert (before["predicted"] == after["predicted"]).all()


def test_a_table_without_files_is_refused_in_one_line(predict, tmp_path):
    (tmp_path / "t.csv").write_text("who,age\nanna,7\n")
    run = predict(tmp_path / "t.csv")
    assert run.status == 2
    assert "one named 'file' or" in run.err
    assert len(run.err.splitlines()) == 1


def test_each_channel_has_an_answer_of_its_own(predict, recognizer, samples, tmp_path):
    sounds = [soundfile.read(path)[0][:30000] for path in samples[:2]]
    stereo = tmp_path / "call.wav"
    soundfile.write(stereo, np.stack(sounds, axis=1), 16000)
    rows = rows_of(predict(stereo, "--channel", "each", "--format", "csv").out)
    assert [row["channel"] for row in rows] == ["1", "2"]
    for number, row in enumerate(rows, 1):
        expected = recognizer.recognize(stereo, channel=number).probabilities
        assert float(row["sadness"]) == pytest.approx(expected["sadness"], abs=1e-5)
    assert rows[0]["sadness"] != rows[1]["sadness"]
    (right,) = rows_of(predict(stereo, "--channel", "right", "--format", "csv").out)
    assert right["sadness"] == rows[1]["sadness"]
    run = predict(stereo, "--channel", "3")
    assert run.status == 2
    assert "channel 3 was requested; it has 2" in run.err
