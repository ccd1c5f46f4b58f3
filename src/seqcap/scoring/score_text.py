"""Scores as text, for the screen and for the card of a model."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqcap.errors import CorpusError
from seqcap.files import atomic_write
from seqcap.recognition.answers import NO_SPEECH
from seqcap.scoring.metrics import WHAT_SCORES_MEAN

_WA_UA = ("utterances", "WA", "UA")
CARD_MARKER = "<!-- scores -->"
WHAT_ELSE_SCORES_MEAN = (
    "95 %: interval of the UA, by bootstrap over speakers; over fewer than five speakers it is too "
    "narrow. Columns of emotions: recall. ECE: expected calibration error (after an arrow: with "
    "the fitted temperature). –: no utterance of the emotion, so the UA is of the others; or no "
    "names of speakers."
)


@dataclass(frozen=True)
class ScoreTable:
    """A table of scores, before it is Markdown or lines on a terminal.

    Attributes:
        title: What it shows; may be empty.
        header: Names of the columns.
        rows: Cells as text.
        left: So many of the first columns are words, the others numbers.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


def score_tables(
    all_scores: Mapping[str, Mapping[str, Mapping[str, Any]]], emotions: Sequence[str]
) -> list[ScoreTable]:
    """WA and UA, then for each corpus a confusion matrix and its speakers.

    Args:
        all_scores: Part, then corpus or "all", then what `scores` gives.
        emotions: In the order of the confusion matrices.
    """
    scored = [
        (part, corpus, score)
        for part, corpora in all_scores.items()
        for corpus, score in corpora.items()
    ]
    header = ("part", "corpus", "utterances", "speakers", "WA", "UA", "95 %", *emotions, "ECE")
    overview = tuple(
        (
            part,
            corpus,
            str(score["utterances"]),
            str(score["speakers"] or "–"),
            f"{score['wa']:.3f}",
            f"{score['ua']:.3f}",
            _interval(score),
            *(_share(score["recall"][emotion]) for emotion in emotions),
            _calibration(score),
        )
        for part, corpus, score in scored
    )
    tables = [ScoreTable("", header, overview, left=2)]
    for part, corpus, score in scored:
        confusion = zip(emotions, score["confusion"], strict=True)
        rows = tuple((emotion, *map(str, row)) for emotion, row in confusion)
        title = f"{part}, {corpus}: rows actual, columns predicted"
        unanswered = (NO_SPEECH,) if len(score["confusion"][0]) > len(emotions) else ()
        tables.append(ScoreTable(title, ("", *emotions, *unanswered), rows))
        if score.get("coverage"):
            tables.append(_coverage_table(f"{part}, {corpus}", score["coverage"]))
        if len(score["by_speaker"]) > 1:
            tables.append(
                ScoreTable(
                    f"{part}, {corpus}: by speaker",
                    ("speaker", *_WA_UA),
                    tuple((name, *_wa_ua(one)) for name, one in score["by_speaker"].items()),
                )
            )
    return tables


def _coverage_table(title: str, coverage: Sequence[Mapping[str, float]]) -> ScoreTable:
    rows = tuple(
        (f"{each['abstain_below']:.2f}", f"{each['share']:.2f}", f"{each['wa']:.3f}")
        for each in coverage
    )
    header = ("--abstain-below", "share answered", "WA of these")
    return ScoreTable(f"{title}: accuracy when abstaining", header, rows, left=0)


def fold_table(by_fold: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> ScoreTable:
    """WA and UA of each fold's test speakers, with their mean and deviation.

    Args:
        by_fold: Scores of each fold by its name, as `run_fold` gives them.
    """
    scores = {name: one["test"]["all"] for name, one in by_fold.items()}
    rows = [(name, *_wa_ua(one)) for name, one in scores.items()]
    if len(rows) > 1:
        was, uas = ([one[score] for one in scores.values()] for score in ("wa", "ua"))
        rows.append(("mean ± deviation", "", _spread(was), _spread(uas)))
    return ScoreTable("test, fold by fold", ("fold", *_WA_UA), tuple(rows))


def report(
    all_scores: Mapping[str, Mapping[str, Mapping[str, Any]]], emotions: Sequence[str]
) -> str:
    """Gives scores as Markdown, for the card of a model.

    Args:
        all_scores: As for `score_tables`.
        emotions: As for `score_tables`.
    """
    lines = [WHAT_SCORES_MEAN, WHAT_ELSE_SCORES_MEAN]
    for table in score_tables(all_scores, emotions):
        if table.title:
            lines += ["", table.title]
        rules = ["---"] * table.left + ["--:"] * (len(table.header) - table.left)
        rules = [
            ":-:" if name == "95 %" else rule
            for name, rule in zip(table.header, rules, strict=True)
        ]
        lines += ["", f"| {' | '.join(table.header)} |".replace("|  |", "| |")]
        lines.append(f"|{'|'.join(rules)}|")
        lines += [f"| {' | '.join(row)} |" for row in table.rows]
    return "\n".join(lines)


def _wa_ua(score: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(score["utterances"]), f"{score['wa']:.3f}", f"{score['ua']:.3f}"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def _share(recall: float | None) -> str:
    return "–" if recall is None else f"{recall:.3f}"


def _interval(score: Mapping[str, Any]) -> str:
    if score["ua_interval"] is None:
        return ""
    low, high = score["ua_interval"]
    return f"{low:.3f} to {high:.3f}"


def _calibration(score: Mapping[str, Any]) -> str:
    before = f"{score['ece_uncalibrated']:.3f} → " if "ece_uncalibrated" in score else ""
    return f"{before}{score['ece']:.3f}"


def write_card(card: Path, text: str, marker: str = CARD_MARKER) -> None:
    """Puts text into a model card, between two lines of a marker.

    Args:
        card: The file.
        text: Markdown.
        marker: A comment, before and after the text.

    Raises:
        CorpusError: The card is missing or has not the marker twice.
    """
    pieces = card.read_text("utf-8").split(marker) if card.is_file() else []
    if len(pieces) != 3:
        raise CorpusError(f"{card}: a file with two lines {marker} is expected")
    with atomic_write(card) as path:
        path.write_text(f"{pieces[0]}{marker}\n\n{text}\n\n{marker}{pieces[2]}", "utf-8")
