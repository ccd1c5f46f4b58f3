"""From process start to answer: wall time and peak memory, each beside what it cannot go below.

    python benchmarks/start.py [--model DIR] [--repeats 5]

The recording is 3 seconds of the samples. Every figure is the best of the repeats, each in a fresh
process; run it on an otherwise idle machine. Linux and macOS.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
import wave
from pathlib import Path

# Nothing heavy here: before a child becomes its command, its memory is ours.

SAMPLES = Path(__file__).parents[1] / "samples" / "emodb"
RATE_HZ = 16000
DURATION_S = 3.0


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="folder of a model; the shipped one if not given")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    model = ["--model", options.model] if options.model else []
    seqcap = [sys.executable, "-m", "seqcap"]
    with tempfile.TemporaryDirectory() as folder:
        speech = write_speech(Path(folder, "speech.wav"))
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "seqcap --help": [*seqcap, "--help"],
            "seqcap predict missing.wav": [*seqcap, "predict", "missing.wav", *model],
            "python -c 'import torch'": [sys.executable, "-c", "import torch"],
            "seqcap predict speech.wav (3 s)": [*seqcap, "predict", str(speech), *model],
        }
        print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(f"load before: {os.getloadavg()[0]:.1f}; best of {options.repeats}\n")
        print("| command | wall time, s | peak memory, MB |\n|---|---:|---:|")
        for title, command in commands.items():
            runs = [measure(command) for _ in range(options.repeats)]
            wall_s, peak_mb = min(r[0] for r in runs), min(r[1] for r in runs)
            print(f"| `{title}` | {wall_s:.2f} | {peak_mb:.0f} |")


def write_speech(path: Path) -> Path:
    """Joins samples to a recording of 3 s."""
    with wave.open(str(path), "wb") as speech:
        speech.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        missing = round(DURATION_S * RATE_HZ)
        for sample in sorted(SAMPLES.glob("*.wav")):
            with wave.open(str(sample)) as recording:
                count = min(missing, recording.getnframes())
                speech.writeframes(recording.readframes(count))
                missing -= count
    return path


def measure(command: list[str]) -> tuple[float, float]:
    """Runs a command; gives its wall time in s and its peak memory in MB."""
    with Path(os.devnull).open("r+b") as nowhere:
        actions = [(os.POSIX_SPAWN_DUP2, nowhere.fileno(), stream) for stream in (0, 1, 2)]
        begin = time.perf_counter()
        process = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        _, _, usage = os.wait4(process, 0)
        wall_s = time.perf_counter() - begin
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return wall_s, kilobytes / 1024


if __name__ == "__main__":
    main()
