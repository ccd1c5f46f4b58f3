"""Why an answer came out, as one picture: waveform, spectrogram and map, evidence by emotion."""

import html
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqcap.audio.spectrogram import FRAMES_PER_S, FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.errors import SettingsError
from seqcap.files import atomic_write
from seqcap.recognition.explanation import Explanation
from seqcap.reports.report_drawing import INK, new_figure, report_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png", ".html")
_BINS_PER_KHZ = 100
_SMOOTHED = (5, 11)  # frames and bins that the map is averaged over, odd


def check_explanation_ending(path: Path) -> None:
    """Refuses a figure that cannot be written, before anything is computed for it.

    Raises:
        SettingsError: Another ending than `.svg`, `.png` or `.html`.
    """
    if path.suffix.lower() not in FORMATS:
        raise SettingsError(f"{path}: ends in '{path.suffix}'; {', '.join(FORMATS)} is expected")


@report_style()
def write_explanation_figure(explanation: Explanation, path: Path) -> None:
    """Draws an explanation.

    Args:
        explanation: As `Recognizer.explain` gives it.
        path: `.svg`, `.png`, or `.html`, a page that needs no other file.
    """
    figure = _draw(explanation)
    with atomic_write(path) as scratch:
        if path.suffix.lower() == ".png":
            figure.savefig(scratch, format="png", metadata={"Software": None})
            return
        figure.savefig(scratch, format="svg", metadata={"Date": None})
        if path.suffix.lower() == ".html":
            scratch.write_text(_page(explanation, scratch.read_text("utf-8")), "utf-8")


def _draw(explanation: Explanation) -> "Figure":
    emotions = tuple(explanation.answer.probabilities)
    has_windows = len(explanation.evidence) > 0
    heights = [1.0, 2.0, 2.0, *([0.35 * len(emotions)] if has_windows else [])]
    figure = new_figure(8, 1.1 * sum(heights) + 1)
    all_axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    probability = explanation.answer.probabilities[explanation.emotion]
    figure.suptitle(
        f"{Path(explanation.answer.file).name}: {explanation.emotion} {probability:.2f}",
        x=0.01,
        ha="left",
    )
    _draw_waveform(all_axes[0], explanation)
    _draw_map(all_axes[1], explanation, explanation.spectrogram, "Greys", (-1.5, 3.0))
    all_axes[1].set_title("Spectrogram as the model sees it")
    shown = smoothed(explanation.integrated)
    greatest = float(np.abs(shown).max()) or 1.0
    _draw_map(all_axes[2], explanation, shown, "RdBu_r", (-greatest, greatest))
    all_axes[2].set_title(
        f"For (red) and against (blue) {explanation.emotion}: integrated gradients"
    )
    if has_windows:
        _draw_evidence(all_axes[3], explanation, emotions)
    all_axes[-1].set_xlabel("s")
    return figure


def _draw_waveform(axes: "Axes", explanation: Explanation) -> None:
    samples = explanation.waveform
    size = max(1, len(samples) // 1000)
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    times = explanation.answer.start + np.arange(len(blocks)) * size / SAMPLE_RATE_HZ
    axes.fill_between(times, blocks.min(1), blocks.max(1), color=INK, linewidth=0.3)
    axes.set_yticks([])
    axes.set_title("Waveform")


def _draw_map(
    axes: "Axes",
    explanation: Explanation,
    values: FloatArray,
    colours: str,
    limits: tuple[float, float],
) -> None:
    """Draws ``(frame, bin)`` where the frames stand; what the model does not see stays empty."""
    places = np.rint(explanation.times_s * FRAMES_PER_S).astype(int)
    canvas = np.full((places[-1] + 1 - places[0], values.shape[1]), np.nan)
    canvas[places - places[0]] = values
    end_s = (places[-1] + 1) / FRAMES_PER_S
    axes.imshow(
        canvas.T,
        origin="lower",
        aspect="auto",
        extent=(places[0] / FRAMES_PER_S, end_s, 0.0, values.shape[1] / _BINS_PER_KHZ),
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
    )
    axes.set_ylabel("kHz")


def _draw_evidence(axes: "Axes", explanation: Explanation, emotions: tuple[str, ...]) -> None:
    """A band for each emotion: what every moment's windows add to it."""
    frames, evidence = explanation.window_frames, explanation.evidence
    starts_s = explanation.times_s[frames[:, 0]]
    end_s = explanation.times_s[frames[-1, 1] - 1] + 1 / FRAMES_PER_S
    greatest = float(np.abs(evidence).max()) or 1.0
    # A window is drawn where it begins, as long as the shift to the next one.
    axes.pcolormesh(
        np.append(starts_s, end_s),
        np.arange(len(emotions) + 1),
        evidence.T,
        cmap="RdBu_r",
        vmin=-greatest,
        vmax=greatest,
    )
    axes.set_yticks(np.arange(len(emotions)) + 0.5, emotions)
    axes.invert_yaxis()
    axes.set_title("What each window of the capsules adds: for (red) and against (blue)")


def smoothed(values: FloatArray) -> FloatArray:
    """Running means over 5 frames and 11 bins, ``(frame, bin)``: single points cannot be seen.

    Example:
        >>> smoothed(np.ones((12, 512), np.float32)).shape
        (12, 512)
    """
    for axis, width in enumerate(_SMOOTHED):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (width // 2, width // 2)
        padded = np.pad(values, padding, mode="edge")
        values = np.lib.stride_tricks.sliding_window_view(padded, width, axis).mean(
            -1, dtype=np.float32
        )
    return values


def _page(explanation: Explanation, svg: str) -> str:
    answer = explanation.answer
    title = html.escape(f"{Path(answer.file).name}: {answer.predicted}")
    rows = "".join(
        f"<tr><td>{html.escape(emotion)}</td><td>{p:.3f}</td></tr>"
        for emotion, p in answer.probabilities.items()
    )
    picture = svg[svg.index("<svg") :]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:52rem;margin:1rem auto;"
        "padding:0 1rem}svg{width:100%;height:auto}td{padding:0 1rem 0 0}</style>"
        f"<h1>{title}</h1><table>{rows}</table>{picture}"
        f"<p>Explained: {html.escape(explanation.emotion)}. What each part of this picture is worth"
        " was measured by benchmarks/explanation.py.</p></html>\n"
    )
