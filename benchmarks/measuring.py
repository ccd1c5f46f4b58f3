"""How the programs beside this file measure: interleaved repeats, medians, peaks in a child."""

import importlib.metadata
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch


def medians(cases: Mapping[str, Callable[[], object]], repeats: int = 7) -> dict[str, float]:
    """Seconds that each case takes, the median of repeats that take turns.

    The machine may be shared and its speed may drift: only ratios of one call's figures count.
    With one thread these are seconds of a core, which waiting for a busy core does not add to; with
    more they are seconds of the clock.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(-1, repeats):
        for name, run in cases.items():
            started = clock()
            run()
            if repeat >= 0:  # the first round warms up
                times[name].append(clock() - started)
    return {name: statistics.median(taken) for name, taken in times.items()}


PRODUCT_FLOP = 2 * 2048**3


def product() -> Callable[[], object]:
    """A matrix product of ``PRODUCT_FLOP``: what this machine can do at best."""
    a, b = torch.randn(2, 2048, 2048)
    return lambda: a @ b


def peak_mb() -> float:
    """The most memory that this process has held so far, in MB (Linux)."""
    status = Path("/proc/self/status").read_text()  # ru_maxrss would begin with the parent's
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def child_peak_mb(command: list[str]) -> float:
    """The most memory that a command held, looked at every 10 ms (Linux)."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        peak = max(peak, *(int(kb) for kb in re.findall(r"VmHWM:\s*(\d+)", status.read_text())), 0)
        time.sleep(0.01)
    return peak / 1024


def child(program: str, *arguments: str) -> str:
    """Runs a program of this folder in a process of its own and returns what it prints."""
    command = [sys.executable, program, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def machine(*packages: str) -> str:
    """One line on what the figures were measured on."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return (
        f"{platform.machine()}, {torch.get_num_threads()} threads, Python "
        f"{platform.python_version()}, {versions}"
    )
