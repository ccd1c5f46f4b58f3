"""The report's figures, each drawn from numbers to SVG."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqcap.reports.confusion_figure import draw_matrix
from seqcap.reports.entry_scores import EntryScores, Spread
from seqcap.reports.report_drawing import (
    COLOURS,
    GRID,
    INK,
    as_svg,
    in_lines,
    new_figure,
    panels,
    report_style,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_WIDTH_IN = 8.0
_COLUMNS = 3
_BINS = 10
_SCORES = {"wa": "WA (accuracy) / %", "ua": "UA (mean recall) / %"}


@report_style()
def draw_scores(scored: Mapping[str, EntryScores], chance: Mapping[str, float]) -> str:
    """Draws pooled WA and UA of every entry with their intervals, and chance.

    Args:
        scored: By label, in the order from top to bottom.
        chance: WA and UA of guessing, 0 to 1, under "WA" and "UA".
    """
    figure = new_figure(_WIDTH_IN, 1.0 + 0.3 * len(scored))
    for axes, name in zip(panels(figure, 2, 2, sharey=True), ("wa", "ua"), strict=True):
        for place, scores in enumerate(scored.values()):
            _point(axes, getattr(scores, name), place, COLOURS[0])
        axes.axvline(100 * chance[name.upper()], color=GRID, linewidth=1.2, linestyle="--")
        axes.set_yticks(range(len(scored)), [in_lines(label, 32) for label in scored])
        axes.set_xlabel(_SCORES[name])
    axes.invert_yaxis()
    return as_svg(figure)


@report_style()
def draw_iterations(scored: Mapping[int, EntryScores]) -> str:
    """Draws WA and UA against iterations of routing, Fig. 7."""
    figure = new_figure(_WIDTH_IN * 0.7, 3.2)
    (axes,) = panels(figure, 1, 1)
    # Side by side, so that intervals do not hide one another.
    looks = (("wa", "o", COLOURS[0], -0.04), ("ua", "s", COLOURS[1], 0.04))
    for name, marker, colour, shift in looks:
        spreads: list[Spread] = [getattr(scores, name) for scores in scored.values()]
        places = [iterations + shift for iterations in scored]
        for place, one in zip(places, spreads, strict=True):
            low, high = one.interval or (one.pooled, one.pooled)
            axes.plot([place, place], [100 * low, 100 * high], color=colour, linewidth=1)
        values = [100 * one.pooled for one in spreads]
        axes.plot(
            places, values, color=colour, marker=marker, label=_SCORES[name].removesuffix(" / %")
        )
    axes.set_xticks(list(scored))
    axes.set_xlabel("iterations of routing")
    axes.set_ylabel("pooled score / %")
    axes.legend()
    return as_svg(figure)


@report_style()
def draw_curves(curves: Mapping[str, "pd.DataFrame"], lines: Mapping[str, str], label: str) -> str:
    """Draws what happened epoch by epoch, one panel an entry: mean and range over runs.

    Args:
        curves: By label; columns `epoch` and those to draw, one row an epoch and run.
        lines: Columns to draw and what they are called.
        label: Of the vertical axis.
    """
    columns = min(_COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure = new_figure(_WIDTH_IN, 0.6 + 1.8 * rows)
    all_axes = panels(figure, len(curves), columns, sharex=True, sharey=True)
    all_axes[0].locator_params(axis="x", integer=True)
    for axes, (name, table) in zip(all_axes, curves.items(), strict=True):
        axes.set_title(in_lines(name))
        for (column, called), colour in zip(lines.items(), COLOURS, strict=False):
            by_epoch = table.groupby("epoch")[column]
            low, mean, high = by_epoch.min(), by_epoch.mean(), by_epoch.max()
            axes.fill_between(low.index, low, high, color=colour, alpha=0.25, linewidth=0)
            axes.plot(mean.index, mean, color=colour, label=called)
    if len(lines) > 1:
        all_axes[0].legend(fontsize="small")
    figure.supxlabel("epoch", fontsize="medium", color=INK)
    figure.supylabel(label, fontsize="medium", color=INK)
    return as_svg(figure)


@report_style()
def draw_reliability(
    answers: Mapping[str, tuple[NDArray[np.float64], NDArray[np.int64]]],
) -> str:
    """Draws how often answers are right against how sure they are, one panel an entry.

    Args:
        answers: By label: probabilities ``(utterance, emotion)`` and actual emotions.
    """
    columns = min(_COLUMNS, len(answers))
    rows = -(-len(answers) // columns)
    figure = new_figure(_WIDTH_IN, 0.6 + 2.2 * rows)
    all_axes = panels(figure, len(answers), columns, sharex=True, sharey=True)
    for axes, (name, (probabilities, actual)) in zip(all_axes, answers.items(), strict=True):
        sure, right, counts = reliability(probabilities, actual)
        axes.set_title(in_lines(name))
        axes.plot([0, 1], [0, 1], color=GRID, linewidth=1, linestyle="--")
        axes.plot(sure, right, color=COLOURS[0], linewidth=1)
        axes.scatter(sure, right, s=4 + 60 * counts / counts.max(), color=COLOURS[0], linewidth=0)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.05)
    figure.supxlabel("confidence (probability of the answer)", fontsize="medium", color=INK)
    figure.supylabel("accuracy", fontsize="medium", color=INK)
    return as_svg(figure)


def reliability(
    probabilities: NDArray[np.float64], actual: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Puts answers into bins of equal width by how sure they are.

    Args:
        probabilities: Shape ``(utterance, emotion)``; rows of NaN have no answer and no bin.
        actual: Shape ``(utterance,)``.

    Returns:
        Of each bin with answers: mean probability, share right, number of answers.

    Example:
        >>> sure, right, counts = reliability(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1]))
        >>> sure.tolist(), right.tolist(), counts.tolist()
        ([0.75], [0.75], [4])
    """
    answered = ~np.isnan(probabilities).any(axis=1)
    probabilities, actual = probabilities[answered], actual[answered]
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == actual
    places = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(places, minlength=_BINS)
    there = counts > 0
    sums = (np.bincount(places, values, minlength=_BINS) for values in (confidence, correct))
    sure, right = (values[there] / counts[there] for values in sums)
    return sure, right, counts[there].astype(np.int64)


