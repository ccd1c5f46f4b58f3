"""Draws docs/predict.svg, the picture in the README: python docs/picture.py."""

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
COMMAND = ("predict", "samples", "--timeline")


def main() -> None:
    """Runs the command as on a terminal and keeps what it shows."""
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "104"}
    shown = subprocess.run(
        [sys.executable, "-m", "seqcap", *COMMAND],
        cwd=ROOT,
        env=os.environ | terminal,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    console = Console(record=True, width=104, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(Text(f"$ seqcap {' '.join(COMMAND)}", style="bold"))
    console.print(Text.from_ansi(shown))
    console.save_svg(str(ROOT / "docs" / "predict.svg"), title="seqcap")


if __name__ == "__main__":
    main()
