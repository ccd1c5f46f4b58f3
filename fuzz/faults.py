"""Kills long jobs at random moments and fills their disks: `make faults`.

A job is killed (SIGKILL, SIGTERM or SIGINT, by chance) after a random share of its computing, and
started again, until it is done; then it begins anew. Its disk is filled by the largest size of a
file (RLIMIT_FSIZE) or by a small tmpfs, where one may be mounted; then it is started again with
room. Prints a table. Faults are: a traceback, another exit status than the signal's, a hang, a
file under its final name that differs from the one of an uninterrupted job, and a file that an
uninterrupted job does not leave. Exit status 1 if there were any.
"""

import argparse
import collections
import contextlib
import dataclasses
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jobs import JOBS, Job, RunningJob, Server

STATUS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
LONGEST_WAIT_S = 300.0
_EARLIEST = 0.02  # before, there is only Python's own start
_SMALLEST_BYTES = 2048


@dataclasses.dataclass
class Tally:
    """What was done to a job, and what came of it."""

    kills: int = 0
    full_disks: int = 0
    finished: int = 0
    faults: "collections.Counter[str]" = dataclasses.field(default_factory=collections.Counter)

    def tell_progress(self) -> None:
        """Prints now and then how far it is."""
        if (self.kills + self.full_disks) % 10 == 0:
            print(f"  {self.kills} kills, {self.full_disks} full disks", flush=True)

    def fault(self, kind: str, detail: str) -> None:
        """Counts a fault and prints it."""
        self.faults[kind] += 1
        print(f"  {kind}: {detail}", flush=True)


