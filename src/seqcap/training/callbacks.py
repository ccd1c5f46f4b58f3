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
_SPEED_OVER_S = 300  # validation interrupts the steps, so that the pace of seconds says little


class TrainingProgress(pl.Callback):
    """One bar for the whole training, and a line for each epoch.

    Where there is no terminal, a line at the start and at least one a minute stand for the bar.
    All go to the error stream.
    """

    def __init__(self) -> None:
        self.bar: Progress | None = None  # not before it is shown: screens go into no process
        self.began_s = 0.0
        self.began_step = 0
        self.told_s = 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Shows the bar; a resumed training starts where it stopped."""
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
            # Another process could not take it away if the training is interrupted.
            disable=not console.is_terminal or trainer.world_size > 1,
            speed_estimate_period=_SPEED_OVER_S,
            transient=True,
        )
        self.bar.add_task("", total=self._steps(trainer), completed=trainer.global_step)
        self.bar.start()
        if self.bar.disable:
            resumed = f", resumed after step {trainer.global_step}" if trainer.global_step else ""
            self._tell(
                f"training: {trainer.max_epochs} epochs, {self._steps(trainer)} steps{resumed}"
            )

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Moves the bar, or tells a line if none was told for a minute."""
        if self.bar is None:
            return
        self.bar.update(self.bar.task_ids[0], completed=trainer.global_step)
        if self.bar.disable and time.perf_counter() - self.told_s >= _LINE_EVERY_S:
            steps = self._steps(trainer)
            self._tell(f"step {trainer.global_step} of {steps}; {self._left(trainer)} left")

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Tells what the epoch gave."""
        if self.bar is None:
            return
        told = trainer.callback_metrics
        self._tell(
            f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: "
            f"loss {told['loss']:.3f}; validation: loss {told['validation_loss']:.3f}, "
            f"WA {told['validation_wa']:.3f}, UA {told['validation_ua']:.3f}; "
            f"{self._left(trainer)} left"
        )

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Takes the bar away."""
        self._stop()

    def on_exception(self, *_: Any) -> None:
        """Takes the bar away."""
        self._stop()

    def _tell(self, line: str) -> None:
        if self.bar is not None:
            self.bar.console.print(line)
        self.told_s = time.perf_counter()

    def _left(self, trainer: pl.Trainer) -> str:
        done = trainer.global_step
        pace_s = (time.perf_counter() - self.began_s) / max(1, done - self.began_step)
        return _spoken(pace_s * (self._steps(trainer) - done))

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
        self.bar = None

    @staticmethod
    def _steps(trainer: pl.Trainer) -> int:
        return int(trainer.estimated_stepping_batches)


def _spoken(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class ResourceUsage(pl.Callback):
    """Measures every step of a training, also over an interruption."""

    def __init__(self) -> None:
        self.steps_s: list[float] = []
        self.peak_memory_mb = 0.0
        self.began_s = 0.0

    @property
    def step_ms(self) -> float:
        """Median; 0 if there was no step."""
        return 1000 * float(np.median(self.steps_s)) if self.steps_s else 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        """Starts the clock."""
        self.began_s = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        """Stops the clock and looks at the memory."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.steps_s.append(time.perf_counter() - self.began_s)
        memory_mb = psutil.Process().memory_info().rss / 2**20
        self.peak_memory_mb = max(self.peak_memory_mb, memory_mb)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"steps_s": self.steps_s, "peak_memory_mb": self.peak_memory_mb}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up what a checkpoint kept."""
        self.steps_s = list(state_dict["steps_s"])
        self.peak_memory_mb = state_dict["peak_memory_mb"]


@contextmanager
def filter_lightning_warnings() -> Iterator[None]:
    """Keeps pytorch-lightning quiet while it trains."""
    with warnings.catch_warnings():
        _filter_warnings()
        yield


class WorkerLogFilter(pl.Callback):
    """Keeps the processes quiet that share a training."""

    def setup(self, *_: Any, **__: Any) -> None:
        """Before anything else, in each process."""
        if multiprocessing.parent_process() is not None:
            _filter_warnings()


def _filter_warnings() -> None:
    for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It asks torch in a way that torch no longer likes,
    warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
    warnings.filterwarnings("ignore", ".*all_gather is deprecated")
    # would have worker processes where the sound is in memory already,
    warnings.filterwarnings("ignore", ".*does not have many workers")
    # finds the folder of a training that goes on not empty,
    warnings.filterwarnings("ignore", ".*exists and is not empty")
    # and would put together what every process has whole: each validates on everything.
    warnings.filterwarnings("ignore", ".*sync_dist=True")
    # Gradients of the first layer are laid out for speed.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
