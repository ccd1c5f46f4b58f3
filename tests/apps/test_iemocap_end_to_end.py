"""The whole of the paper by two commands, on look-alikes of IEMOCAP."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lookalikes import iemocap_utterances, write_iemocap

FOUR = ("neu", "ang", "hap", "sad")


def write_small_iemocap(root: Path) -> Path:
    """One improvised utterance of 0.3 s of each of the four emotions by each of the ten."""
    generator = np.random.default_rng(0)
    labels: dict[Path, list[str]] = {}
    seen = set()
    for dialog, utterance, code in iemocap_utterances():
        speaker = utterance[4] + utterance.rpartition("_")[2][0]
        if "impro" not in dialog or code not in FOUR or (speaker, code) in seen:
            continue
        seen.add((speaker, code))
        session = root / f"Session{dialog[4]}"
        sound = session / "sentences" / "wav" / dialog / f"{utterance}.wav"
        sound.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(sound, 0.1 * generator.standard_normal(4800), 16000)
        line = f"[6.2901 - 8.2357]\t{utterance}\t{code}\t[2.5000, 2.5000, 2.5000]\n"
        file = session / "dialog" / "EmoEvaluation" / f"{dialog}.txt"
        labels.setdefault(file, []).append(line)
    for file, lines in labels.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n" + "".join(lines))
    return root


# Systems that learnt nothing may score alike in all folds.
@pytest.mark.slow
def test_a_licensed_copy_becomes_table_v_by_two_commands_and_a_report(seqcap, tmp_path):
    copy = write_small_iemocap(tmp_path / "IEMOCAP_full_release")
    table, output = tmp_path / "iemocap.csv", tmp_path / "runs"

    read = seqcap("corpus", "read", "iemocap", copy, "--output", table)
    assert read.status == 0
    assert "40 utterances of 10 speakers (INCOMPLETE, see above)" in read.out

    command = ["experiment", "run", "table5", "--corpus", table, "--output", output,
               "--only", "CNN_GRU", "--only", "CNN_SeqCap", "--seeds", "0", "--set", "epochs=1",
               "--set", "threads=1", "--engine", "here"]  # fmt: skip
    run = seqcap(*command)
    assert run.status == 0
    assert run.out.endswith(f"{output}: 10 of 10 runs done\n")
    assert len(list(output.glob("runs/CNN_SeqCap-paper-iemocap-[1-5]-s0-*/scores.json"))) == 5

    models = {file: file.stat().st_mtime_ns for file in output.glob("runs/*/model/*")}
    assert seqcap(*command).status == 0
    assert models == {file: file.stat().st_mtime_ns for file in output.glob("runs/*/model/*")}

    assert seqcap("experiment", "report", output).status == 0
    text = (output / "report.md").read_text()
    for words in ("iemocap", "40 utterances of 10 speakers", "Eq. 11", "Eq. 12"):
        assert words in text
    for label, wa, ua in (("CNN_SeqCap", 69.86, 56.71), ("CNN_GRU + CNN_SeqCap", 72.64, 57.15)):
        (row,) = re.findall(rf"^\| {re.escape(label)} \| 5 of 5 \|.*$", text, re.MULTILINE)
        papers = [float(cell) for cell in row.strip("| ").split("|")[-2:]]
        assert papers == pytest.approx([wa, ua], abs=0.051)
    assert "<html" in (output / "report.html").read_text()


@pytest.mark.slow
def test_table_iii_is_counted_by_the_command_line(seqcap, tmp_path):
    copy = write_iemocap(tmp_path / "IEMOCAP_full_release")
    table, output = tmp_path / "iemocap.csv", tmp_path / "runs"

    read = seqcap("corpus", "read", "iemocap", copy, "--output", table)
    assert (read.status, read.err) == (0, "")
    assert read.out == f"{table}: 10,039 utterances of 10 speakers\n"

    run = seqcap("experiment", "run", "table3", "--corpus", table, "--output", output)
    assert run.status == 0
    assert seqcap("experiment", "report", output).status == 0
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (output / "report.md").read_text().splitlines()
        if line.startswith("|")
    ]
    for emotion, count in (
        ("neutral", "1099"), ("anger", "289"), ("happiness", "284"), ("sadness", "608"),
    ):  # fmt: skip
        (row,) = [row for row in rows if row[0] == emotion]
        assert row[1].replace(",", "") == count
