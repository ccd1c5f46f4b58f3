"""Time lines as annotation tools and players read them, a file for each recording.

Praat (TextGrid), ELAN (EAF), WebVTT, SRT, and label tracks of Audacity.
"""

import datetime
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcap.apps.writers import Format

if TYPE_CHECKING:
    from seqcap.recognition.answers import Answer

Results = Sequence[tuple[Mapping[str, Any], "Answer"]]


@dataclass(frozen=True)
class Interval:
    """A part of a recording and its answer.

    Attributes:
        start_s: Where it begins.
        end_s: Where it ends.
        label: The answer.
        confidence: Its probability; NaN without speech.
    """

    start_s: float
    end_s: float
    label: str
    confidence: float

    @property
    def text(self) -> str:
        """The answer with its probability, for people."""
        return self.label if math.isnan(self.confidence) else f"{self.label} {self.confidence:.0%}"


def tiers_of(results: Results) -> dict[str, list[Interval]]:
    """Intervals of one recording by tier: of each speaker, of each channel, or of all.

    Args:
        results: Answers of one recording, with their columns; pieces where there is a timeline.

    Returns:
        Intervals in order of time that do not overlap within a tier.
    """
    tiers: dict[str, list[Interval]] = {}
    for columns, answer in results:
        if columns.get("speaker") and columns.get("turn", 0) is None:
            continue  # the answer of a speaker as a whole
        name = str(columns.get("speaker") or "emotion")
        if columns.get("channel"):
            name += f" {columns['channel']}"
        for piece in answer.timeline or (answer,):
            tiers.setdefault(name, []).append(
                Interval(piece.start, piece.end, piece.predicted, piece.confidence)
            )
    return {name: _apart(intervals) for name, intervals in tiers.items()}


def _apart(intervals: Sequence[Interval]) -> list[Interval]:
    result: list[Interval] = []
    for one in sorted(intervals, key=lambda interval: interval.start_s):
        start_s = max(one.start_s, result[-1].end_s) if result else one.start_s
        if start_s < one.end_s:
            result.append(Interval(start_s, one.end_s, one.label, one.confidence))
    return result


def as_textgrid(results: Results, length_s: float = 0.0) -> str:
    """Writes a TextGrid of Praat, long format; gaps are intervals without text.

    Args:
        results: Answers of one recording, with their columns.
        length_s: Of the recording, if it reaches beyond the last answer.
    """
    tiers = tiers_of(results)
    end_s = max(length_s, *(answer.end for _, answer in results))
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end_s:.3f}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(tiers.items(), 1):
        whole = _without_gaps(intervals, end_s)
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(name)}",
            "        xmin = 0",
            f"        xmax = {end_s:.3f}",
            f"        intervals: size = {len(whole)}",
        ]
        for place, one in enumerate(whole, 1):
            lines += [
                f"        intervals [{place}]:",
                f"            xmin = {one.start_s:.3f}",
                f"            xmax = {one.end_s:.3f}",
                f"            text = {_quoted(one.label)}",
            ]
    return "\n".join(lines) + "\n"


