"""Long jobs: kept, resumed and refused."""

import shutil
import signal
import subprocess
import sys
import time

import pytest
from imported_modules import COMMAND

from seqcap.apps.items import Item
from seqcap.apps.journal import Journal, describe_job
from seqcap.audio.issues import AudioIssue, IssueKind
from seqcap.errors import SettingsError
from seqcap.recognition.answers import Answer, Failure
from seqcap.recognition.recordings import Segment

PIECE = Answer("a.wav", 0.0, 2.0, {"anger": 0.1, "fear": 0.9}, "fear")
ISSUE = AudioIssue(IssueKind.CLIPPED, "a.wav: clipped")
RESULTS = [
    Answer("a.wav", 0.0, 3.0, {"anger": 1 / 3, "fear": 2 / 3}, "fear", (PIECE,), (ISSUE,)),
    Failure("b\udcff.wav", "damaged"),
    PIECE,
]


def test_results_come_back_as_they_were_even_after_an_end_within_a_line(tmp_path):
    journal = Journal(tmp_path / "out.csv", {"job": 1})
    journal.append(RESULTS[:2])
    journal.append(RESULTS[2:])
    journal.close(keep=True)
    with journal.path.open("a") as file:
        file.write('[{"answer": {"fi')
    again = Journal(tmp_path / "out.csv", {"job": 1})
    assert again.done == 3
    found = list(again.results())
    assert found == RESULTS
    assert found[0].warnings == (ISSUE,)
    again.append([PIECE])
    assert list(again.results()) == [*RESULTS, PIECE]
    again.close(keep=False)
    assert list(tmp_path.iterdir()) == []


def test_another_job_and_a_second_process_are_refused(tmp_path):
    journal = Journal(tmp_path / "out.csv", {"job": 1})
    if sys.platform != "win32":
        with pytest.raises(SettingsError, match="another 'seqcap predict' is writing it"):
            Journal(tmp_path / "out.csv", {"job": 1})
    journal.append([PIECE])
    journal.close(keep=True)
    with pytest.raises(SettingsError, match="rows of another job"):
        Journal(tmp_path / "out.csv", {"job": 2})


def test_a_job_is_its_inputs_models_and_options(tmp_path, model_folder, samples):
    shutil.copy(samples[0], tmp_path / "a.wav")
    item = Item(Segment(str(tmp_path / "a.wav")))
    job = describe_job([item], [model_folder], {"timeline": False})
    assert job == describe_job([item], [model_folder], {"timeline": False})
    other = Item(Segment(str(tmp_path / "a.wav"), end_s=1.0))
    assert job != describe_job([other], [model_folder], {"timeline": False})
    assert job != describe_job([item], [model_folder], {"timeline": True})
    assert job != describe_job([item], [model_folder] * 2, {"timeline": False})
    shutil.copy(samples[1], tmp_path / "a.wav")
    assert job != describe_job([item], [model_folder], {"timeline": False})


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_a_job_that_is_stopped_is_resumed_to_the_same_bytes(
    seqcap, model_folder, samples, tmp_path, sent, status
):
    folder = tmp_path / "calls"
    folder.mkdir()
    for place in range(130):
        shutil.copy(samples[0], folder / f"{place:03}.wav")
    (folder / "100b.wav").write_text("no sound")
    output = tmp_path / "out.csv"
    arguments = ["predict", folder, "--timeline", "--output", output, "--model", model_folder]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [str(part) for part in (*COMMAND, *arguments)], stderr=subprocess.PIPE, text=True
    ) as process:
        partial = tmp_path / "out.csv.partial"
        while process.poll() is None:
            if partial.exists() and partial.read_bytes().count(b"\n") > 1:
                process.send_signal(sent)
                break
            time.sleep(0.01)
        _, errors = process.communicate(timeout=600)
    assert process.returncode == status, errors
    assert not output.exists()
    if sent != signal.SIGKILL:
        assert "run the same command to resume" in errors
    resumed = seqcap(*arguments)
    assert resumed.status == 1
    assert "seqcap: resumed after " in resumed.err
    assert resumed.err.endswith("seqcap: 130 recognised, 1 failed\n")
    assert not partial.exists()
    whole = tmp_path / "whole.csv"
    assert seqcap(*arguments[:3], "--output", whole, "--model", model_folder).status == 1
    assert output.read_bytes() == whole.read_bytes()
