"""The time line of a recording as a PNG: what `timeline_picture` draws, by matplotlib."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqcap.apps.timeline_picture import (
    HEIGHT,
    PLOT_HEIGHT,
    PLOT_LEFT,
    PLOT_WIDTH,
    TOP,
    WIDTH,
    colours_of,
    is_pause,
    ranges_of,
    title_of,
)
from seqcap.recognition.recordings import Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from seqcap.recognition.answers import Answer

_DPI = 100
_SCALE = 2  # pixels of the image for one of the SVG


def as_png(answer: "Answer", segment: Segment, columns: Mapping[str, Any]) -> bytes:
    """Draws an answer; needs matplotlib (extra `train`).

    Args:
        answer: Of the segment, with a timeline or without.
        segment: Whose waveform is drawn.
        columns: Speaker and channel stand in the title.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    size_in = (WIDTH / _DPI, HEIGHT / _DPI)
    with rc_context({"font.family": "sans-serif", "font.size": 9.0, "axes.titlesize": 9.0}):
        figure = Figure(figsize=size_in, dpi=_DPI)
        bottom = HEIGHT - TOP - PLOT_HEIGHT
        place = (PLOT_LEFT / WIDTH, bottom / HEIGHT, PLOT_WIDTH / WIDTH, PLOT_HEIGHT / HEIGHT)
        axes = figure.add_axes(place)
        _draw(axes, answer, segment)
        title = title_of(answer, columns)
        figure.text(PLOT_LEFT / WIDTH, 1 - 16 / HEIGHT, title, parse_math=False)
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=_SCALE * _DPI, metadata={"Software": None})
    return content.getvalue()


def _draw(axes: "Axes", answer: "Answer", segment: Segment) -> None:
    pieces = answer.timeline or (answer,)
    end_s = max(answer.end, answer.start + 1e-3)
    low, high = ranges_of(segment, end_s - answer.start)
    peak = max(float(high.max()), -float(low.min()), 1e-9)
    times_s = np.linspace(answer.start, end_s, len(low))
    axes.fill_between(
        times_s, 0.5 + low / peak / 2, 0.5 + high / peak / 2, color="#b9cfe4", linewidth=0.5
    )
    for piece in pieces:
        if is_pause(piece):
            axes.axvspan(piece.start, piece.end, color="#dddddd", linewidth=0, zorder=0)
    _draw_lines(axes, pieces)
    axes.set(xlim=(answer.start, end_s), ylim=(0, 1), xlabel="s")
    axes.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
    axes.spines[["top", "right"]].set_visible(False)


def _draw_lines(axes: "Axes", pieces: Sequence["Answer"]) -> None:
    """Steps, one for each piece; nothing in pauses."""
    for emotion, colour in colours_of(pieces[0].probabilities).items():
        times_s: list[float] = []
        values: list[float] = []
        for piece in pieces:
            value = float("nan") if is_pause(piece) else piece.probabilities[emotion]
            times_s += [piece.start, piece.end]
            values += [value, value]
        axes.plot(times_s, values, color=colour, linewidth=1.5, label=emotion, clip_on=False)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=len(pieces[0].probabilities),
        frameon=False, borderpad=0, borderaxespad=0.2, handlelength=0, handletextpad=0,
        labelcolor="linecolor",
    )  # fmt: skip
