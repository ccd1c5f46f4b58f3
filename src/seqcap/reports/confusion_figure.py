"""Confusion matrices as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqcap.errors import SettingsError
from seqcap.files import atomic_write
from seqcap.reports.report_drawing import new_figure, report_style
from seqcap.scoring.metrics import recalls

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png", ".pdf")


def check_figure_ending(path: Path) -> None:
    """Refuses a figure that cannot be written, before anything is computed for it.

    Raises:
        SettingsError: Another ending than `.svg`, `.png` or `.pdf`.
    """
    if path.suffix.lower() not in FORMATS:
        raise SettingsError(f"{path}: ends in '{path.suffix}'; {', '.join(FORMATS)} is expected")


@report_style()
def write_confusion_figure(
    corpora: Mapping[str, Mapping[str, Any]], emotions: Sequence[str], path: Path
) -> None:
    """Draws one confusion matrix for each corpus: shares of a row, with counts.

    Args:
        corpora: By corpus or "all", what `scores` gives.
        emotions: In the order of the matrices.
        path: `.svg`, `.png` or `.pdf`, see `check_figure_ending`.
    """
    side_in = 1.4 + 0.7 * len(emotions)
    figure = new_figure(side_in * len(corpora), side_in)
    for axes, (corpus, score) in zip(
        figure.subplots(1, len(corpora), squeeze=False)[0], corpora.items(), strict=True
    ):
        counts = np.asarray(score["confusion"])
        draw_matrix(axes, counts, emotions)
        axes.set_title(f"{corpus}: UA {np.nanmean(recalls(counts)):.3f}")
        axes.set_xlabel("predicted")
        axes.set_ylabel("actual")
    with atomic_write(path) as scratch:
        figure.savefig(scratch, format=path.suffix[1:].lower())


def draw_matrix(
    axes: "Axes", counts: NDArray[np.int64], emotions: Sequence[str], size: str = "medium"
) -> None:
    """Draws one confusion matrix as a heat map, with percentages and counts.

    Args:
        axes: Where.
        counts: Shape ``(actual emotion, predicted emotion)``; a last column may count utterances
            without an answer, which belong to the row but are not drawn.
        emotions: In the order of the matrix.
        size: Of the text, as matplotlib names it.
    """
    shares = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))[:, : len(emotions)]
    # Squares and no picture: they stay sharp, and need no bytes for their pixels.
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        axes.text(
            column + 0.5, row + 0.5, f"{100 * share:.0f}\n{counts[row, column]}", ha="center",
            va="center", fontsize=size, color="#ffffff" if share > 0.5 else "#000000",
        )  # fmt: skip
    places = np.arange(len(emotions)) + 0.5
    axes.set_xticks(places, emotions, rotation=45, ha="right", fontsize=size)
    axes.set_yticks(places, emotions, fontsize=size)
    axes.set_aspect("equal")
    axes.invert_yaxis()
