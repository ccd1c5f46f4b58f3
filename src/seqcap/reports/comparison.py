"""Anything beside anything on the same utterances: scores, intervals, tests.

The first one is what the others are compared with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqcap.errors import SettingsError
from seqcap.reports.comparison_alignment import AlignedPredictions, align, common_emotions
from seqcap.reports.comparison_predictions import Predictions
from seqcap.reports.comparison_runs import compare_over_runs
from seqcap.scoring.bootstrap import (
    Interval,
    Scores,
    bootstrap_scores,
    confusions_by_group,
    interval,
    score_confusions,
)
from seqcap.scoring.significance import RunTests, mcnemar_p


@dataclass(frozen=True)
class Difference:
    """What separates one from the first; scores of that one less those of the first.

    Attributes:
        wa: Of all answers.
        ua: Of all answers.
        wa_interval: 95 %, by paired bootstrap.
        ua_interval: 95 %, by paired bootstrap.
        only_first: Utterances that only the first has right.
        only_this: Utterances that only this one has right.
        mcnemar_p: Exact test of these two counts.
        wa_runs: Tests over folds and seeds in common; None where there are not two.
        ua_runs: The same for UA.
    """

    wa: float
    ua: float
    wa_interval: Interval | None
    ua_interval: Interval | None
    only_first: int
    only_this: int
    mcnemar_p: float
    wa_runs: RunTests | None
    ua_runs: RunTests | None


@dataclass(frozen=True)
class Line:
    """One of those compared, and its difference from the first; None for the first itself."""

    name: str
    answers: int
    wa: float
    ua: float
    wa_interval: Interval | None
    ua_interval: Interval | None
    difference: Difference | None


@dataclass(frozen=True)
class Comparison:
    """The table of a comparison.

    Attributes:
        emotions: Those that all sources have.
        utterances: Number of utterances compared.
        groups: Number of groups that the bootstrap draws from.
        by_speaker: The groups are speakers; otherwise utterances.
        lines: One for each source, in their order.
        notes: What the reader must know.

    Example:
        >>> Comparison(("anger", "sadness"), 10, 2, True, lines=(), notes=()).utterances
        10
    """

    emotions: tuple[str, ...]
    utterances: int
    groups: int
    by_speaker: bool
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def compare(compared: Sequence[Predictions]) -> Comparison:
    """Compares predictions of the same utterances.

    Args:
        compared: At least two; the others are compared with the first.

    Raises:
        SettingsError: Fewer than two, nothing in common, no ground truth, or two predictions of one
            utterance in one source.

    Example:
        >>> answers = pd.DataFrame({"file": ["1.wav", "2.wav"], "start": "", "speaker": ["a", "b"],
        ...                         "truth": ["anger", "sadness"], "fold": "", "seed": "0"})
        >>> right = answers.assign(predicted=["anger", "sadness"])
        >>> wrong = answers.assign(predicted=["anger", "anger"])
        >>> pair = ("anger", "sadness")
        >>> found = compare([Predictions(n, t, pair, None) for n, t in zip("rw", (right, wrong))])
        >>> [(line.name, line.ua) for line in found.lines]
        [('r', 1.0), ('w', 0.5)]
    """
    if len(compared) < 2:
        raise SettingsError(
            f"{len(compared)} to compare; two are expected, e.g. an experiment and a CSV"
        )
    compared = _with_own_names(compared)
    emotions = common_emotions(compared)
    sides, notes = align(compared, emotions)
    by_speaker = all((side.rows["group"] != "").all() for side in sides)
    if not by_speaker:
        notes.append("No source has speakers: intervals are by bootstrap over utterances, as if "
                     "each had its own speaker; they are too narrow.")  # fmt: skip
        names = {key: str(place) for place, key in enumerate(sides[0].rows["key"].unique())}
        for side in sides:
            side.rows["group"] = side.rows["key"].map(names)
    groups = sorted(sides[0].rows["group"].unique())
    drawn = [bootstrap_scores(_confusions(side, groups, len(emotions))) for side in sides]
    lines = [
        _line(side, sides[0], draws, drawn[0], groups, len(emotions))
        for side, draws in zip(sides, drawn, strict=True)
    ]
    if any(len(side.rows) > side.rows["key"].nunique() for side in sides):
        notes.append(
            "Where an utterance was answered with several seeds, scores are of all answers, and "
            "McNemar's test of the first seed's."
        )
    return Comparison(
        emotions, sides[0].rows["key"].nunique(), len(groups), by_speaker, tuple(lines),
        tuple(notes),
    )  # fmt: skip


def _with_own_names(compared: Sequence[Predictions]) -> list[Predictions]:
    """Numbers those of equal names, in the order they came."""
    names = [one.name for one in compared]
    return [
        replace(one, name=f"{one.name} ({names[: place + 1].count(one.name)})")
        if names.count(one.name) > 1
        else one
        for place, one in enumerate(compared)
    ]


def _line(
    side: AlignedPredictions,
    first: AlignedPredictions,
    draws: Scores,
    first_draws: Scores,
    groups: list[str],
    count: int,
) -> Line:
    total = score_confusions(_confusions(side, groups, count).sum(axis=0))
    difference = None
    if side is not first:
        base = score_confusions(_confusions(first, groups, count).sum(axis=0))
        here, there = _first_answers(side), _first_answers(first)
        only_first, only_this = int((there & ~here).sum()), int((here & ~there).sum())
        wa_runs, ua_runs = compare_over_runs(first, side, count)
        difference = Difference(
            wa=float(total.wa - base.wa),
            ua=float(total.ua - base.ua),
            wa_interval=interval(draws.wa - first_draws.wa, len(groups)),
            ua_interval=interval(draws.ua - first_draws.ua, len(groups)),
            only_first=only_first,
            only_this=only_this,
            mcnemar_p=mcnemar_p(only_first, only_this),
            wa_runs=wa_runs,
            ua_runs=ua_runs,
        )
    return Line(
        name=side.name,
        answers=len(side.rows),
        wa=float(total.wa),
        ua=float(total.ua),
        wa_interval=interval(draws.wa, len(groups)),
        ua_interval=interval(draws.ua, len(groups)),
        difference=difference,
    )


def _confusions(side: AlignedPredictions, groups: list[str], count: int) -> NDArray[np.int64]:
    # One column more than emotions: answers that are none of them.
    rows = side.rows
    return confusions_by_group(
        rows["group"], groups, rows["actual"], rows["predicted"], (count, count + 1)
    )


def _first_answers(side: AlignedPredictions) -> "pd.Series[bool]":
    """Says of each utterance whether it is right, with the first seed that answered it."""
    rows = side.rows.sort_values("seed", kind="stable").drop_duplicates("key")
    right = rows["actual"] == rows["predicted"]
    return right.set_axis(pd.Index(rows["key"])).sort_index()
