"""A report as one page that needs nothing else: style and figures are inside."""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template

from seqcap.reports.report_blocks import Block, Figure, Heading, Table, Text
from seqcap.reports.report_drawing import inline_svg

_MANY_COLUMNS = 9
_NARROW_CHARACTERS = 48  # of a row that fits a screen of 400 pixels
_WIDE_CHARACTERS = 130  # of a row that does not fit 1,280 pixels without breaking its cells
_PAGE = Path(__file__).parent / "report_page.html"


def as_html(blocks: Sequence[Block], title: str) -> str:
    """Writes blocks as a page, with a list of its sections in front.

    Args:
        blocks: All that the report says.
        title: Of the page.
    """
    page = Template(_PAGE.read_text("utf-8"))
    return page.substitute(
        title=html.escape(title),
        contents=_contents(blocks),
        body="\n".join(_block(block, place) for place, block in enumerate(blocks)),
    )


def _contents(blocks: Iterable[Block]) -> str:
    return "\n".join(
        f'<li class="level{block.level}"><a href="#s{place}">{_marked_up(block.text)}</a></li>'
        for place, block in enumerate(blocks)
        if isinstance(block, Heading) and block.level > 1
    )


def _block(block: Block, place: int) -> str:
    match block:
        case Heading(level, text):
            return f'<h{level} id="s{place}">{_marked_up(text)}</h{level}>'
        case Text(text):
            return f"<p>{_marked_up(text)}</p>"
        case Table():
            return _table(block)
        case Figure(_, svg, caption):
            drawing = inline_svg(svg, f"f{place}-", caption)
            return f"<figure>{drawing}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _table(table: Table) -> str:
    head = "".join(
        f'<th class="word">{_marked_up(cell)}</th>'
        if place < table.left
        else f"<th>{_marked_up(cell)}</th>"
        for place, cell in enumerate(table.header)
    )
    rows = "\n".join(f"<tr>{_cells(row, table)}</tr>" for row in table.rows)
    characters = _characters(table)
    many = len(table.header) > _MANY_COLUMNS or characters > _WIDE_CHARACTERS
    kind = "dense" if many else "usual"
    if characters <= _NARROW_CHARACTERS:
        kind = "narrow"
    return (
        f'<div class="wide {kind}"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _characters(table: Table) -> int:
    """How wide a table is: the longest cells of all columns, and a little between them."""
    columns = zip(table.header, *table.rows, strict=True)
    return sum(max(map(len, column)) + 1 for column in columns)


def _cells(row: Sequence[str], table: Table) -> str:
    """Cells with the heading of their column, which narrow screens show before them."""
    cells = []
    for place, (cell, heading) in enumerate(zip(row, table.header, strict=True)):
        kind = ' class="word"' if place < table.left else ""
        label = f' data-of="{html.escape(heading)}"' if place and cell and heading else ""
        cells.append(f"<td{kind}{label}>{_marked_up(cell)}</td>")
    return "".join(cells)


def _marked_up(text: str) -> str:
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text, quote=False))
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
