from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from seqcap.recognition.bulk import table_of


def test_an_archive_is_recognised_and_failures_are_named(
    seqcap: Callable[..., Any],
    samples: list[Path],
    model_folder: Path,
    tmp_path: Path,
) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    for place in range(3):
        (calls / f"{place}.wav").write_bytes(samples[0].read_bytes()[: None if place else 100])
    command = ["bulk", calls, tmp_path / "out", "--model", model_folder, "--part-size", 2]
    first = seqcap(*command)
    assert first.status == 1
    lines = first.err.splitlines()
    assert lines[0].startswith("seqcap: 2 recognised, 1 failed of 3; ")
    assert lines[0].endswith(" times real time")
    assert lines[1] == f"seqcap: {tmp_path / 'out'}: the column 'error' tells why 1 failed"
    rows = table_of(str(tmp_path / "out")).to_pylist()
    assert [row["file"] for row in rows if row["error"]] == [str(calls / "0.wav")]
    (calls / "3.wav").write_bytes(samples[1].read_bytes())
    second = seqcap(*command)
    assert second.status == 1  # of all that the output holds
    done = "seqcap: 3 done before (1 failed), 1 to do\nseqcap: 1 recognised, 0 failed"
    assert second.err.startswith(done)
    third = seqcap(*command)
    told = f"seqcap: {tmp_path / 'out'}: the column 'error' tells why 1 failed\n"
    assert third.status == 1
    assert third.err == f"seqcap: 4 done before (1 failed), 0 to do\n{told}"


def test_mistakes_are_one_line(seqcap: Callable[..., Any], tmp_path: Path) -> None:
    absent = seqcap("bulk", tmp_path / "absent", tmp_path / "out")
    assert absent.status == 2
    assert absent.err == f"seqcap: {tmp_path}/absent: no such file or folder; check the path\n"
    assert not (tmp_path / "out").exists()
