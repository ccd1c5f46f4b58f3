"""What does prior correction gain on balanced speakers, and what does it cost on others?

Reads the predictions on validation speakers that experiments have written; nothing is trained. Each
speaker's predictions are corrected towards a uniform prior by several shares of the full
correction. First all utterances are used, then mostly those of the first emotion (neutral).
Needs the extra `train`:

    python benchmarks/balanced_prior.py results/emodb7 results/nemo results/ravdess8
    python benchmarks/balanced_prior.py results/emodb7 results/ravdess8 --by-seed
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seqcap.corpora.speakers import speaker_key
from seqcap.errors import SeqcapError
from seqcap.recognition.prior_correction import adjust_logits, estimate_log_prior_shift
from seqcap.reports.experiment_results import read_plans
from seqcap.reports.experiment_runs import DONE, NO_SEED, Run, average_seeds
from seqcap.scoring.metrics import (
    WHAT_SCORES_MEAN,
    confusion_matrix,
    unweighted_accuracy,
    weighted_accuracy,
)

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
FREQUENT = (None, 0.7, 0.9)  # share of the first emotion, with two others at least; None: all rows
DRAWS = 10


def subset(
    actual: np.ndarray, frequent: float | None, generator: np.random.Generator
) -> np.ndarray:
    """Draws utterances of one speaker, so that the first emotion has a given share.

    Args:
        actual: Class indices of the speaker's utterances, shape ``(utterance,)``.
        frequent: Share of the first emotion; None: all utterances.
        generator: Source of the random numbers.

    Returns:
        Indices of the utterances drawn.
    """
    if frequent is None:
        return np.arange(len(actual))
    first, others = np.flatnonzero(actual == 0), np.flatnonzero(actual != 0)
    count = max(2, round(len(first) * (1 - frequent) / frequent))
    return np.concatenate([first, generator.choice(others, min(count, len(others)), replace=False)])


def scores_by_share(
    validation: pd.DataFrame, emotions: Sequence[str], frequent: float | None
) -> Iterator[tuple[np.ndarray, float, float]]:
    """Scores each draw of one run's validation speakers, for each share of the correction.

    Yields:
        WA and UA by share ``(share, 2)``; share of the first emotion; mean utterances a speaker.
    """
    actual = validation["emotion"].map(list(emotions).index).to_numpy()
    probabilities = validation[list(emotions)].to_numpy()
    speakers = validation["speaker"].astype(str).map(speaker_key).to_numpy()
    generator = np.random.default_rng(0)
    for _ in range(1 if frequent is None else DRAWS):
        total = np.zeros((len(SHARES), len(emotions), len(emotions)), np.int64)
        for speaker in sorted(set(speakers)):
            own = np.flatnonzero(speakers == speaker)
            own = own[subset(actual[own], frequent, generator)]
            for place, share in enumerate(SHARES):
                shift = estimate_log_prior_shift(probabilities[own], share)
                predicted = adjust_logits(probabilities[own], shift).argmax(axis=1)
                total[place] += confusion_matrix(actual[own], predicted, len(emotions))
        scored = np.array([(weighted_accuracy(each), unweighted_accuracy(each)) for each in total])
        count = total[0].sum()
        yield scored, total[0][0].sum() / count, count / len(set(speakers))


def by_seed(runs: Sequence[Run], emotions: Sequence[str]) -> dict[str, list[Run]]:
    """Groups runs by seed, and adds their average, fold by fold."""
    seeds = sorted({run.seed for run in runs})
    averaged = average_seeds(runs, emotions) if len(seeds) > 1 else ()
    return {
        "seeds averaged" if seed == NO_SEED else f"seed {seed}": [
            run for run in (*runs, *averaged) if run.seed == seed and run.state == DONE
        ]
        for seed in (*seeds, *{run.seed for run in averaged})
    }


def print_rows(what: str, runs: Sequence[Run], emotions: Sequence[str]) -> None:
    """Prints the means over some runs, a row for each score and share of the first emotion."""
    for frequent in FREQUENT:
        draws = [
            draw for run in runs for draw in scores_by_share(run.validation, emotions, frequent)
        ]
        scored, first, count = (np.mean(each, axis=0) for each in zip(*draws, strict=True))
        for score, column in zip(("WA", "UA"), scored.T, strict=True):
            cells = " | ".join(f"{100 * value:.1f}" for value in column)
            print(f"| {what} | {first:.0%} | {count:.0f} | {score} | {cells} |")


def main() -> None:
    """Prints mean WA and UA over the runs of an entry of each experiment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="+", type=Path)
    parser.add_argument("--grid", default="default", help="grid of the runs")
    parser.add_argument("--entry", default="CNN_GRU-SeqCap", help="entry of the grid")
    parser.add_argument(
        "--by-seed", action="store_true", help="each seed alone, and the average of all"
    )
    arguments = parser.parse_args()
    print(WHAT_SCORES_MEAN)
    print("Mean over runs, percent, of validation speakers, by share of the full correction.\n")
    shares = " | ".join(map(str, SHARES))
    print(f"| experiment | first emotion | utterances a speaker | score | {shares} |")
    print(f"|---|--:|--:|---|{'--:|' * len(SHARES)}")
    try:
        for folder in arguments.experiments:
            of_all = [
                (plan.emotions, entry.runs)
                for plan in read_plans(folder)
                for entry in plan.entries
                if (plan.grid, entry.label) == (arguments.grid, arguments.entry) and entry.done
            ]
            if not of_all:
                sys.exit(f"balanced_prior: {folder}: no run of {arguments.entry} is done")
            ((emotions, runs),) = of_all
            done = [run for run in runs if run.state == DONE]
            groups = by_seed(runs, emotions) if arguments.by_seed else {"": done}
            for name, group in groups.items():
                what = ", ".join(filter(None, (folder.name, name, f"{len(group)} runs")))
                print_rows(what, group, emotions)
    except SeqcapError as error:
        sys.exit(f"balanced_prior: {error}")


if __name__ == "__main__":
    main()