@report_style()
def draw_confusions(matrices: Mapping[str, NDArray[np.int64]], emotions: Sequence[str]) -> str:
    """Draws confusion matrices as heat maps, one panel an entry.

    Args:
        matrices: By label, shape ``(actual emotion, predicted emotion)``.
        emotions: In the order of the matrices.
    """
    columns = min(3 if len(emotions) < 5 else 2, len(matrices))
    rows = -(-len(matrices) // columns)
    side_in = _WIDTH_IN / max(2, columns)
    lines = max(in_lines(label).count("\n") for label in matrices)
    figure = new_figure(side_in * columns, 0.4 + (side_in + 0.17 * lines) * rows)
    for axes, (label, counts) in zip(
        panels(figure, len(matrices), columns), matrices.items(), strict=True
    ):
        axes.set_title(in_lines(label), fontsize="small")
        axes.grid(False)
        draw_matrix(axes, counts, emotions, "xx-small" if len(emotions) > 5 else "x-small")
    figure.supxlabel("predicted", fontsize="medium", color=INK)
    figure.supylabel("actual", fontsize="medium", color=INK)
    return as_svg(figure)


@report_style()
def draw_gradients(examples: Sequence[Mapping[str, Any]]) -> str:
    """Draws a spectrogram and beneath it the gradients of each system, Fig. 8.

    Args:
        examples: Of the same utterance: `label`, `spectrogram` and `gradient` ``(frame, bin)``,
            `frame_shift_s`, `bin_hz`, `predicted`.
    """
    figure = new_figure(_WIDTH_IN, 1.0 + 1.9 * (1 + len(examples)))
    all_axes = panels(figure, 1 + len(examples), 1, sharex=True)
    _picture(all_axes[0], examples[0], "spectrogram", "cividis")
    all_axes[0].set_title("log spectrogram")
    for axes, example in zip(all_axes[1:], examples, strict=True):
        _picture(axes, example, "gradient", "magma")
        axes.set_title(f"{example['label']}: predicted {example['predicted']}")
    all_axes[-1].set_xlabel("time / s")
    figure.supylabel("frequency / kHz", fontsize="medium", color=INK)
    return as_svg(figure)


def _point(axes: "Axes", spread: Spread, place: int, colour: str) -> None:
    if spread.interval is not None:
        low, high = spread.interval
        axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=1.2)
    axes.plot([100 * spread.pooled], [place], color=colour, marker="o", markersize=5)


def _picture(axes: "Axes", example: Mapping[str, Any], what: str, colours: str) -> None:
    values = np.asarray(example[what], float)
    if what == "gradient":
        values = np.abs(values)
    # The strongest hundredth is shown alike, so that one point does not darken all others.
    limits = np.percentile(values, [0 if what == "gradient" else 1, 99])
    frames, bins = values.shape
    extent = (0.0, frames * example["frame_shift_s"], 0.0, bins * example["bin_hz"] / 1000)
    axes.grid(False)
    axes.imshow(
        values.T, origin="lower", aspect="auto", extent=extent, cmap=colours,
        vmin=limits[0], vmax=limits[1],
    )  # fmt: skip
