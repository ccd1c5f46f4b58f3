"""The table that people read: a line per recording, its pieces below, percentages and bars."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from seqcap.apps.terminal import width_of
from seqcap.recognition.answers import NO_SPEECH, UNCERTAIN

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
_GAP = "  "
_SECONDS = 9  # columns
_BAR = 10  # characters
_LEAST_NAME = 16  # columns that a name needs beside the emotions
_SHOWN = ("speaker", "turn", "channel")  # columns that stand behind the name


class TableWriter:
    """Writes answers line by line, as wide as the terminal is.

    Args:
        file: Where they are written.
        emotions: One column each, if there is room.
        names: Titles of all answers; the longest decides the first column.
    """

    def __init__(self, file: TextIO, emotions: Sequence[str], names: Sequence[str]) -> None:
        self._console = Console(file=file, highlight=False, width=100_000, soft_wrap=True)
        self._answer_width = max(map(len, (*emotions, UNCERTAIN, NO_SPEECH)))
        longest = max(4, *map(cell_len, names))
        room = width_of(file) - sum(n + len(_GAP) for n in (_SECONDS, self._answer_width, 4))
        of_emotions = sum(len(emotion) + len(_GAP) for emotion in emotions)
        self._emotions = emotions if room - of_emotions >= min(longest, _LEAST_NAME) else ()
        room -= of_emotions if self._emotions else 0
        self._has_bar = bool(self._emotions) and room - _BAR - 1 >= longest
        room -= _BAR + 1 if self._has_bar else 0
        self._name_width = max(4, min(longest, room))
        self._line(
            "file",
            "seconds",
            [Text(emotion) for emotion in self._emotions],
            Text("predicted"),
            Text("confidence" if self._has_bar else "sure"),
            "bold",
        )

    def write(self, answer: "Answer", columns: Mapping[str, Any]) -> None:
        """Writes a recording and, where it is more than one, its pieces."""
        self._write_answer(title_of(answer.file, columns), answer)
        if len(answer.timeline) > 1:
            for piece in answer.timeline:
                self._write_answer("", piece, "dim")

    def close(self) -> None:
        """Nothing is left to be written."""

    def _write_answer(self, name: str, answer: "Answer", style: str = "") -> None:
        best = answer.confidence
        cells = [
            Text(_percent(p).rjust(len(emotion)), "bold" if p == best else "")
            for emotion, p in answer.probabilities.items()
            if emotion in self._emotions
        ]
        colour = _STYLES.get(answer.predicted, "")
        bar = f"{_bar(best)} " if self._has_bar and not math.isnan(best) else ""
        self._line(
            name,
            f"{answer.start:.1f}-{answer.end:.1f}",
            cells,
            Text(answer.predicted, colour),
            Text.assemble((bar, colour), _percent(best)),
            style,
        )

    def _line(
        self,
        name: str,
        seconds: str,
        cells: Sequence[Text],
        predicted: Text,
        confidence: Text,
        style: str,
    ) -> None:
        predicted.pad_right(self._answer_width - cell_len(predicted.plain))
        parts = [Text(_fitted(name, self._name_width)), Text(seconds.rjust(_SECONDS)), *cells]
        line = Text(_GAP).join([*parts, predicted, confidence])
        line.style = style
        line.rstrip()
        self._console.print(line)


def title_of(name: str, columns: Mapping[str, Any]) -> str:
    """What stands in the first column.

    Example:
        >>> title_of("call.wav", {"speaker": "A", "turn": 0, "text": "Hello"})
        'call.wav speaker A turn 0'
    """
    marks = [f"{key} {columns[key]}" for key in _SHOWN if columns.get(key) not in (None, "")]
    return " ".join([name, *marks])


def _fitted(name: str, width: int) -> str:
    """Gives a name its width; of one that is too long the end stays, which tells it apart.

    Example:
        >>> _fitted("a.wav", 8), _fitted("recordings/today/call.wav", 12)
        ('a.wav   ', '…ay/call.wav')
    """
    while cell_len(name) > width:
        name = "…" + name[2:] if name.startswith("…") else "…" + name[1:]
    return set_cell_size(name, width)


def _percent(probability: float) -> str:
    return "" if math.isnan(probability) else f"{probability:.0%}"


def _bar(share: float) -> str:
    """Draws a share of one.

    Example:
        >>> _bar(0.52)
        '█████░░░░░'
    """
    full = round(_BAR * share)
    return "█" * full + "░" * (_BAR - full)
