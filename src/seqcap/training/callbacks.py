"""Lightning callbacks of a training: progress, resource usage, and fewer messages."""

import logging
import multiprocessing
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil
import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_EVERY_S = 60.0
_SPEED_OVER_S = 300  # averages over validation, which interrupts the steps


class TrainingProgress(pl.Callback):
    """Shows one bar for the whole training, and a line for each epoch, on the error stream.

    Without a terminal there is no bar, but a line at the start and at least one a minute.
    """

    def __init__(self) -> None:
        self.bar: Progress | None = None  # made late: a Progress cannot be sent to processes
        self.began_s = 0.0
        self.began_step = 0
        self.last_line_s = 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Shows the bar, from the first step or the one after which the training resumes."""
        self.began_s, self.began_step = time.perf_counter(), trainer.global_step
        if not trainer.is_global_zero:
            return
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        self.bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            # With several processes, an interruption would leave the bar on the screen.
            disable=not console.is_terminal or trainer.world_size > 1,
            speed_estimate_period=_SPEED_OVER_S,
            transient=True,
        )
        self.bar.add_task("", total=self._steps(trainer), completed=trainer.global_step)
        self.bar.start()
        if self.bar.disable:
            resumed = f", resumed after step {trainer.global_step}" if trainer.global_step else ""
            self._print(
                f"training: {trainer.max_epochs} epochs, {self._steps(trainer)} steps{resumed}"
            )

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Moves the bar, or prints a line if a minute has passed since the last one."""
        if self.bar is None:
            return
        self.bar.update(self.bar.task_ids[0], completed=trainer.global_step)
        if self.bar.disable and time.perf_counter() - self.last_line_s >= _LINE_EVERY_S:
            steps = self._steps(trainer)
            self._print(f"step {trainer.global_step} of {steps}; {self._left(trainer)} left")

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Prints the metrics of the epoch."""
        if self.bar is None:
            return
        metrics = trainer.callback_metrics
        self._print(
            f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: "
            f"loss {metrics['loss']:.3f}; validation: loss {metrics['validation_loss']:.3f}, "
            f"WA {metrics['validation_wa']:.3f}, UA {metrics['validation_ua']:.3f}; "
            f"{self._left(trainer)} left"
        )

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Removes the bar."""
        self._stop()

    def on_exception(self, *_: Any) -> None:
        """Removes the bar."""
        self._stop()

    def _print(self, line: str) -> None:
        if self.bar is not None:
            self.bar.console.print(line)
        self.last_line_s = time.perf_counter()

    def _left(self, trainer: pl.Trainer) -> str:
        done = trainer.global_step
        step_s = (time.perf_counter() - self.began_s) / max(1, done - self.began_step)
        return _format_duration(step_s * (self._steps(trainer) - done))

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
        self.bar = None

    @staticmethod
    def _steps(trainer: pl.Trainer) -> int:
        return int(trainer.estimated_stepping_batches)


def _format_duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class ResourceUsage(pl.Callback):
    """Measures time and memory of each step; a resumed training keeps earlier measurements."""

    def __init__(self) -> None:
        self.steps_s: list[float] = []
        self.peak_memory_mb = 0.0
        self.began_s = 0.0

    @property
    def step_ms(self) -> float:
        """Median time of a step, ms; 0 if there was none."""
        return 1000 * float(np.median(self.steps_s)) if self.steps_s else 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        """Starts the clock."""
        self.began_s = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        """Stops the clock and reads the memory."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.steps_s.append(time.perf_counter() - self.began_s)
        memory_mb = psutil.Process().memory_info().rss / 2**20
        self.peak_memory_mb = max(self.peak_memory_mb, memory_mb)

    def state_dict(self) -> dict[str, Any]:
        """Gives what a checkpoint keeps."""
        return {"steps_s": self.steps_s, "peak_memory_mb": self.peak_memory_mb}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what a checkpoint kept."""
        self.steps_s = list(state_dict["steps_s"])
        self.peak_memory_mb = state_dict["peak_memory_mb"]


@contextmanager
def filter_lightning_warnings() -> Iterator[None]:
    """Hides pytorch-lightning's messages and warnings that do not concern users."""
    with warnings.catch_warnings():
        _filter_warnings()
        yield


class WorkerLogFilter(pl.Callback):
    """Applies `filter_lightning_warnings` in each process of a shared training."""

    def setup(self, *_: Any, **__: Any) -> None:
        """Filters warnings before anything else in each process."""
        if multiprocessing.parent_process() is not None:
            _filter_warnings()


def _filter_warnings() -> None:
    for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Lightning uses deprecated functions of torch.
    warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
    warnings.filterwarnings("ignore", ".*all_gather is deprecated")
    # No worker processes are needed: all audio is in memory.
    warnings.filterwarnings("ignore", ".*does not have many workers")
    # The folder of a resumed training is not empty.
    warnings.filterwarnings("ignore", ".*exists and is not empty")
    # Each process validates on all utterances, so nothing needs to be gathered.
    warnings.filterwarnings("ignore", ".*sync_dist=True")
    # The first layer's gradients have a memory layout chosen for speed.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
