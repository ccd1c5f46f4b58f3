"""The one style of tables on a terminal: aligned columns, no lines, never wider than it is."""

import os
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console

_GAP = "  "
_ENDLESS = 10_000  # columns of what is no terminal: a line is never broken
_LEAST_TEXT = 12  # columns that are left to the last one if it holds sentences


def width_of(file: TextIO) -> int:
    """How many columns fit in a line: of a terminal, or as COLUMNS says; else any number."""
    if "COLUMNS" in os.environ or Console(file=file).is_terminal:
        return Console(file=file).width
    return _ENDLESS


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    title: str = "",
    file: TextIO | None = None,
) -> None:
    """Prints a table; numeric columns that do not fit in a line follow in further blocks.

    Args:
        header: Names of the columns.
        rows: Cells, as many in a row as there are names.
        left: So many of the first columns are words, on the left and in every block; the others
            are numbers, on the right. If all are words, the last may be cut into several lines.
        title: Stands above it.
        file: Standard output if None.
    """
    file = file or sys.stdout
    console = Console(file=file, highlight=False, width=_ENDLESS, soft_wrap=True)
    if title:
        console.print(title, style="bold", markup=False)
    for block in table_blocks(header, rows, left, width_of(file)):
        for place, line in enumerate(block):
            console.print(line, style="" if place else "bold", markup=False)


def print_text(text: str) -> None:
    """Prints a paragraph in lines of the terminal's width."""
    width = width_of(sys.stdout)
    typer.echo(text if width == _ENDLESS else "\n".join(textwrap.wrap(text, width)))


def table_blocks(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: int, width: int
) -> list[list[str]]:
    """Draws a table in lines of at most this width, if its words allow it.

    Returns:
        The lines of each block of columns, the header first.

    Example:
        >>> rows = [("emodb-03", "12", "7"), ("emodb-08", "5", "11")]
        >>> table_blocks(("speaker", "anger", "fear"), rows, 1, 80)
        [['speaker   anger  fear', 'emodb-03     12     7', 'emodb-08      5    11']]
        >>> first, second = table_blocks(("speaker", "anger", "fear"), rows, 1, 16)
        >>> second
        ['speaker   fear', 'emodb-03     7', 'emodb-08    11']
    """
    table = [header, *rows]
    widths = [max(cell_len(row[i]) for row in table) for i in range(len(header))]
    if left >= len(header):
        return [_with_wrapped_end(table, widths, width)]
    return [
        [_GAP.join(_cell(row[i], widths[i], i >= left) for i in block).rstrip() for row in table]
        for block in _blocks(widths, left, width)
    ]


def _blocks(widths: Sequence[int], left: int, width: int) -> list[list[int]]:
    """Which columns stand beside each other: the words in each block, the numbers in one."""
    words = list(range(left))
    used = sum(widths[i] + len(_GAP) for i in words)
    blocks, room = [words[:]], width - used
    for i in range(left, len(widths)):
        if widths[i] > room and len(blocks[-1]) > left:
            blocks.append(words[:])
            room = width - used
        blocks[-1].append(i)
        room -= widths[i] + len(_GAP)
    return blocks


def _cell(text: str, width: int, right: bool) -> str:
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)


def _with_wrapped_end(
    table: Sequence[Sequence[str]], widths: Sequence[int], width: int
) -> list[str]:
    start = sum(each + len(_GAP) for each in widths[:-1])
    room = max(width - start, _LEAST_TEXT)
    lines = []
    for row in table:
        beginning = "".join(
            _cell(text, each, right=False) + _GAP
            for text, each in zip(row[:-1], widths[:-1], strict=True)
        )
        for piece in _wrapped(row[-1], room):
            lines.append((beginning + piece).rstrip())
            beginning = " " * start
    return lines


def _wrapped(text: str, room: int) -> list[str]:
    """Cuts a text between words.

    Example:
        >>> _wrapped("research only, by agreement", 15)
        ['research only,', 'by agreement']
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if cell_len(longer) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
