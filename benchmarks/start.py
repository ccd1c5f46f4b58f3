"""How long do help, version and one file take, from process start to exit?

    python benchmarks/start.py

Prints the median of interleaved runs and the peak memory, for comparison also of Python itself and
of the imports of onnxruntime and torch. Times are wall-clock and processor seconds; the latter are
more reliable on a busy machine.
"""

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from measuring import child_peak_mb, machine, medians

SAMPLE = Path(__file__).parent.parent / "samples" / "emodb" / "15b09Wb.wav"


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(max(2, torch.get_num_threads()))  # by the clock: children are waited for
    seqcap = shutil.which("seqcap") or str(Path(sys.executable).with_name("seqcap"))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        'python -c "import torch"': [sys.executable, "-c", "import torch"],
        "seqcap --help": [seqcap, "--help"],
        'python -c "import onnxruntime"': [sys.executable, "-c", "import onnxruntime"],
        f"seqcap predict {SAMPLE.name}": [seqcap, "predict", str(SAMPLE)],
        'Recognizer.from_pretrained(engine="onnx").recognize': library("onnx"),
        'Recognizer.from_pretrained(engine="torch").recognize': library("torch"),
    }
    cases = {
        name: partial(subprocess.run, command, capture_output=True)
        for name, command in commands.items()
    }
    works = {name: run().returncode == 0 for name, run in cases.items()}
    taken = medians(cases, 5)
    print(f"{Path(__file__).name}: {machine('onnxruntime', 'torch')}\n")
    print("| command | s | processor, s | peak, MB |\n|---|---:|---:|---:|")
    for name, seconds in taken.items():
        figures = (
            f"{seconds:.2f} | {child_processor_s(cases[name]):.2f} | "
            f"{child_peak_mb(commands[name]):.0f}"
            if works[name]
            else "failed | |"
        )
        print(f"| `{name}` | {figures} |")


def library(engine: str) -> list[str]:
    """A program that recognises the sample by one engine."""
    code = (
        "from seqcap import Recognizer; "
        f"Recognizer.from_pretrained(engine='{engine}').recognize({str(SAMPLE)!r})"
    )
    return [sys.executable, "-c", code]


def child_processor_s(run: Callable[[], object]) -> float:
    """Seconds that the processor worked for one run of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
