import csv
import io
import math

import pytest

from seqcap import Answer, Failure, Recognizer
from seqcap.apps.turns import Turn, read_turns, turns_of, with_speakers
from seqcap.errors import SettingsError

RTTM = """\
SPEAKER call 1 0.0 1.0 <NA> <NA> A <NA> <NA>
SPEAKER call 1 1.0 0.5 <NA> <NA> B <NA> <NA>
"""
CSV = "start,end,speaker\n0,1,A\n1,1.5,B\n"
DURATIONS = "Onset;Duration;Label\n0;1;A\n1;0.5;B\n"


@pytest.mark.parametrize(
    ("name", "text", "file"),
    [("a.rttm", RTTM, "call"), ("a.csv", CSV, ""), ("b.csv", DURATIONS, "")],
)
def test_turns_are_read_as_diarisation_tools_write_them(tmp_path, name, text, file):
    (tmp_path / name).write_text(text)
    assert read_turns(tmp_path / name) == [Turn(file, 0, 1, "A"), Turn(file, 1, 1.5, "B")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SPEAKER call 1 zero 1 <NA> <NA> A\n", "line 1: 'SPEAKER call 1 zero"),
        ("start,end\n0,1\n", "columns start, end; start, end and speaker are expected"),
        ("start,end,speaker\n0,x,A\n", "row 2: start and end in seconds"),
        ("start,end,speaker\n", "no turns"),
    ],
)
def test_invalid_turns_are_refused_with_their_line(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_turns(tmp_path / "t.csv")


def test_turns_of_another_recording_and_without_a_file_are_refused():
    with pytest.raises(SettingsError, match="turns of 'b'; a recording of that name"):
        turns_of(["a.wav"], [Turn("b", 0, 1, "A")])
    with pytest.raises(SettingsError, match="turns without a file"):
        turns_of(["a.wav", "b.wav"], [Turn("", 0, 1, "A")])


def answer(start, end, anger):
    chances = {"anger": anger, "fear": 1 - anger}
    return Answer("call.wav", start, end, chances, "anger" if anger > 0.5 else "fear")


def test_a_speakers_answer_is_the_mean_of_the_turns_by_their_duration():
    silent = Answer("call.wav", 5, 9, {"anger": math.nan, "fear": math.nan}, "no speech")
    turns = [
        ({"speaker": "A", "turn": 0}, answer(0, 3, 0.9)),
        ({"speaker": "B", "turn": 1}, answer(3, 4, 0.2)),
        ({"speaker": "A", "turn": 2}, answer(4, 5, 0.1)),
        ({"speaker": "A", "turn": 3}, silent),
        ({"speaker": "A", "turn": 4}, Failure("call.wav", "damaged")),
    ]
    *before, of_a, of_b = with_speakers(turns, abstain_below=0)
    assert before == turns
    assert of_a[0] == {"speaker": "A", "turn": None}
    assert of_a[1].probabilities["anger"] == pytest.approx((3 * 0.9 + 0.1) / 4)
    assert (of_a[1].start, of_a[1].end, of_a[1].predicted) == (0, 9, "anger")
    assert of_b[1].probabilities == pytest.approx({"anger": 0.2, "fear": 0.8})


def test_turns_and_speakers_are_answered_on_the_command_line(
    seqcap, model_folder, samples, tmp_path
):
    table = tmp_path / "turns.csv"
    table.write_text("start,end,speaker\n0,1,A\n1,1.5,B\n")
    run = seqcap(
        "predict", samples[0], "--segments", table, "--format", "csv", "--model", model_folder
    )
    assert run.status == 0, run.err
    rows = list(csv.DictReader(io.StringIO(run.out)))
    assert [(row["speaker"], row["turn"]) for row in rows] == [
        ("A", "0"), ("B", "1"), ("A", ""), ("B", ""),
    ]  # fmt: skip
    expected = Recognizer.from_pretrained(model_folder).recognize(samples[0], end_s=1.0)
    for row in (rows[0], rows[2]):
        anger = expected.probabilities["anger"]
        assert float(row["anger"]) == pytest.approx(anger, abs=1e-5)
