"""Tests over the folds and seeds that two sides of a comparison both have."""

import numpy as np
import pandas as pd

from seqcap.reports.comparison_alignment import AlignedPredictions
from seqcap.reports.experiment_runs import NO_SEED
from seqcap.scoring.bootstrap import Scores, confusions_by_group, score_confusions
from seqcap.scoring.significance import RunTests, compare_runs

_Runs = dict[tuple[str, int], pd.DataFrame]


def compare_over_runs(
    first: AlignedPredictions, second: AlignedPredictions, emotion_count: int
) -> tuple[RunTests, RunTests] | tuple[None, None]:
    """Tests WA and UA, where both tell folds and tested the same utterances in each.

    Args:
        first: The one that is subtracted.
        second: The other.
        emotion_count: Number of emotions.

    Returns:
        None, None where there are not two folds or seeds in common.
    """
    sides = _with_seeds_of_the_other(_by_run(first), _by_run(second))
    keys = [
        key
        for key in sides[0]
        if key[0] and key in sides[1] and set(sides[0][key]["key"]) == set(sides[1][key]["key"])
    ]
    if len(keys) < 2:
        return None, None
    one, other = (_scores([side[key] for key in keys], emotion_count) for side in sides)
    share = next((s.test_share for s in (first, second) if s.test_share is not None), None)
    if share is None:  # all who are not tested train
        tested = float(np.mean([len(sides[0][key]) for key in keys]))
        share = tested / (first.rows["key"].nunique() - tested)
    return compare_runs(one.wa, other.wa, share), compare_runs(one.ua, other.ua, share)


def _scores(runs: list[pd.DataFrame], emotion_count: int) -> Scores:
    shape = (emotion_count, emotion_count + 1)
    confusions = [
        confusions_by_group(
            pd.Series("", index=rows.index), [""], rows["actual"], rows["predicted"], shape
        )[0]
        for rows in runs
    ]
    return score_confusions(confusions)


def _by_run(side: AlignedPredictions) -> _Runs:
    groups = side.rows.groupby(["fold", "seed"], sort=True)
    return {(str(rows["fold"].iloc[0]), int(rows["seed"].iloc[0])): rows for _, rows in groups}


def _with_seeds_of_the_other(one: _Runs, other: _Runs) -> tuple[_Runs, _Runs]:
    """Gives answers without seeds, of what draws nothing, to every seed of the other."""
    seeds = sorted({seed for _, seed in (*one, *other)} - {NO_SEED}) or [NO_SEED]
    first, second = (
        {
            (fold, each): rows
            for (fold, seed), rows in side.items()
            for each in (seeds if seed == NO_SEED else [seed])
        }
        for side in (one, other)
    )
    return first, second
