"""The long jobs that `fuzz/faults.py` spoils: what they read and write, and how they are run."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import soundfile
from sounds import encode

SAMPLES = Path(__file__).parents[1] / "samples"
_POLL_S = 0.01


@dataclass(frozen=True)
class Job:
    """A command that takes long.

    Attributes:
        name: What it is called in the table.
        arguments: Of `seqcap`, in the folder of the trial.
        imports: Modules that it needs.
        prepare: Makes what it reads, and its output folder, in the folder of the trial.
        output_folder: Everything that it writes is in there.
        ignored: Patterns of what tells time, is empty, or grows while the job runs.
        statuses: Exit status of a job that ended by itself.
        refusals: Exit status of a job that could not write.
    """

    name: str
    arguments: tuple[str, ...]
    imports: tuple[str, ...]
    prepare: Callable[[Path], None]
    output_folder: str = "out"
    ignored: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (0,)
    refusals: tuple[int, ...] = (2,)


class RunningJob:
    """A process that does a job.

    Attributes:
        errors: What it has written to standard error.
        computed_s: How long it has used the processor.
    """

    def __init__(self, server: "Server", process_id: int, errors: int) -> None:
        self.errors = ""
        self.computed_s = 0.0
        self._server = server
        self._process_id = process_id
        self._errors = errors

    def wait(self, most_s: float) -> int | None:
        """Waits for its end; gives its exit status, None if it had to be killed."""
        self.wait_until(float("inf"), most_s)
        if self._server.status is None:
            os.killpg(self._process_id, signal.SIGKILL)
            self.wait_until(float("inf"), most_s)
            return None
        return self._server.status

    def wait_until(self, limit_s: float, most_s: float) -> bool:
        """Waits until it has computed so long; gives whether it is still there."""
        until = time.monotonic() + most_s
        while time.monotonic() < until:
            ended = self._server.has_ended()
            self._read_errors()
            if ended:
                return False
            self.computed_s = max(self.computed_s, _computed_s(self._process_id))
            if self.computed_s >= limit_s:
                return True
            time.sleep(_POLL_S)
        return True

    def send(self, sent: signal.Signals) -> None:
        """Sends a signal; Ctrl-C reaches its children as well, as in a terminal."""
        if sent is signal.SIGINT:
            os.killpg(self._process_id, sent)
        else:
            os.kill(self._process_id, sent)

    def _read_errors(self) -> None:
        while select.select([self._errors], [], [], 0)[0]:
            content = os.read(self._errors, 65536)
            if not content:
                return
            self.errors += content.decode("utf-8", "replace")


class Server:
    """A process with all imports done, which forks jobs (`job_server.py`), one at a time.

    Args:
        imports: Modules.
    """

    def __init__(self, imports: Sequence[str]) -> None:
        self.status: int | None = None
        self._errors: int | None = None  # the pipe of the last job
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("job_server.py")), *imports],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
        )

    def start(self, job: Job, folder: Path, largest_bytes: int | None = None) -> RunningJob:
        """Starts a job; the last one must have ended."""
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: PT018
        self.status = None
        if self._errors is not None:
            os.close(self._errors)
        pipe = folder / "errors"
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        errors = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(errors, True)
        self._errors = errors
        command = {
            "arguments": job.arguments,
            "folder": str(folder),
            "scratch": str(folder / job.output_folder),
            "errors": str(pipe),
            "largest_bytes": largest_bytes,
        }
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return RunningJob(self, int(self._process.stdout.readline()), errors)

    def has_ended(self) -> bool:
        """Whether the job has ended; `status` is then its exit status."""
        assert self._process.stdout is not None
        if self.status is None and select.select([self._process.stdout], [], [], 0)[0]:
            self.status = int(self._process.stdout.readline())
        return self.status is not None


def _computed_s(process_id: int) -> float:
    try:
        times = psutil.Process(process_id).cpu_times()
        return times.user + times.system
    except psutil.Error:
        return 0.0


def prepare_recordings(folder: Path) -> None:
    """Makes 120 recordings of a second, one that is none, and a note."""
    speech = [soundfile.read(path, dtype="float32")[0] for path in sorted(SAMPLES.rglob("*.wav"))]
    (folder / "calls" / "notes").mkdir(parents=True)
    (folder / "out").mkdir()
    for number in range(120):
        sound = speech[number % len(speech)]
        start = 997 * number % (len(sound) - 19200)
        part = (0.5 + number % 7 / 14) * sound[start : start + 19200]
        (folder / "calls" / f"{number:03}.wav").write_bytes(encode(np.asarray(part, np.float32)))
    (folder / "calls" / "100-none.wav").write_text("no sound")
    (folder / "calls" / "notes" / "note.txt").write_text("hello")


def prepare_corpus(folder: Path) -> None:
    """Makes a corpus of three speakers who each say four things, and a grid of three runs."""
    (folder / "out").mkdir()
    rows = ["file,speaker,emotion"]
    for speaker in "abc":
        for number in range(4):
            generator = np.random.default_rng(ord(speaker) + number)
            times_s = np.arange(4000 + 997 * number) / 16000
            tone = 0.3 * np.sin(2 * np.pi * (2000 if number % 2 else 300) * times_s)
            noisy = tone + 0.01 * generator.standard_normal(len(tone))
            (folder / f"{speaker}{number}.wav").write_bytes(encode(noisy.astype(np.float32)))
            rows.append(f"{speaker}{number}.wav,{speaker},{('anger', 'sadness')[number % 2]}")
    (folder / "corpus.csv").write_text("\n".join(rows) + "\n", "utf-8")
    settings = "\n".join(setting.replace("=", " = ") for setting in _SETTINGS)
    grid = f'labels = "anger,sadness"\nfolds = "loso"\nseeds = [0]\n[set]\n{settings}\n'
    (folder / "grid.toml").write_text(f'{grid}[[entry]]\nsystem = "CNN_GRU"\n', "utf-8")


_SETTINGS = ("epochs=4", "batch_size=4", "segment_s=0.3", "threads=1")
_PREDICTING = ("seqcap.apps.prediction", "seqcap.recognition.onnx_engine")
_TRAINING = (
    *("pytorch_lightning.loggers", "torch.utils.tensorboard", "onnx", "seqcap.training.run"),
    *("seqcap.training.callbacks", "seqcap.recognition.export", "seqcap.experiments.engines"),
)
# Times, what a training writes as it goes, locks (empty files).
_OF_RUNS = (
    "**/resources.json", "**/tensorboard/*", "**/locks/*", "**/metrics*.csv", "**/*.ckpt",
    "resources.json", "tensorboard/*", "locks/*", "metrics*.csv", "*.ckpt",
)  # fmt: skip
JOBS = {
    "predict": Job(
        "predict",
        ("predict", "calls", "--timeline", "--output", "out/emotions.csv"),
        _PREDICTING,
        prepare_recordings,
        ignored=("*.partial",),
        statuses=(1,),  # one of the recordings is none
        refusals=(2,),
    ),
    "train": Job(
        "train",
        (
            *("train", "corpus.csv", "--labels", "anger,sadness", "--folds", "loso"),
            *("--fold", "1", "--set", "system=CNN_GRU", "--output", "out"),
            *(part for setting in _SETTINGS for part in ("--set", setting)),
        ),
        _TRAINING,
        prepare_corpus,
        ignored=_OF_RUNS,
    ),
    "experiment": Job(
        "experiment",
        (
            *("experiment", "run", "grid.toml", "--corpus", "corpus.csv"),
            *("--engine", "here", "--output", "out"),
        ),
        _TRAINING,
        prepare_corpus,
        ignored=_OF_RUNS,
        refusals=(1, 2),
    ),
}
