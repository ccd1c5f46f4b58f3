"""How far a training is, how well it goes, and how long it will still take."""

import time
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_SPEED_OVER_S = 300  # validation interrupts the steps, so that the pace of seconds says little


class TrainingProgress(pl.Callback):
    """One bar for the whole training, and a line for each epoch, also where there is no screen.

    Both go to the error stream.
    """

    def __init__(self) -> None:
        self.bar: Progress | None = None  # not before it is shown: screens go into no process
        self.began_s = 0.0
        self.began_step = 0

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

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Moves the bar."""
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Tells what the epoch gave."""
        if self.bar is None:
            return
        told = trainer.callback_metrics
        done, steps = trainer.global_step, self._steps(trainer)
        pace_s = (time.perf_counter() - self.began_s) / max(1, done - self.began_step)
        self.bar.console.print(
            f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: "
            f"loss {told['loss']:.3f}; validation: loss {told['validation_loss']:.3f}, "
            f"WA {told['validation_wa']:.3f}, UA {told['validation_ua']:.3f}; "
            f"{_spoken(pace_s * (steps - done))} left"
        )

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Takes the bar away."""
        self._stop()

    def on_exception(self, *_: Any) -> None:
        """Takes the bar away."""
        self._stop()

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
