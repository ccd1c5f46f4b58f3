"""Confusion matrices as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqcap.errors import SettingsError
from seqcap.files import atomic_write
from seqcap.reports.report_drawing import INK, PAPER, new_figure, report_style
from seqcap.scoring.metrics import recalls

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
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        shares = shares[:, : len(emotions)]  # without what has no answer
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            axes.text(
                column,
                row,
                f"{share:.0%}\n{counts[row, column]}",
                ha="center",
                va="center",
                color=PAPER if share > 0.5 else INK,
            )
        axes.set_title(f"{corpus}: UA {np.nanmean(recalls(counts)):.3f}")
        axes.set_xticks(range(len(emotions)), emotions, rotation=45, ha="right")
        axes.set_yticks(range(len(emotions)), emotions)
        axes.set_xlabel("predicted")
        axes.set_ylabel("actual")
    with atomic_write(path) as scratch:
        figure.savefig(scratch, format=path.suffix[1:].lower())
