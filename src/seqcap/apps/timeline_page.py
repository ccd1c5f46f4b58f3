"""Answers as one self-contained HTML page: a player and a time line for each recording."""

import base64
import html
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import soundfile

from seqcap.apps.timeline_picture import PLOT_LEFT, PLOT_WIDTH, WIDTH, as_svg
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.recognition.recordings import Segment

if TYPE_CHECKING:
    from seqcap.recognition.answers import Answer

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Emotions</title>
<style>
body { font-family: sans-serif; max-width: 1000px; margin: 1em auto; padding: 0 1em; }
section { margin-bottom: 2.5em; }
audio, svg { width: 100%; }
svg { cursor: pointer; }
table { border-collapse: collapse; }
td, th { padding: .1em .8em .1em 0; text-align: right; }
td:last-child, th:last-child { text-align: left; }
tr.now { background: #fff3bf; }
</style>
</head>
<body>
<h1>Emotions</h1>
<p>Click into a time line to play from there. Grey: no speech.</p>
"""
_TAIL = f"""<script>
for (const section of document.querySelectorAll("section")) {{
  const audio = section.querySelector("audio"), svg = section.querySelector("svg");
  const start = Number(svg.dataset.start), end = Number(svg.dataset.end);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("stroke", "black");
  svg.append(line);
  svg.addEventListener("click", event => {{
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * {WIDTH};
    audio.currentTime = Math.max(0, (x - {PLOT_LEFT}) / {PLOT_WIDTH} * (end - start));
    audio.play();
  }});
  audio.addEventListener("timeupdate", () => {{
    const x = {PLOT_LEFT} + {PLOT_WIDTH} * audio.currentTime / (end - start);
    line.setAttribute("d", `M${{x}} 40v170`);
    for (const row of section.querySelectorAll("tr[data-start]")) {{
      const at = start + audio.currentTime;
      row.classList.toggle("now", at >= row.dataset.start && at < row.dataset.end);
    }}
  }});
}}
</script>
</body>
</html>
"""


def page_parts(
    results: Iterable[tuple[Mapping[str, Any], Segment, "Answer"]],
) -> Iterator[str]:
    """Writes the page, recording by recording; the sound is in it as 16-kHz FLAC.

    Args:
        results: Columns, segment and answer of each recording.
    """
    yield _HEAD
    for columns, segment, answer in results:
        svg = as_svg(answer, segment, columns)
        yield f"<section>\n{svg}{_player(segment)}{_rows(answer)}</section>\n"
    yield _TAIL


def _player(segment: Segment) -> str:
    waveform = load_waveform(
        segment.source, start_s=segment.start_s, end_s=segment.end_s, channel=segment.channel
    )
    content = io.BytesIO()
    soundfile.write(content, waveform.clip(-1, 1), SAMPLE_RATE_HZ, "PCM_16", format="FLAC")
    data = base64.b64encode(content.getvalue()).decode("ascii")
    return f'<audio controls preload="metadata" src="data:audio/flac;base64,{data}"></audio>\n'


def _rows(answer: "Answer") -> str:
    emotions = list(answer.probabilities)
    header = "".join(f"<th>{html.escape(emotion)}</th>" for emotion in emotions)
    lines = [f"<table>\n<tr><th>seconds</th>{header}<th>predicted</th></tr>\n"]
    for piece in answer.timeline or (answer,):
        cells = "".join(f"<td>{_percent(piece.probabilities[one])}</td>" for one in emotions)
        lines.append(
            f'<tr data-start="{piece.start}" data-end="{piece.end}"><td>{piece.start:.1f}–'
            f"{piece.end:.1f}</td>{cells}<td>{html.escape(piece.predicted)}</td></tr>\n"
        )
    return "".join([*lines, "</table>\n"])


def _percent(probability: float) -> str:
    return "" if probability != probability else f"{probability:.0%}"  # NaN: no speech
