"""How far a long job is and how long the rest takes: a bar on a terminal, else a line a minute."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from seqcap.apps.lines import tell

_LINE_EVERY_S = 60.0


@contextmanager
def progress_of(total: int, what: str, done: int = 0) -> Iterator[Callable[[], None]]:
    """Shows progress on the error stream while the block runs.

    Args:
        total: How many there are.
        what: What they are called, in the plural.
        done: How many were done before.

    Yields:
        What is to be called after each.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(
            BarColumn(),
            TextColumn(f"{{task.completed:,}} of {{task.total:,}} {what}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            transient=True,
        ) as bar:
            task = bar.add_task("", total=total, completed=done)
            yield lambda: bar.advance(task)
        return
    yield _Lines(total, what, done).advance


class _Lines:
    def __init__(self, total: int, what: str, done: int) -> None:
        self._total, self._what, self._done = total, what, done
        self._before = done
        self._began_s = self._told_s = time.monotonic()

    def advance(self) -> None:
        self._done += 1
        now_s = time.monotonic()
        if now_s - self._told_s < _LINE_EVERY_S:
            return
        self._told_s = now_s
        pace_s = (now_s - self._began_s) / (self._done - self._before)
        rest = spoken_duration(pace_s * (self._total - self._done))
        tell(f"{self._done:,} of {self._total:,} {self._what}, about {rest} left")


def spoken_duration(duration_s: float) -> str:
    """Writes a duration for people.

    Example:
        >>> spoken_duration(42), spoken_duration(700), spoken_duration(9000)
        ('42 s', '12 min', '2.5 h')
    """
    if duration_s < 100:
        return f"{duration_s:.0f} s"
    return f"{duration_s / 60:.0f} min" if duration_s < 6000 else f"{duration_s / 3600:.1f} h"
