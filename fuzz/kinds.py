"""Inputs that people have, tried on two versions: `fuzz/kinds.py --before PYTHON --after PYTHON`.

Each input stands for a kind of fault (A to P) that users of other programs report. The two options
are commands that start Python with a version of seqcap. Prints, for each input, what came of it,
and for each kind how many came out right. All inputs are made here, from the samples.
"""

import argparse
import collections
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tries import TRIES, Outcome, Version

KINDS = {
    "A": "frame counts that are wrong",
    "B": "cut off files",
    "C": "a constant offset",
    "D": "channels",
    "E": "paths",
    "F": "formats and endings",
    "G": "tables",
    "H": "writing",
    "I": "interruption",
    "J": "a training that is stopped",
    "K": "processes",
    "L": "no speech",
    "M": "telephone",
    "N": "quiet beginnings",
    "P": "typing errors",
}


def attempt(version: Version, try_it: Callable[[Version, Path], Outcome]) -> Outcome:
    """Tries one input in a folder of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return try_it(version, Path(scratch))
        except subprocess.TimeoutExpired:
            return False, "hangs"


def main(arguments: Sequence[str] | None = None) -> None:
    """Tries all inputs and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=shlex.split, help="a command that starts Python")
    parser.add_argument("--after", type=shlex.split, default=[sys.executable])
    parser.add_argument("--only", nargs="*", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    versions = [Version(each) for each in (options.before, options.after) if each]
    right: list[collections.Counter[str]] = [collections.Counter() for _ in versions]
    total: collections.Counter[str] = collections.Counter()
    print("| kind | input | " + " | ".join(("before", "after")[-len(versions) :]) + " |")
    print("|---|---|" + "---|" * len(versions))
    for kind, name, try_it in TRIES:
        if kind not in options.only:
            continue
        cells = []
        total[kind] += 1
        for counts, version in zip(right, versions, strict=True):
            is_right, came = attempt(version, try_it)
            counts[kind] += is_right
            cells.append(f"{'right' if is_right else '**wrong**'}: {came}")
        print(f"| {kind} | {name} | " + " | ".join(cells) + " |", flush=True)
    print("\n| kind | inputs | " + " | ".join(("right before", "right after")[-len(versions) :]))
    print("|---|--:|" + "--:|" * len(versions))
    for kind, count in total.items():
        found = " | ".join(str(counts[kind]) for counts in right)
        print(f"| {kind}: {KINDS[kind]} | {count} | {found} |")
    print(f"| all | {total.total()} | " + " | ".join(str(each.total()) for each in right) + " |")
    sys.exit(0 if right[-1].total() == total.total() else 1)


if __name__ == "__main__":
    main()
