"""How near does `seqcap predict FOLDER` on all cores come to one pinned process a core?

    python benchmarks/folder.py [FILES]

A folder of recordings of 3 s, cut from the samples of EMO-DB. `seqcap predict` recognises it by
itself. Then a process for each core, pinned to it and with one thread, recognises its share through
`Recognizer.recognize_many`, all at the same time. Loading the model is left out of the processes'
time and is part of the command's.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import machine
from memory import write_folder

_SHARE = """
import os, sys, time
from pathlib import Path
core, cores = int(sys.argv[2]), int(sys.argv[3])
os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})
from seqcap.recognition.recognizer import Recognizer
files = sorted(Path(sys.argv[1]).glob("*.wav"))[core::cores]
recognizer = Recognizer.from_pretrained()
list(recognizer.recognize_many(files[:8]))
start = time.perf_counter()
count = len(list(recognizer.recognize_many(files)))
print(count / (time.perf_counter() - start))
"""


def pinned_rate(folder: Path, cores: int) -> float:
    """Recordings a second of one process on each core, all together."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _SHARE, str(folder), str(core), str(cores)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for core in range(cores)
    ]
    return sum(float(process.communicate()[0]) for process in processes)


def command_rate(folder: Path, count: int) -> float:
    """Recordings a second of the command, from its start to its end."""
    seqcap = shutil.which("seqcap") or str(Path(sys.executable).with_name("seqcap"))
    start = time.perf_counter()
    subprocess.run(
        [seqcap, "predict", str(folder), "--output", str(folder.parent / "answers.csv")],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return count / (time.perf_counter() - start)


def main() -> None:
    """Prints both rates and their ratio."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    os.environ.pop("OMP_NUM_THREADS", None)
    cores = len(os.sched_getaffinity(0))
    print(f"{Path(__file__).name}: {machine('onnxruntime')}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "folder"
        write_folder(folder, count)
        command, pinned = command_rate(folder, count), pinned_rate(folder, cores)
    print(f"seqcap predict: {command:.1f} recordings a second")
    print(f"{cores} pinned processes: {pinned:.1f}; ratio {command / pinned:.0%}")


if __name__ == "__main__":
    main()
