"""How fast is `seqcap bulk` compared with `seqcap predict`, and does its memory stay constant?

Real recordings are linked under many names; one of a hundred is not audio. Both commands recognise
all of them at the same time, in two processes. With `--stages`: the time of one core for an hour of
sound, stage by stage. Needs the extra `cluster`, and Linux:

    python benchmarks/bulk.py emodb/wav --count 3000
    python benchmarks/bulk.py crema_d --recordings 1800 --longest 2.2 --model cnn
    python benchmarks/bulk.py emodb/wav --stages
"""

import argparse
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from seqcap.audio.formats import has_sound_ending
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform, waveform_blocks
from seqcap.recognition.bulk import table_of

_SAMPLE_S = 0.5  # between looks at a process's memory
_MEMORY_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the time, where memory is told
_CODED = {
    "WAV": ("WAV", "PCM_16"),
    "FLAC": ("FLAC", "PCM_16"),
    "MP3": ("MP3", "MPEG_LAYER_III"),
    "Opus": ("OGG", "OPUS"),
}


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        wall_s: Seconds of the clock.
        cpu_s: Seconds of cores.
        memory_mb: Resident memory, every half second.
    """

    wall_s: float
    cpu_s: float
    memory_mb: list[float]

    def memory_at(self, share: float) -> float:
        """The median in the tenth of the time that begins after this share of it."""
        count = len(self.memory_mb)
        return float(np.median(self.memory_mb[int(share * count) : int((share + 0.1) * count) + 1]))


def run(*arguments: str) -> Cost:
    """Runs `seqcap` and watches it."""
    began_s = time.perf_counter()
    memory = []
    process = subprocess.Popen(
        [sys.executable, "-m", "seqcap", *arguments], stderr=subprocess.DEVNULL
    )
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        told = Path(f"/proc/{process.pid}/status").read_text()
        if "VmRSS:" in told:
            memory.append(int(told.split("VmRSS:")[1].split()[0]) / 1024)
        time.sleep(_SAMPLE_S)
    wall_s = time.perf_counter() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):  # 1: some were bad
        sys.exit(f"bulk: seqcap {' '.join(arguments)} ended with status {process.returncode}")
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, memory)


def link_recordings(recordings: list[Path], folder: Path, count: int, bad: float) -> int:
    """Links recordings under `count` names in folders of a thousand; gives how many are bad."""
    draw = random.Random(0)
    (folder / "no-sound").write_bytes(b"no sound at all")
    numbers = range(count)
    broken = set(draw.sample(numbers, round(bad * count)))
    for number, recording in zip(numbers, itertools.cycle(recordings), strict=False):
        below = folder / f"{number // 1000:04d}"
        below.mkdir(exist_ok=True)
        source = folder / "no-sound" if number in broken else recording
        os.link(source, below / f"{number:07d}{recording.suffix}")
    (folder / "no-sound").unlink()
    return len(broken)


def compare(recordings: list[Path], count: int, bad: float, model: str) -> None:
    """Prints what both commands took for the same files."""
    with tempfile.TemporaryDirectory() as scratch:
        # Links need one file system: a copy of each recording first.
        kept = Path(scratch, "kept")
        kept.mkdir()
        copies = [Path(shutil.copy(file, kept / f"{i}{file.suffix}")) for i, file in
                  enumerate(recordings)]  # fmt: skip
        folder = Path(scratch, "archive")
        folder.mkdir()
        broken = link_recordings(copies, folder, count, bad)
        output = Path(scratch, "out")
        answers = Path(scratch, "answers.csv")
        with ThreadPoolExecutor(2) as pool:  # at once, so that both share the machine's other work
            by = ("--model", model)
            bulk_runs = pool.submit(run, "bulk", str(folder), str(output), *by)
            predict_runs = pool.submit(run, "predict", str(folder), "--output", str(answers), *by)
            bulk, predict = bulk_runs.result(), predict_runs.result()
        errors = table_of(str(output))["error"]
        named = len(errors) - errors.null_count
        total_s = sum(soundfile.info(file).duration for file in copies) / len(copies) * count
    print(f"{count} recordings, {total_s / 3600:.1f} h; {broken} bad, {named} named with reasons")
    memory = " | ".join(f"MB at {share:.0%}" for share in _MEMORY_SHARES)
    print(f"\n| | a second | times real time | core ms each | {memory} | most MB |")
    print(f"|---|{'--:|' * (len(_MEMORY_SHARES) + 4)}")
    for name, cost in (("bulk", bulk), ("predict", predict)):
        memory = " | ".join(f"{cost.memory_at(share):.0f}" for share in _MEMORY_SHARES)
        print(
            f"| {name} | {count / cost.wall_s:.1f} | {total_s / cost.wall_s:.0f} "
            f"| {1000 * cost.cpu_s / count:.1f} | {memory} | {max(cost.memory_mb):.0f} |"
        )
    print(
        f"\nbulk gives {predict.wall_s / bulk.wall_s:.0%} of predict by the clock, "
        f"{predict.cpu_s / bulk.cpu_s:.0%} by seconds of cores (aim: at least 85 %)"
    )


def decode(files: list[Path]) -> None:
    """Reads files from beginning to end."""
    for file in files:
        for _ in waveform_blocks(file):
            pass


def stages(recordings: list[Path]) -> None:
    """Prints what an hour of sound costs one core, in seconds."""
    from seqcap.audio.speech_detection import speech_probabilities
    from seqcap.recognition.recognizer import Recognizer

    waveforms = [load_waveform(file) for file in recordings]
    hours = sum(map(len, waveforms)) / SAMPLE_RATE_HZ / 3600
    recognizer = Recognizer.from_pretrained(device="cpu")
    sources = [(waveform, SAMPLE_RATE_HZ) for waveform in waveforms]
    cases: dict[str, Callable[[], object]] = {}
    sizes_mb: dict[str, float] = {}
    costs_s = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, (form, subtype) in _CODED.items():
            files = []
            for number, waveform in enumerate(waveforms):
                files.append(Path(scratch, f"{name}{number}"))
                soundfile.write(files[-1], waveform, SAMPLE_RATE_HZ, format=form, subtype=subtype)
            sizes_mb[name] = sum(file.stat().st_size for file in files) / 1e6 / hours
            cases[f"decoding {name}"] = partial(decode, files)
        cases["speech detection"] = lambda: [
            speech_probabilities(waveforms[i : i + 64]) for i in range(0, len(waveforms), 64)
        ]
        cases["all but decoding"] = lambda: list(recognizer.recognize_many(sources))
        cases["all but decoding, time line too"] = lambda: list(
            recognizer.recognize_many(sources, timeline=True)
        )
        print(f"{hours * 3600:.0f} s of sound in {len(waveforms)} recordings\n")
        print("| stage | seconds of a core for an hour |\n|---|--:|")
        for name, case in cases.items():
            took = []
            for _ in range(3):
                began_s = time.process_time()
                case()
                took.append(time.process_time() - began_s)
            costs_s[name] = float(np.median(took)) / hours
            print(f"| {name} | {costs_s[name]:.1f} |", flush=True)
    print_million_hours(costs_s, sizes_mb)


def print_million_hours(costs_s: dict[str, float], sizes_mb: dict[str, float]) -> None:
    """Prints what a million hours would take, on paper.

    Args:
        costs_s: Seconds of a core for an hour, by stage.
        sizes_mb: Size of an hour, by format.
    """
    print("\nA million hours, if cores are all that counts:\n")
    cores = (10, 100, 1000)
    print(
        f"| format | {' | '.join(f'days, {c:,} cores' for c in cores)} | TB | GB/s at 1,000 cores |"
    )
    print(f"|---|{'--:|' * (len(cores) + 2)}")
    for name, size_mb in sizes_mb.items():
        each_s = costs_s[f"decoding {name}"] + costs_s["all but decoding"]
        days = " | ".join(f"{1e6 * each_s / c / 86400:.1f}" for c in cores)
        print(f"| {name} | {days} | {size_mb:.0f} | {1000 / each_s * size_mb / 1000:.2f} |")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of real recordings")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--bad", type=float, default=0.01, help="share that is no sound")
    parser.add_argument("--stages", action="store_true", help="what each stage costs instead")
    parser.add_argument("--recordings", type=int, default=200, help="real ones that are taken")
    parser.add_argument("--longest", type=float, default=float("inf"), help="of these, in seconds")
    parser.add_argument("--model", default="-", help="as seqcap predict takes it")
    arguments = parser.parse_args()
    files = sorted(f for f in arguments.folder.rglob("*") if has_sound_ending(f.name))
    if arguments.longest < float("inf"):
        files = [file for file in files if soundfile.info(file).duration <= arguments.longest]
    random.Random(0).shuffle(files)
    if arguments.stages:
        stages(files[: arguments.recordings])
    else:
        compare(files[: arguments.recordings], arguments.count, arguments.bad, arguments.model)


if __name__ == "__main__":
    main()