def _without_gaps(intervals: Sequence[Interval], end_s: float) -> list[Interval]:
    result: list[Interval] = []
    at_s = 0.0
    for one in [*intervals, Interval(end_s, end_s, "", math.nan)]:
        if one.start_s - at_s > 5e-4:
            result.append(Interval(at_s, one.start_s, "", math.nan))
        if one.end_s > one.start_s:
            result.append(one)
        at_s = one.end_s
    return result


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def as_eaf(results: Results) -> str:
    """Writes an annotation document of ELAN, EAF 3.0; times in milliseconds."""
    document = ET.Element(
        "ANNOTATION_DOCUMENT", AUTHOR="seqcap", DATE=_EPOCH, FORMAT="3.0", VERSION="3.0"
    )
    document.set("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
    document.set("xsi:noNamespaceSchemaLocation", "http://www.mpi.nl/tools/elan/EAFv3.0.xsd")
    header = ET.SubElement(document, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    file = Path(results[0][1].file)
    media = ET.SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=f"file://{file.absolute()}")
    media.set("MIME_TYPE", "audio/x-wav" if file.suffix.lower() == ".wav" else "unknown")
    media.set("RELATIVE_MEDIA_URL", f"./{file.name}")
    times = ET.SubElement(document, "TIME_ORDER")
    slots = 0

    def slot(time_s: float) -> str:
        nonlocal slots
        slots += 1
        name = f"ts{slots}"
        ET.SubElement(times, "TIME_SLOT", TIME_SLOT_ID=name, TIME_VALUE=str(round(1000 * time_s)))
        return name

    count = 0
    for name, intervals in tiers_of(results).items():
        tier = ET.SubElement(document, "TIER", LINGUISTIC_TYPE_REF="emotion", TIER_ID=name)
        for one in intervals:
            count += 1
            annotation = ET.SubElement(ET.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION")
            annotation.set("ANNOTATION_ID", f"a{count}")
            annotation.set("TIME_SLOT_REF1", slot(one.start_s))
            annotation.set("TIME_SLOT_REF2", slot(one.end_s))
            ET.SubElement(annotation, "ANNOTATION_VALUE").text = one.label
    ET.SubElement(
        document,
        "LINGUISTIC_TYPE",
        GRAPHIC_REFERENCES="false",
        LINGUISTIC_TYPE_ID="emotion",
        TIME_ALIGNABLE="true",
    )
    ET.indent(document)
    text = ET.tostring(document, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


# Choice: no date of writing, so that the same answers give the same bytes.
_EPOCH = "1970-01-01T00:00:00+00:00"


def as_vtt(results: Results) -> str:
    """Writes WebVTT captions; of several tiers, each caption names its own."""
    cues = [
        f"{_clock(one.start_s)} --> {_clock(one.end_s)}\n{_spoken(name, one, '<v {}>')}\n"
        for name, one in _in_time(results)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def as_srt(results: Results) -> str:
    """Writes SubRip captions; of several tiers, each caption names its own."""
    cues = [
        f"{number}\n{_clock(one.start_s, ',')} --> {_clock(one.end_s, ',')}\n"
        f"{_spoken(name, one, '{}: ')}\n"
        for number, (name, one) in enumerate(_in_time(results), 1)
    ]
    return "\n".join(cues)


def as_audacity(results: Results) -> str:
    """Writes a label track of Audacity: start, end and label with tabs between them."""
    return "".join(
        f"{one.start_s:.6f}\t{one.end_s:.6f}\t{_spoken(name, one, '{}: ')}\n"
        for name, one in _in_time(results)
    )


def _in_time(results: Results) -> list[tuple[str, Interval]]:
    tiers = tiers_of(results)
    named = [
        (name if len(tiers) > 1 or name != "emotion" else "", one)
        for name, intervals in tiers.items()
        for one in intervals
    ]
    return sorted(named, key=lambda pair: pair[1].start_s)


def _spoken(name: str, interval: Interval, prefix: str) -> str:
    return (prefix.format(name) if name else "") + interval.text


def _clock(time_s: float, point: str = ".") -> str:
    """Writes a time as captions do.

    Example:
        >>> _clock(3725.5), _clock(0.25, ",")
        ('01:02:05.500', '00:00:00,250')
    """
    whole = datetime.timedelta(milliseconds=round(1000 * time_s))
    hours, rest = divmod(whole, datetime.timedelta(hours=1))
    minutes, rest = divmod(rest, datetime.timedelta(minutes=1))
    milliseconds = rest // datetime.timedelta(milliseconds=1)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


AS_TEXT: dict[Format, Callable[[Results], str]] = {
    Format.EAF: as_eaf,
    Format.VTT: as_vtt,
    Format.SRT: as_srt,
    Format.AUDACITY: as_audacity,
}
