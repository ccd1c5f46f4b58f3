"""How much memory does `seqcap predict` take for a folder of files and for a long recording?

    python benchmarks/memory.py [FILES [HOURS]]

The samples of EMO-DB, over and over, as a folder of three-second files (1,000) and as one recording
(2 hours). Peak of the whole process, by the engine that `predict` takes by itself, one thread.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile
from inference import speech
from measuring import child_peak_mb, machine

RATE_HZ = 16000
FILE_S = 3


def write_folder(folder: Path, count: int) -> None:
    """Writes recordings of 3 s, each from another place of the samples."""
    folder.mkdir()
    samples = speech(21)
    for place in range(count):
        soundfile.write(
            folder / f"{place:05}.wav", np.roll(samples, -7919 * place)[: FILE_S * RATE_HZ], RATE_HZ
        )


def write_long(file: Path, hours: float) -> None:
    """Writes one recording, a minute at a time."""
    minute = speech(60)
    with soundfile.SoundFile(file, "w", RATE_HZ, 1) as sound:
        for _ in range(round(60 * hours)):
            sound.write(minute)


def main() -> None:
    """Prints the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    hours = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    os.environ["OMP_NUM_THREADS"] = "1"
    seqcap = shutil.which("seqcap") or str(Path(sys.executable).with_name("seqcap"))
    print(f"{Path(__file__).name}: {machine('onnxruntime')}\n")
    print("| seqcap predict | peak, MB |\n|---|---:|")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        write_folder(scratch / "folder", count)
        write_long(scratch / "long.wav", hours)
        one = scratch / "folder" / "00000.wav"
        cases: Mapping[str, list[str]] = {
            f"one file of {FILE_S} s": [str(one)],
            f"{count:,} files of {FILE_S} s": [str(scratch / "folder")],
            f"{hours:g} hours": [str(scratch / "long.wav")],
            f"{hours:g} hours with --timeline": [str(scratch / "long.wav"), "--timeline"],
        }
        for what, given in cases.items():
            command = [seqcap, "predict", *given, "--output", str(scratch / "answers.csv")]
            print(f"| {what} | {child_peak_mb(command):.0f} |", flush=True)


if __name__ == "__main__":
    main()
