"""What does a process cost before it works: help, version, one file?

    python benchmarks/start.py

From process start to exit, the median of runs that take turns, and the peak of memory, beside
Python itself and beside the import of torch, which any answer needs.
"""

import re
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch
from measuring import machine, medians

SAMPLE = Path(__file__).parent.parent / "samples" / "emodb" / "15b09Wb.wav"


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(max(2, torch.get_num_threads()))  # by the clock: children are waited for
    seqcap = shutil.which("seqcap") or str(Path(sys.executable).with_name("seqcap"))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        'python -c "import torch"': [sys.executable, "-c", "import torch"],
        "seqcap --help": [seqcap, "--help"],
        f"seqcap predict {SAMPLE.name}": [seqcap, "predict", str(SAMPLE)],
    }
    cases = {
        name: partial(subprocess.run, command, capture_output=True)
        for name, command in commands.items()
    }
    works = {name: run().returncode == 0 for name, run in cases.items()}
    taken = medians(cases, 5)
    print(f"{Path(__file__).name}: {machine('torch')}\n")
    print("| command | s | peak, MB |\n|---|---:|---:|")
    for name, seconds in taken.items():
        figures = (
            f"{seconds:.2f} | {child_peak_mb(commands[name]):.0f}" if works[name] else "failed |"
        )
        print(f"| `{name}` | {figures} |")


def child_peak_mb(command: list[str]) -> float:
    """The most memory that a command held, looked at every few milliseconds (Linux)."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        peak = max(peak, *(int(kb) for kb in re.findall(r"VmHWM:\s*(\d+)", status.read_text())), 0)
        time.sleep(0.002)
    return peak / 1024


if __name__ == "__main__":
    main()
