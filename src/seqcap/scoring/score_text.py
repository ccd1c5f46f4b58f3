"""Scores as text, for the screen and for the card of a model."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqcap.errors import CorpusError
from seqcap.files import atomic_write
from seqcap.scoring.metrics import WHAT_SCORES_MEAN

CARD_MARKER = "<!-- scores -->"
WHAT_ELSE_SCORES_MEAN = (
    "95 %: interval of the UA, by bootstrap over speakers. Columns of emotions: recall. ECE: "
    "expected calibration error (after an arrow: with the fitted temperature). –: no utterance "
    "of it, and the UA is of the others; of speakers, no names. An interval "
    "over fewer than five speakers is too narrow."
)


def report(
    all_scores: Mapping[str, Mapping[str, Mapping[str, Any]]], emotions: Sequence[str]
) -> str:
    """Scores as Markdown: WA and UA, and for each corpus a confusion matrix and its speakers.

    Args:
        all_scores: Part, then corpus or "all", then what `scores` gives.
        emotions: In the order of the confusion matrices.
    """
    lines = [
        WHAT_SCORES_MEAN,
        WHAT_ELSE_SCORES_MEAN,
        "",
        f"| part | corpus | utterances | speakers | WA | UA | 95 % |"
        f" {' | '.join(emotions)} | ECE |",
        f"|---|---|--:|--:|--:|--:|:-:|{'--:|' * (len(emotions) + 1)}",
    ]
    for part, corpora in all_scores.items():
        for corpus, score in corpora.items():
            recall = " | ".join(_share(score["recall"][emotion]) for emotion in emotions)
            lines.append(
                f"| {part} | {corpus} | {score['utterances']} | {score['speakers'] or '–'} "
                f"| {score['wa']:.3f} | {score['ua']:.3f} | {_interval(score)} | {recall} "
                f"| {_calibration(score)} |"
            )
    for part, corpora in all_scores.items():
        for corpus, score in corpora.items():
            lines += ["", f"{part}, {corpus}: rows actual, columns predicted", ""]
            lines.append(f"| | {' | '.join(emotions)} |")
            lines.append(f"|---|{'--:|' * len(emotions)}")
            lines += [
                f"| {emotion} | {' | '.join(map(str, row))} |"
                for emotion, row in zip(emotions, score["confusion"], strict=True)
            ]
            if len(score["by_speaker"]) > 1:
                lines += ["", f"{part}, {corpus}: by speaker", ""]
                lines += ["| speaker | utterances | WA | UA |", "|---|--:|--:|--:|"]
                lines += [
                    f"| {speaker} | {one['utterances']} | {one['wa']:.3f} | {one['ua']:.3f} |"
                    for speaker, one in score["by_speaker"].items()
                ]
    return "\n".join(lines)


def report_folds(by_fold: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> str:
    """WA and UA of each fold's test speakers as Markdown, with their mean and deviation.

    Args:
        by_fold: Scores of each fold by its name, as `run_fold` gives them.
    """
    rows = {name: scores["test"]["all"] for name, scores in by_fold.items()}
    lines = ["", "test, fold by fold", "", "| fold | utterances | WA | UA |", "|---|--:|--:|--:|"]
    lines += [
        f"| {name} | {row['utterances']} | {row['wa']:.3f} | {row['ua']:.3f} |"
        for name, row in rows.items()
    ]
    if len(rows) > 1:
        was, uas = ([row[score] for row in rows.values()] for score in ("wa", "ua"))
        lines.append(f"| mean ± deviation | | {_spread(was)} | {_spread(uas)} |")
    return "\n".join(lines)


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

    Raises:
        CorpusError: The card is missing or has not the marker twice.
    """
    pieces = card.read_text("utf-8").split(marker) if card.is_file() else []
    if len(pieces) != 3:
        raise CorpusError(f"{card}: a file with two lines {marker} is expected")
    with atomic_write(card) as path:
        path.write_text(f"{pieces[0]}{marker}\n\n{text}\n\n{marker}{pieces[2]}", "utf-8")
