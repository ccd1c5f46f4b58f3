"""Three questions behind Table V on CREMA-D: listeners' votes, and what any second network brings.

    python benchmarks/capsules_or_recurrent.py results/cremad --again results/cremad-cpu \
        --votes summaryTable.csv

`--votes` is the table of CREMA-D's own repository with the emotion that most listeners chose. The
second experiment holds further trainings of the same entries on the same folds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqcap.reports.experiment_results import read_plans
from seqcap.scoring.bootstrap import (
    bootstrap_scores,
    confusions_by_group,
    interval,
    score_confusions,
)

_LETTERS = {"N": "neutral", "A": "anger", "H": "happiness", "S": "sadness"}
_HEARD, _SEEN = "VoiceVote", "MultiModalVote"


def main() -> None:
    """Prints a table for each ground truth, and one for averages of two trainings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--again", type=Path, help="further trainings of the same entries")
    parser.add_argument("--votes", type=Path, help="CREMA-D's summaryTable.csv")
    given = parser.parse_args()
    answers, emotions = _answers(given.experiment)
    if given.votes:
        votes = pd.read_csv(given.votes).set_index("FileName")
        for column, what in ((_HEARD, "by voice"), (_SEEN, "by voice and face")):
            truth = votes[column].map(_LETTERS)
            print(f"\nTruth: what most listeners chose {what}")
            _compare(answers, emotions, truth)
    if given.again:
        again, _ = _answers(given.again)
        print("\nAverages of two trainings, on the folds that both experiments have")
        _compare(_averages(answers, again), emotions)


def _answers(folder: Path) -> tuple[dict[str, pd.DataFrame], Sequence[str]]:
    """Reads the test answers of each entry, one row an utterance, by the name of its file."""
    plan = read_plans(folder)[0]
    answers = {}
    for entry in plan.entries:
        if entry.done and not entry.of:
            rows = pd.concat([run.test for run in entry.done])
            answers[entry.label] = rows.set_index(rows["file"].map(lambda file: Path(file).stem))
    return answers, plan.emotions


def _averages(
    answers: dict[str, pd.DataFrame], again: dict[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Single trainings, and means of two: of the same system, or of two systems."""
    gru, capsules = "CNN_GRU", "CNN_SeqCap"
    shared = answers[gru].index.intersection(again[gru].index)
    shared = shared.intersection(again[capsules].index)

    def of(*parts: pd.DataFrame) -> pd.DataFrame:
        rows = parts[0].loc[shared].copy()
        numbers = rows.select_dtypes("number").columns
        rows[numbers] = np.mean([part.loc[shared, numbers] for part in parts], axis=0)
        return rows

    return {
        gru: of(answers[gru]),
        f"{gru}, again": of(again[gru]),
        capsules: of(answers[capsules]),
        f"{capsules}, again": of(again[capsules]),
        f"two {gru}": of(answers[gru], again[gru]),
        f"two {capsules}": of(answers[capsules], again[capsules]),
        f"{gru} and {capsules}": of(answers[gru], answers[capsules]),
        "CNN_GRU-SeqCap": of(answers["CNN_GRU-SeqCap"]),
    }


def _compare(
    answers: dict[str, pd.DataFrame],
    emotions: Sequence[str],
    truth: "pd.Series[str] | None" = None,
) -> None:
    """Prints UA and each entry's lead over those before it, with intervals over speakers."""
    confusions: dict[str, NDArray[np.int64]] = {}
    for label, rows in answers.items():
        actual = rows["emotion"] if truth is None else truth.reindex(rows.index)
        known = rows[actual.isin(emotions)]
        order = sorted(known["speaker"].unique())
        places = pd.Index(emotions).get_indexer(pd.Index(actual[actual.isin(emotions)]))
        predicted = known[list(emotions)].to_numpy().argmax(axis=1)
        shape = (len(emotions), len(emotions))
        confusions[label] = confusions_by_group(known["speaker"], order, places, predicted, shape)
    drawn = {label: bootstrap_scores(each).ua for label, each in confusions.items()}
    for label, each in confusions.items():
        ua = 100 * score_confusions(each.sum(axis=0)).ua
        print(f"{label}: UA {ua:.1f} % of {each.sum():,} utterances, {len(each)} speakers")
        for other in list(confusions)[: list(confusions).index(label)]:
            lead = ua - 100 * score_confusions(confusions[other].sum(axis=0)).ua
            print(
                f"    less {other}: {lead:+.1f} ({_span(drawn[label] - drawn[other], len(each))})"
            )


def _span(differences: NDArray[np.float64], speaker_count: int) -> str:
    ends = interval(differences, speaker_count)
    return "no interval" if ends is None else f"{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}"


if __name__ == "__main__":
    main()
