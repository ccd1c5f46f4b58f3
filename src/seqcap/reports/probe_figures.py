"""The position probe's two figures: the stimuli, and the accuracy of the systems."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from seqcap.audio.spectrogram import FRAMES_PER_S, log_spectrogram
from seqcap.experiments.probe_voice import PLACES, Places, draw_voice, speak
from seqcap.reports.probe_findings import CHANCE, Probed, accuracy
from seqcap.reports.report_drawing import (
    COLOURS,
    INK,
    as_svg,
    new_figure,
    panels,
    report_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from seqcap.reports.experiment_results import EntryResults

_WIDTH_IN = 8.0
_SHOWN = 0  # random seed of voice and utterance
_SHOWN_HZ = 2000  # the harmonics below are easy to tell apart


@report_style()
def draw_utterances(probes: Sequence[Places]) -> str:
    """Draws an utterance of each position as a spectrogram with its pitch.

    Args:
        probes: The probes, a row of panels each.

    Returns:
        The figure as SVG.
    """
    figure = new_figure(_WIDTH_IN, 0.4 + 1.9 * len(probes))
    axes = iter(panels(figure, len(PLACES) * len(probes), len(PLACES)))
    for places in probes:
        for place in PLACES:
            one = next(axes)
            # The same draws for every position, so that nothing else differs.
            drawn = np.random.default_rng(_SHOWN)
            utterance = speak(draw_voice(drawn), places, place, drawn)
            shown = log_spectrogram(utterance.waveform)[:, : _SHOWN_HZ // 10]
            extent = (0, len(shown) / FRAMES_PER_S, 0, _SHOWN_HZ)
            one.imshow(shown.T, origin="lower", aspect="auto", extent=extent, cmap="Greys")
            one.plot(utterance.times_s, utterance.pitch_hz, color=COLOURS[1], linewidth=2)
            one.set_title(f"{places.name}: {place}")
            one.set_xlabel("s")
            one.grid(False)
            if place == PLACES[0]:
                one.set_ylabel("Hz")
    return as_svg(figure)


@report_style()
def draw_results(all_probed: Sequence[Probed]) -> str:
    """Draws each system's accuracy on test speakers and its learning curve on validation speakers.

    Args:
        all_probed: Probes with at least one result, a row of two panels each.

    Returns:
        The figure as SVG.
    """
    figure = new_figure(_WIDTH_IN, 0.3 + 2.6 * len(all_probed))
    axes = panels(figure, 2 * len(all_probed), 2)
    for row, probed in enumerate(all_probed):
        bars, curves = axes[2 * row : 2 * row + 2]
        for place, entry in enumerate(probed.plan.done):
            colour = COLOURS[place % len(COLOURS)]
            _draw_accuracy(bars, probed, entry.label, place, colour)
            _draw_curve(curves, entry, colour)
        bars.set_xticks(range(len(probed.plan.done)), [e.label for e in probed.plan.done])
        bars.set_title(f"{probed.places.name}: test speakers")
        curves.set_title(f"{probed.places.name}: validation, each seed and mean")
        curves.set_xlabel("epoch")
        for one in (bars, curves):
            one.axhline(CHANCE, color=INK, linestyle=":", linewidth=1)
            one.set_ylim(0, 1.02)
            one.set_ylabel("accuracy")
        curves.locator_params(axis="x", integer=True)
        curves.legend(loc="lower right", fontsize="small")
    return as_svg(figure)


def _draw_accuracy(axes: "Axes", probed: Probed, label: str, place: int, colour: str) -> None:
    spread = accuracy(probed, label)
    axes.bar(place, spread.pooled, color=colour, width=0.6)
    if spread.interval is not None:
        low, high = spread.interval
        error = [[spread.pooled - low], [high - spread.pooled]]
        axes.errorbar(place, spread.pooled, error, color=INK, capsize=4)


def _draw_curve(axes: "Axes", entry: "EntryResults", colour: str) -> None:
    curves = {}
    for run in entry.done:
        if not run.curves.empty:
            curves[run.seed] = run.curves.groupby("epoch")["validation_wa"].last()
    table = pd.DataFrame(curves)
    axes.plot(table.index + 1, table, color=colour, linewidth=0.6, alpha=0.6)
    axes.plot(table.index + 1, table.mean(axis=1), color=colour, linewidth=2, label=entry.label)
