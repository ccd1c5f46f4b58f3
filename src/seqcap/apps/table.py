"""The table that people read: a line per recording, its pieces below, percentages and bars."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from seqcap.recognition.recognizer import Answer

_STYLES = {
    "neutral": "white",
    "calm": "cyan",
    "anger": "red",
    "happiness": "yellow",
    "sadness": "blue",
    "fear": "magenta",
    "disgust": "green",
    "surprise": "bright_cyan",
}
_WIDE = 80  # columns of a terminal that has room for one per emotion
_ENDLESS = 1000  # columns of what is no terminal: a line is never broken
_BAR = 10  # characters


class TableWriter:
    """Collects answers, then draws them as wide as the terminal is.

    Args:
        file: Where it is drawn.
        emotions: One column each, if there is room.
    """

    def __init__(self, file: TextIO, emotions: Sequence[str]) -> None:
        self._console = Console(file=file, highlight=False)
        self._file = file
        if not self._console.is_terminal:
            self._console.width = _ENDLESS
        self._wide = self._console.width >= _WIDE
        self._emotions = emotions if self._wide else ()
        self._table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        self._table.add_column("file", overflow="fold")
        self._table.add_column("seconds", justify="right", no_wrap=True)
        for emotion in self._emotions:
            self._table.add_column(emotion, justify="right", no_wrap=True)
        self._table.add_column("predicted", no_wrap=True)
        self._table.add_column("confidence", no_wrap=True)

    def write(self, answer: "Answer") -> None:
        """Adds a recording and, where it is more than one, its pieces."""
        self._add(answer.file, answer)
        if len(answer.timeline) > 1:
            for piece in answer.timeline:
                self._add("", piece, style="dim")

    def close(self) -> None:
        """Draws the table."""
        with self._console.capture() as drawn:
            self._console.print(self._table)
        for line in drawn.get().splitlines():
            self._file.write(f"{line.rstrip()}\n")

    def _add(self, title: str, answer: "Answer", style: str = "") -> None:
        confidence = answer.confidence
        spoken = not math.isnan(confidence)
        percentages = [
            Text(f"{p:.0%}", "bold" if p == confidence else "") if spoken else Text("")
            for p in (answer.probabilities[e] for e in self._emotions)
        ]
        bar = f"{_bar(confidence)} " if self._wide and spoken else ""
        colour = _STYLES.get(answer.predicted, "")
        self._table.add_row(
            Text(title),
            f"{answer.start:.1f}-{answer.end:.1f}",
            *percentages,
            Text(answer.predicted, colour),
            Text.assemble((bar, colour), f"{confidence:.0%}" if spoken else ""),
            style=style,
        )


def _bar(share: float) -> str:
    """Draws a share of one.

    Example:
        >>> _bar(0.52)
        '█████░░░░░'
    """
    full = round(_BAR * share)
    return "█" * full + "░" * (_BAR - full)
