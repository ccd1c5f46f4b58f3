"""The command line, run in this process: what it prints and its exit status."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from seqcap.apps.cli import main


@dataclass(frozen=True)
class Run:
    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def samples(samples: list[Path]) -> list[Path]:
    """Three are enough here; the second is longer than a piece."""
    return samples[1:4]


@pytest.fixture
def seqcap(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    """Runs `seqcap` with arguments, where nothing limits the width of a line."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["seqcap", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return Run(int(end.value.code or 0), printed.out, printed.err)

    return run
