"""The time line of a recording as an SVG: probabilities over the waveform, pauses grey."""

import html
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqcap.audio.waveform import SAMPLE_RATE_HZ, waveform_blocks
from seqcap.recognition.recordings import Segment

if TYPE_CHECKING:
    from seqcap.recognition.answers import Answer

WIDTH, PLOT_LEFT, PLOT_WIDTH = 1000, 50, 930
HEIGHT, TOP, PLOT_HEIGHT = 260, 40, 170
_COLOURS = {
    "neutral": "#666666",
    "calm": "#17a2b8",
    "anger": "#c0392b",
    "happiness": "#d39e00",
    "sadness": "#2e6fba",
    "fear": "#7d3c98",
    "disgust": "#4d8b31",
    "surprise": "#e67e22",
    "boredom": "#8d6e63",
}
_OTHER_COLOURS = ("#00695c", "#ad1457", "#283593", "#827717")


def as_svg(answer: "Answer", segment: Segment, columns: Mapping[str, Any]) -> str:
    """Draws an answer; each probability is a line of steps, one for each piece.

    Args:
        answer: Of the segment, with a timeline or without.
        segment: Whose waveform is drawn.
        columns: Speaker and channel stand in the title.
    """
    start_s, duration_s = answer.start, max(answer.end - answer.start, 1e-3)
    pieces = answer.timeline or (answer,)
    title = html.escape(title_of(answer, columns))

    def x(time_s: float) -> float:
        return PLOT_LEFT + PLOT_WIDTH * (time_s - start_s) / duration_s

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'data-start="{start_s}" data-end="{answer.end}" font-family="sans-serif" font-size="13">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{PLOT_LEFT}" y="16">{title}</text>',
        *(_pause(x(piece.start), x(piece.end)) for piece in pieces if is_pause(piece)),
        _waveform(segment, duration_s),
        *_lines(pieces, x),
        *_axes(start_s, duration_s, x),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def title_of(answer: "Answer", columns: Mapping[str, Any]) -> str:
    """The recording's name, with speaker and channel."""
    marks = [f"{key} {columns[key]}" for key in ("speaker", "channel") if columns.get(key)]
    return " ".join([answer.file, *marks]).encode("utf-8", "replace").decode()


def colours_of(emotions: Iterable[str]) -> dict[str, str]:
    """The colour of each emotion's line; known emotions have the same in all models.

    Example:
        >>> colours_of(["anger", "awe"])
        {'anger': '#c0392b', 'awe': '#00695c'}
    """
    others = itertools.cycle(_OTHER_COLOURS)
    return {emotion: _COLOURS.get(emotion) or next(others) for emotion in emotions}


def is_pause(piece: "Answer") -> bool:
    """Whether there is no speech: no probabilities, or all alike as in digital silence."""
    values = list(piece.probabilities.values())
    return any(map(math.isnan, values)) or len(set(values)) == 1


def _pause(left: float, right: float) -> str:
    return (
        f'<rect class="pause" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" '
        f'height="{PLOT_HEIGHT}" fill="#dddddd"/>'
    )


def _waveform(segment: Segment, duration_s: float) -> str:
    """The range of samples at each of the plot's pixels, the loudest as high as the plot."""
    low, high = ranges_of(segment, duration_s)
    peak = max(float(high.max()), -float(low.min()), 1e-9)
    middle, half = TOP + PLOT_HEIGHT / 2, PLOT_HEIGHT / 2
    places = [*range(PLOT_WIDTH), *reversed(range(PLOT_WIDTH))]
    values = np.concatenate((high, low[::-1]))
    points = " ".join(
        f"{PLOT_LEFT + place},{middle - half * value / peak:.1f}"
        for place, value in zip(places, values, strict=True)
    )
    return f'<polygon class="waveform" points="{points}" fill="#b9cfe4" opacity="0.8"/>'


def ranges_of(segment: Segment, duration_s: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """The least and the greatest sample at each pixel of the plot."""
    low, high = np.zeros(PLOT_WIDTH), np.zeros(PLOT_WIDTH)
    per_pixel = duration_s * SAMPLE_RATE_HZ / PLOT_WIDTH
    at = 0
    for block in waveform_blocks(
        segment.source,
        start_s=segment.start_s,
        end_s=segment.end_s,
        channel=segment.channel,
        warn=False,
    ):
        places = np.minimum(
            (np.arange(at, at + len(block)) / per_pixel).astype(int), PLOT_WIDTH - 1
        )
        np.minimum.at(low, places, block)
        np.maximum.at(high, places, block)
        at += len(block)
    return low, high


def _lines(pieces: Sequence["Answer"], x: Any) -> list[str]:
    parts, left = [], PLOT_LEFT
    for emotion, colour in colours_of(pieces[0].probabilities).items():
        path, drawing = "", False
        for piece in pieces:
            if is_pause(piece):
                drawing = False
                continue
            y = TOP + PLOT_HEIGHT * (1 - piece.probabilities[emotion])
            path += f"{'L' if drawing else 'M'}{x(piece.start):.1f} {y:.1f}H{x(piece.end):.1f}"
            drawing = True
        parts.append(
            f'<path class="{html.escape(emotion)}" d="{path}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>'
        )
        parts.append(f'<text x="{left}" y="33" fill="{colour}">{html.escape(emotion)}</text>')
        left += 9 * len(emotion) + 14
    return parts


def _axes(start_s: float, duration_s: float, x: Any) -> list[str]:
    bottom = TOP + PLOT_HEIGHT
    parts = [
        f'<path d="M{PLOT_LEFT} {TOP}V{bottom}H{PLOT_LEFT + PLOT_WIDTH}" fill="none" '
        'stroke="#333333"/>'
    ]
    for share in (0, 0.5, 1):
        y = bottom - share * PLOT_HEIGHT + 4
        parts.append(f'<text x="{PLOT_LEFT - 6}" y="{y:.0f}" text-anchor="end">{share:.0%}</text>')
    step_s = _tick_s(duration_s)
    for number in range(math.ceil(start_s / step_s), int((start_s + duration_s) / step_s) + 1):
        at_s = number * step_s
        parts.append(f'<path d="M{x(at_s):.1f} {bottom}v5" stroke="#333333"/>')
        parts.append(
            f'<text x="{x(at_s):.1f}" y="{bottom + 18}" text-anchor="middle">{at_s:g}</text>'
        )
    parts.append(f'<text x="{PLOT_LEFT + PLOT_WIDTH}" y="{HEIGHT - 8}" text-anchor="end">s</text>')
    return parts


def _tick_s(duration_s: float) -> float:
    """The distance of ticks: about ten of them, at round seconds.

    Example:
        >>> _tick_s(2.6), _tick_s(95)
        (0.5, 10)
    """
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
    return next((step for step in steps if duration_s / step <= 12), 1800)
