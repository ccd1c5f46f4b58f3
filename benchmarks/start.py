"""What does a process cost before it works: help, version, one file?

    python benchmarks/start.py

From process start to exit, the median of runs that take turns, beside Python itself and beside the
import of torch, which any answer needs.
"""

import shutil
import subprocess
import sys
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
        name: lambda command=command: subprocess.run(command, capture_output=True)
        for name, command in commands.items()
    }
    works = {name: run().returncode == 0 for name, run in cases.items()}
    taken = medians(cases, 5)
    print(f"{Path(__file__).name}: {machine('torch')}\n\n| command | s |\n|---|---:|")
    for name, seconds in taken.items():
        print(f"| `{name}` | {seconds:.2f} |" if works[name] else f"| `{name}` | failed |")


if __name__ == "__main__":
    main()
