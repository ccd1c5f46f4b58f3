"""What a report is made of, before it is Markdown or a page; and how its numbers are written.

Shares (WA, UA, recalls) are written in percent, differences in percentage points.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from seqcap.scoring.bootstrap import Interval

NOTHING = "–"


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the report's, 2 a plan's, 3 a section's."""

    level: int
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; `code` stands between backticks, **bold** words between asterisks."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table; the first columns, as many as `left`, are words, the others numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


@dataclass(frozen=True)
class Figure:
    """A drawing under a name that is good for a file, and what it shows."""

    name: str
    svg: str
    caption: str


Block = Heading | Text | Table | Figure


def percent(share: float | None) -> str:
    """Writes a share in percent.

    Example:
        >>> percent(0.7949), percent(None)
        ('79.5', '–')
    """
    return NOTHING if share is None or math.isnan(share) else f"{100 * share:.1f}"


def paper_percent(share: float | None) -> str:
    """Writes a share in percent with the two decimals of the paper's tables.

    Example:
        >>> paper_percent(0.5715), paper_percent(None)
        ('57.15', '–')
    """
    return NOTHING if share is None else f"{100 * share:.2f}"


def points(difference: float | None) -> str:
    """Writes a difference of shares in percentage points, with its sign.

    Example:
        >>> points(-0.0123), points(0.0)
        ('-1.2', '0.0')
    """
    if difference is None or math.isnan(difference):
        return NOTHING
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text


def mean_and_deviation(mean: float, deviation: float) -> str:
    """Writes a mean with its standard deviation, if there is one.

    Example:
        >>> mean_and_deviation(0.7, 0.05), mean_and_deviation(0.7, float("nan"))
        ('70.0 ± 5.0', '70.0')
    """
    return percent(mean) if math.isnan(deviation) else f"{percent(mean)} ± {percent(deviation)}"


def span(interval: Interval | None, signed: bool = False) -> str:
    """Writes an interval of shares, or of their differences.

    Example:
        >>> span((0.61, 0.7)), span((-0.01, 0.02), signed=True), span(None)
        ('61.0 to 70.0', '-1.0 to +2.0', '–')
    """
    if interval is None:
        return NOTHING
    low, high = map(points if signed else percent, interval)
    return f"{low} to {high}"


def p_value(p: float) -> str:
    """Writes a p value.

    Example:
        >>> p_value(0.0000012), p_value(0.0625), p_value(float("nan"))
        ('<0.001', '0.062', '–')
    """
    if math.isnan(p):
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def both_p(p: float, corrected: float) -> str:
    """Writes a p value and, in brackets, what is left of it among many.

    Example:
        >>> both_p(0.01, 0.03)
        '0.010 (0.030)'
    """
    return NOTHING if math.isnan(p) else f"{p_value(p)} ({p_value(corrected)})"


def number(value: float, decimals: int = 2) -> str:
    """Writes a number with its decimals.

    Example:
        >>> number(1234.567, 1), number(float("nan"))
        ('1,234.6', '–')
    """
    return NOTHING if math.isnan(value) else f"{value:,.{decimals}f}"


def listed(words: Iterable[object]) -> str:
    """Writes a list with commas; a dash where there is nothing."""
    return ", ".join(map(str, words)) or NOTHING
