"""A command in a process of its own, and what it imports."""

import os
import re
import subprocess
import sys

COMMAND = [sys.executable, "-m", "seqcap"]
HEAVY = ("torch", "pandas", "numpy", "scipy", "sklearn", "pytorch_lightning", "matplotlib")


def start(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        **{"stdin": subprocess.DEVNULL, **options},
    )


def imported_by(*arguments):
    """Runs a command; gives it and the packages that it imported."""
    done = start(*arguments, env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"})
    names = re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE)
    return done, {name.partition(".")[0] for name in names}
