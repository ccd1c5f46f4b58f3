"""Figures as SVG that is the same, byte for byte, whenever it is drawn.

Text stays text and takes the reader's fonts. Ink and paper are two colours of their own, so that a
page can put its light or dark ones in their place.
"""

import html
import io
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the report imports matplotlib only when it draws
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1d1d1e"
PAPER = "#fefefe"
GRID = "#8f8f92"  # in sight on white and on black
# Told apart by people who do not see all colours (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
DPI = 72  # of pictures within a figure

_FONT = "'DejaVu Sans', sans-serif"
_PRECISE = re.compile(r"(?<=[ \"(-])\d+\.\d{3,}(?=[ \"\n,)]|$)", re.MULTILINE)

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "seqcap",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "legend.frameon": False,
    "grid.color": GRID,
    "grid.alpha": 0.4,
    "grid.linewidth": 0.6,
    "image.interpolation": "nearest",
    "path.simplify": False,
}


@contextmanager
def report_style() -> Iterator[None]:
    """Draws in the report's style what is drawn inside; also to put before a function."""
    from matplotlib import rc_context

    with rc_context(_STYLE):
        yield


def new_figure(width_in: float, height_in: float) -> "Figure":
    """Makes an empty figure; not pyplot's, so that no state is left.

    Args:
        width_in: Inches; 8 fill the page.
        height_in: Inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained", dpi=DPI)


def panels(figure: "Figure", count: int, columns: int, **shared: str | bool) -> list["Axes"]:
    """Divides a figure into panels of equal size, row by row.

    Args:
        figure: An empty one.
        count: How many panels are used.
        columns: Side by side.
        **shared: `sharex`, `sharey`, as matplotlib takes them.
    """
    rows = -(-count // columns)
    axes = list(figure.subplots(rows, columns, squeeze=False, **shared).flat)  # type: ignore[call-overload]
    for unused in axes[count:]:
        unused.remove()
    for place, one in enumerate(axes[:count]):
        one.grid(True)
        if shared.get("sharex"):
            one.tick_params(labelbottom=place + columns >= count)
    return axes[:count]


def in_lines(label: str, width: int = 26) -> str:
    r"""Breaks a long label into lines.

    Args:
        label: Of an entry, any length.
        width: Characters of a line; a panel of three side by side takes 26.

    Example:
        >>> in_lines("CNN_SeqCap, windows of 40 steps")
        'CNN_SeqCap, windows of 40\nsteps'
    """
    return textwrap.fill(label, width, break_on_hyphens=False)


def as_svg(figure: "Figure") -> str:
    """Writes a figure as SVG without date or program, to a hundredth of a point.

    Args:
        figure: Any of matplotlib's.
    """
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(stream, format="svg", metadata=nothing)
    text = re.sub(r"^ +| +$", "", stream.getvalue(), flags=re.MULTILINE)
    text = _PRECISE.sub(_hundredths, text)
    # Unused names are removed, and what all text shares is written once.
    text = re.sub(r'<g id="[^"]*">', "<g>", text).replace(f" font-family: {_FONT};", "")
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)
    return text.replace("<svg ", f'<svg font-family="{_FONT}" ', 1)


def _hundredths(number: "re.Match[str]") -> str:
    return f"{float(number.group()):.2f}".rstrip("0").rstrip(".")


def inline_svg(svg: str, prefix: str, label: str) -> str:
    """Makes an SVG file fit into a page: its own names, the page's ink and paper.

    Args:
        svg: As `as_svg` writes it.
        prefix: Put before every name in it, for names are shared by all of a page.
        label: What is read to those who do not see it.
    """
    text = svg[svg.index("<svg") :]
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'(url\(|href=")#', rf"\1#{prefix}", text)
    text = text.replace(INK, "currentColor").replace(PAPER, "none")
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
