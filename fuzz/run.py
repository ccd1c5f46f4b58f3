"""Damages files of every kind and reads them: `python fuzz/run.py`, or `make fuzz`.

Prints a table: how many were read or refused, how many of the sounds got past their header, and
what must never happen: tracebacks, crashes, more than 10 s of computing or 600 s of waiting, more
than 700 MB above the start.
Exit status 1 if any did; the files are kept in the folder that is named.
"""

import argparse
import collections
import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from mutations import mutate
from seeds import (
    MODEL_FILES,
    hostile_settings,
    lay_out_model,
    model_seeds,
    sound_seeds,
    table_seeds,
)

LONGEST_S = 10.0  # of the processor, so that a busy machine finds no faults
LONGEST_WAIT_S = 600.0
_MOST_BYTES = 700 * 2**20
_START_S = 60.0  # a worker's first answer waits for imports
_FAULTS = ("traceback", "crash", "hang", "memory")


class Worker:
    """A process that reads files, started again whenever it ends."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._first_peak = 0

    def ask(self, kind: str, path: Path) -> tuple[str, str, float]:
        """Has one file read; gives outcome, detail and seconds."""
        is_new = self._process is None
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("worker.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018
        before_s = _computed_s(process.pid)
        process.stdin.write(json.dumps([kind, str(path)]) + "\n")
        process.stdin.flush()
        ready, seconds = _wait(process, before_s, _START_S if is_new else LONGEST_S)
        if not ready:
            self.stop()
            return "hang", f"after {seconds:.1f} s of computing", seconds
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self.stop()
            return "crash", f"exit status {code}", seconds
        outcome, detail, peak = json.loads(line)
        if is_new:
            self._first_peak = peak
        elif peak - self._first_peak > _MOST_BYTES:
            self.stop()
            return "memory", f"{(peak - self._first_peak) / 2**20:.0f} MB more", seconds
        return outcome, detail, seconds

    def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _wait(process: "subprocess.Popen[str]", before_s: float, most_s: float) -> tuple[bool, float]:
    """Waits for an answer; gives whether it came, and the seconds of computing."""
    assert process.stdout is not None
    until = time.monotonic() + LONGEST_WAIT_S
    while True:
        ready, _, _ = select.select([process.stdout], [], [], 0.5)
        spent_s = _computed_s(process.pid) - before_s
        if ready or spent_s > most_s or time.monotonic() > until:
            return bool(ready), spent_s


def _computed_s(process_id: int) -> float:
    """How long a process has used the processor; 0 if it is gone."""
    try:
        times = psutil.Process(process_id).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def sound_cases(count: int, folder: Path, first: int) -> Iterator[tuple[str, str, Path]]:
    """Gives kind, name and file of damaged sounds, formats in turn."""
    seeds = list(sound_seeds())
    for number in range(first, first + count):
        name, content = seeds[number % len(seeds)]
        path = folder / f"sound-{number}"
        path.write_bytes(mutate(content, number))
        yield "sound", name, path


def table_cases(count: int, folder: Path, first: int) -> Iterator[tuple[str, str, Path]]:
    """Gives damaged tables."""
    seeds = list(table_seeds(folder))
    for number in range(first, first + count):
        name, content = seeds[number % len(seeds)]
        path = folder / f"table-{number}{'.parquet' if name == 'parquet' else '.csv'}"
        path.write_bytes(mutate(content, number))
        yield "table", name, path


def model_cases(count: int, folder: Path, first: int) -> Iterator[tuple[str, str, Path]]:
    """Gives models of which a file is damaged, or needs too much."""
    seeds = list(model_seeds())
    for number in range(first, first + count):
        engine, name, content = seeds[number % len(seeds)]
        path = lay_out_model(folder / "model", engine, name, mutate(content, number))
        yield "model", f"{engine} {name}", path
    for content in hostile_settings() if count else ():
        for engine in MODEL_FILES:
            path = lay_out_model(folder / "model", engine, "model.json", content)
            yield "model", f"{engine} hostile", path


def main() -> None:
    """Runs all cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sounds", type=int, default=10_000, help="damaged sound files")
    parser.add_argument("--tables", type=int, default=1_000, help="damaged corpus tables")
    parser.add_argument("--models", type=int, default=300, help="damaged models")
    parser.add_argument("--first", type=int, default=0, help="another number: other damage")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="for faulty files")
    options = parser.parse_args()
    outcomes: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    slowest, worker, faults = 0.0, Worker(), 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for kind, cases in (
            ("sound", sound_cases(options.sounds, folder, options.first)),
            ("table", table_cases(options.tables, folder, options.first)),
            ("model", model_cases(options.models, folder, options.first)),
        ):
            worker.stop()
            for _, name, path in cases:
                outcome, detail, seconds = worker.ask(kind, path)
                outcomes[f"{kind} {name}"][outcome] += 1
                slowest = max(slowest, seconds)
                if outcome in _FAULTS:
                    faults += 1
                    keep(path, options.keep / f"{kind}-{name}-{faults}".replace(" ", "-"))
                    print(f"{outcome}: {kind} {name} {path.name}: {detail}", flush=True)
                if path.is_file():
                    path.unlink()
        worker.stop()
    print_table(outcomes, slowest)
    if Path("/tmp/seqcap-was-run").exists():
        print("a model ran code")
        faults += 1
    sys.exit(1 if faults else 0)


def keep(path: Path, target: Path) -> None:
    """Copies a faulty file, or a model's settings, to where it can be looked at."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes((path / "model.json" if path.is_dir() else path).read_bytes())


def print_table(outcomes: dict[str, "collections.Counter[str]"], slowest: float) -> None:
    """Prints a row a kind and the totals."""
    columns = ["read", "read, with a warning", "refused behind the header", "refused", *_FAULTS]
    print("| kind | " + " | ".join(columns) + " |")
    print("|---|" + "--:|" * len(columns))
    for name, counts in outcomes.items():
        print(f"| {name} | " + " | ".join(str(counts[column]) for column in columns) + " |")
    sounds: collections.Counter[str] = collections.Counter()
    for name, counts in outcomes.items():
        if name.startswith("sound "):
            sounds += counts
    behind = sum(sounds[column] for column in columns[:3])
    total = sum(sounds.values())
    if total:
        print(f"{total:,} damaged sounds, {100 * behind / total:.0f} % got past the header")
    faults = sum(counts[fault] for counts in outcomes.values() for fault in _FAULTS)
    print(f"{sum(map(sum, (c.values() for c in outcomes.values()))):,} files, {faults} faults;")
    print(f"slowest {slowest:.1f} s (the first of each kind includes imports)")


if __name__ == "__main__":
    main()
