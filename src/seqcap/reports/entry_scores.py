"""Scores of a grid's entries over their runs, and what tests say of two entries."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqcap.reports.experiment_results import EntryResults
from seqcap.reports.experiment_runs import Key, Run, actual_of, probabilities_of
from seqcap.scoring.bootstrap import (
    Interval,
    bootstrap_recalls,
    bootstrap_scores,
    confusions_by_group,
    interval,
    recalls_of,
    score_confusions,
)
from seqcap.scoring.metrics import most_probable
from seqcap.scoring.significance import RunTests, compare_runs


@dataclass(frozen=True)
class Spread:
    """One score of an entry.

    Attributes:
        mean: Over runs.
        deviation: Standard deviation over runs; NaN for one run.
        pooled: All runs' utterances as one test.
        interval: 95 %, of the pooled score, by bootstrap over speakers; None for one speaker.
    """

    mean: float
    deviation: float
    pooled: float
    interval: Interval | None


@dataclass(frozen=True)
class EntryScores:
    """WA and UA of an entry."""

    wa: Spread
    ua: Spread
    speaker_count: int


@dataclass(frozen=True)
class EntryTests:
    """What separates two entries, second less first, on the runs that both have.

    Attributes:
        wa: Tests of WA over runs.
        ua: Tests of UA over runs.
        wa_pooled: Difference of WA, all runs' utterances as one test.
        ua_pooled: The same for UA.
        wa_interval: 95 % interval of `wa_pooled`, by paired bootstrap over speakers.
        ua_interval: The same for UA.
        recalls: Differences of the emotions' pooled recalls, in the order of the emotions; NaN
            where an emotion does not occur.
        recall_intervals: Their 95 % intervals, by the same bootstrap.
        speaker_count: Speakers drawn from.
    """

    wa: RunTests
    ua: RunTests
    wa_pooled: float
    ua_pooled: float
    wa_interval: Interval | None
    ua_interval: Interval | None
    recalls: tuple[float, ...]
    recall_intervals: tuple[Interval | None, ...]
    speaker_count: int


def score_entry(entry: EntryResults, emotions: Sequence[str]) -> EntryScores:
    """Scores an entry over all its finished runs.

    Args:
        entry: With at least one finished run.
        emotions: In the order of the confusion matrix.
    """
    was, uas = _scores_of_runs(entry.done, emotions)
    confusions = confusions_of(entry.done, emotions, speakers_of(entry.done))
    pooled = score_confusions(confusions.sum(axis=0))
    drawn = bootstrap_scores(confusions)
    count = len(confusions)
    return EntryScores(
        Spread(*_mean_and_deviation(was), float(pooled.wa), interval(drawn.wa, count)),
        Spread(*_mean_and_deviation(uas), float(pooled.ua), interval(drawn.ua, count)),
        count,
    )


def compare_entries(
    first: EntryResults, second: EntryResults, emotions: Sequence[str], test_share: float
) -> EntryTests | None:
    """Compares two entries on the folds and seeds that both have.

    Args:
        first: The one that is subtracted.
        second: The other.
        emotions: In the order of the confusion matrix.
        test_share: See `compare_runs`.

    Returns:
        None where they have no fold and seed in common.
    """
    keys = shared_keys(first, second)
    if not keys:
        return None
    sides = [[entry.by_key[key] for key in keys] for entry in (first, second)]
    (was, uas), (other_was, other_uas) = (_scores_of_runs(runs, emotions) for runs in sides)
    speakers = speakers_of(sides[0])
    confusions = [confusions_of(runs, emotions, speakers) for runs in sides]
    drawn = [bootstrap_scores(each) for each in confusions]
    first_pooled, pooled = (score_confusions(each.sum(axis=0)) for each in confusions)
    before, after = (recalls_of(each.sum(axis=0)) for each in confusions)
    recalls_before, recalls_after = (bootstrap_recalls(each) for each in confusions)
    return EntryTests(
        compare_runs(was, other_was, test_share),
        compare_runs(uas, other_uas, test_share),
        float(pooled.wa - first_pooled.wa),
        float(pooled.ua - first_pooled.ua),
        interval(drawn[1].wa - drawn[0].wa, len(speakers)),
        interval(drawn[1].ua - drawn[0].ua, len(speakers)),
        tuple((after - before).tolist()),
        tuple(interval(each, len(speakers)) for each in (recalls_after - recalls_before).T),
        len(speakers),
    )


def shared_keys(first: EntryResults, second: EntryResults) -> list[Key]:
    """Folds and seeds that both entries have results of, in the first one's order."""
    return [key for key in first.by_key if key in second.by_key]


def speakers_of(runs: Sequence[Run]) -> list[str]:
    """Lists the tested speakers in alphabetical order."""
    return sorted({str(speaker) for run in runs for speaker in run.test["speaker"].unique()})


def confusions_of(
    runs: Sequence[Run], emotions: Sequence[str], speakers: Sequence[str]
) -> NDArray[np.int64]:
    """Adds up runs' confusion matrices by speaker.

    Returns:
        Shape ``(speaker, actual emotion, predicted emotion)``.
    """
    rows = pd.concat([run.test for run in runs])
    return confusions_by_group(
        rows["speaker"],
        speakers,
        actual_of(rows, emotions),
        most_probable(probabilities_of(rows, emotions)),
        (len(emotions), len(emotions) + 1),  # the last column: no answer
    )


def _scores_of_runs(
    runs: Sequence[Run], emotions: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    each = [confusions_of([run], emotions, speakers_of([run])).sum(axis=0) for run in runs]
    return score_confusions(np.stack(each))


def _mean_and_deviation(values: NDArray[np.float64]) -> tuple[float, float]:
    deviation = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return float(values.mean()), deviation
