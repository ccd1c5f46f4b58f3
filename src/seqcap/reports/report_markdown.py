"""A report as Markdown; figures are files beside it."""

from collections.abc import Iterable

from seqcap.reports.report_blocks import Block, Figure, Heading, Table, Text

FIGURES_FOLDER = "figures"


def as_markdown(blocks: Iterable[Block]) -> str:
    """Writes blocks as Markdown.

    Example:
        >>> print(as_markdown([Heading(1, "Title"), Table(("a", "b"), (("x", "1"),))]), end="")
        # Title
        <BLANKLINE>
        | a | b |
        |---|--:|
        | x | 1 |
    """
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Table():
            return _table(block)
        case Figure(name, _, caption):
            return f"![{caption}]({FIGURES_FOLDER}/{name}.svg)\n\n*{caption}*"


def _table(table: Table) -> str:
    rules = ["---"] * table.left + ["--:"] * (len(table.header) - table.left)
    lines = [_row(table.header), f"|{'|'.join(rules)}|", *map(_row, table.rows)]
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