class Trial:
    """One job, its uninterrupted result, and the tries to spoil it."""

    def __init__(self, job: Job, folder: Path, draw: random.Random) -> None:
        self.job = job
        self.folder = folder
        self.tally = Tally()
        self._draw = draw
        self._server = Server(job.imports)
        job.prepare(folder)
        running = self._start()
        status = running.wait(LONGEST_WAIT_S)
        if status not in job.statuses:
            raise SystemExit(f"{job.name}: exit status {status}: {running.errors}")
        self.total_s = running.computed_s
        self._expected = self._results()
        self._clear()

    def kill(self, count: int) -> None:
        """Kills the job so often, and compares what its resumed runs leave."""
        tally = self.tally
        while tally.kills < count:
            running = self._start()
            if running.wait_until(self._draw.uniform(_EARLIEST, 1) * self.total_s, LONGEST_WAIT_S):
                sent = self._draw.choice(list(STATUS))
                running.send(sent)
                status = running.wait(LONGEST_WAIT_S)
                tally.kills += 1
                tally.tell_progress()
                if status is None:
                    tally.fault("hang", f"after {sent.name}")
                elif status not in (STATUS[sent], -sent, *self.job.statuses):
                    tally.fault("status", f"{status} after {sent.name}: {running.errors[-300:]}")
                self._look_at(running, f"after {sent.name}")
                continue
            self._end(running)
        self._end(self._start())

    def fill(self, count: int, tmpfs: bool) -> None:
        """Runs the job so often on a disk that is too small, then with room."""
        sizes = [len(content) for content in self._expected.values()]
        for number in range(count):
            self.tally.full_disks += 1
            self.tally.tell_progress()
            if tmpfs and number % 2:
                size = int(self._draw.uniform(_SMALLEST_BYTES * 8, 1.2 * sum(sizes)))
                with _small_disk(self.folder / self.job.output_folder, size) as grow:
                    self._fail(self._start(), f"on a disk of {size:,} bytes")
                    grow()
                    self._end(self._start(), clear=False)
            else:
                size = int(self._draw.uniform(_SMALLEST_BYTES, 1.1 * max(sizes)))
                self._fail(self._start(largest_bytes=size), f"with files up to {size:,} bytes")
                self._end(self._start())
            self._clear()

    def _start(self, largest_bytes: int | None = None) -> RunningJob:
        return self._server.start(self.job, self.folder, largest_bytes)

    def _fail(self, running: RunningJob, when: str) -> None:
        status = running.wait(LONGEST_WAIT_S)
        if status is None:
            self.tally.fault("hang", when)
        elif status not in (*self.job.statuses, *self.job.refusals):
            self.tally.fault("status", f"{status} {when}: {running.errors[-300:]}")
        self._look_at(running, when)

    def _end(self, running: RunningJob, clear: bool = True) -> None:
        """Lets a job end by itself, and compares what it leaves with the uninterrupted one."""
        status = running.wait(LONGEST_WAIT_S)
        if status not in self.job.statuses:
            self.tally.fault("status", f"{status} at the end: {running.errors[-300:]}")
        self._look_at(running, "at the end")
        results = self._results()
        for name in sorted(self._expected.keys() - results.keys()):
            self.tally.fault("lost", f"{name} is missing")
        for name in sorted(results.keys() - self._expected.keys()):
            self.tally.fault("left over", name)
        self.tally.finished += 1
        if clear:
            self._clear()

    def _look_at(self, running: RunningJob, when: str) -> None:
        """Finds tracebacks, and files that are there but not as they should be."""
        if "Traceback" in running.errors:
            self.tally.fault("traceback", f"{when}: {running.errors[-600:]}")
        for name, content in self._results().items():
            if name in self._expected and content != self._expected[name]:
                at = _first_difference(content, self._expected[name])
                self.tally.fault("differs", f"{name} {when}, at {at}")

    def _results(self) -> dict[str, bytes]:
        """Files under their final names, without those that tell time or are still growing."""
        top = self.folder / self.job.output_folder
        files = {path.relative_to(top): path for path in top.rglob("*") if path.is_file()}
        return {
            str(name): path.read_bytes()
            for name, path in sorted(files.items())
            if not any(name.match(pattern) for pattern in self.job.ignored)
        }

    def _clear(self) -> None:
        for path in (self.folder / self.job.output_folder).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _first_difference(found: bytes, expected: bytes) -> str:
    """Where two files differ, and what stands there."""
    pairs = zip(found, expected, strict=False)
    at = next((place for place, (a, b) in enumerate(pairs) if a != b), len(found))
    return f"{at} of {len(expected)}: {found[at : at + 60]!r}, not {expected[at : at + 60]!r}"


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator["collections.abc.Callable[[], None]"]:
    """Mounts a tmpfs of so many bytes; gives what makes it large."""

    def grow() -> None:
        subprocess.run(["mount", "-o", "remount,size=512m", folder], check=True)

    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield grow
    finally:
        subprocess.run(["umount", folder], check=True)


def can_mount(folder: Path) -> bool:
    """Whether a tmpfs may be mounted here."""
    try:
        with _small_disk(folder, 65536):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs all trials and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of each job")
    parser.add_argument("--full-disks", type=int, default=20, help="of each job")
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    options = parser.parse_args(arguments)
    rows, faults = [], 0
    for name in options.jobs:
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "mount").mkdir()
            tmpfs = can_mount(folder / "mount")
            trial = Trial(JOBS[name], folder, random.Random(options.seed))
            print(f"{name}: {trial.total_s:.1f} s of computing; tmpfs: {tmpfs}", flush=True)
            with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C: the table so far
                trial.kill(options.kills)
                trial.fill(options.full_disks, tmpfs)
        tally = trial.tally
        faults += tally.faults.total()
        found = ", ".join(f"{count} {kind}" for kind, count in tally.faults.items()) or "none"
        minutes = (time.monotonic() - began_s) / 60
        cells = (name, tally.kills, tally.full_disks, tally.finished, found, f"{minutes:.0f}")
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    print("| job | kills | full disks | finished and compared | faults | minutes |")
    print("|---|--:|--:|--:|---|--:|")
    print("\n".join(rows))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
