"""Intervals of WA and UA had the speakers been others: bootstrap over speakers.

Utterances of one speaker are alike, so that whole speakers are drawn, with all they said. Confusion
matrices ``(speaker, actual emotion, predicted emotion)``; they may have more columns than rows,
for answers that are no emotion of the table.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

DRAWS = 2000
SEED = 0

Interval = tuple[float, float]


class Scores(NamedTuple):
    """WA (Eq. 11) and UA (Eq. 12), one number each or arrays of equal shape."""

    wa: NDArray[np.float64]
    ua: NDArray[np.float64]


def confusions_by_group(
    groups: "pd.Series[str]",
    order: Sequence[str],
    actual: ArrayLike,
    predicted: ArrayLike,
    shape: tuple[int, int],
) -> NDArray[np.int64]:
    """Counts a confusion matrix for each speaker.

    Args:
        groups: Who speaks, one an utterance.
        order: All speakers, in the order of the result.
        actual: Indices of emotions, shape ``(utterance,)``.
        predicted: The same.
        shape: Numbers of actual and of predicted emotions.

    Returns:
        Shape ``(speaker, actual emotion, predicted emotion)``.

    Example:
        >>> confusions_by_group(pd.Series(["b", "a"]), ["a", "b"], [0, 1], [1, 1], (2, 2)).tolist()
        [[[0, 0], [0, 1]], [[0, 1], [0, 0]]]
    """
    counts = np.zeros((len(order), *shape), np.int64)
    places = pd.Index(order).get_indexer(pd.Index(groups))
    np.add.at(counts, (places, np.asarray(actual), np.asarray(predicted)), 1)
    return counts


def score_confusions(confusions: ArrayLike) -> Scores:
    """Scores many confusion matrices at once; emotions that do not occur are left out of the UA.

    Args:
        confusions: Shape ``(..., actual emotion, predicted emotion)``.

    Returns:
        WA and UA, shape ``(...,)``.

    Example:
        >>> scores = score_confusions([[3, 1], [0, 1]])
        >>> float(scores.wa), float(scores.ua)
        (0.8, 0.875)
    """
    matrices = np.asarray(confusions, float)
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    counts = matrices.sum(axis=-1)
    recalls = np.divide(right, counts, out=np.zeros_like(right), where=counts > 0)
    return Scores(right.sum(-1) / counts.sum(-1), recalls.sum(-1) / (counts > 0).sum(-1))


def draw_speakers(speaker_count: int, draws: int = DRAWS, seed: int = SEED) -> NDArray[np.int64]:
    """Draws as many speakers as there are, with replacement, many times.

    Returns:
        How often each one is drawn, shape ``(draw, speaker)``.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(speaker_count, np.full(speaker_count, 1 / speaker_count), draws)


def bootstrap_scores(confusions: NDArray[np.int64]) -> Scores:
    """WA and UA of every draw of speakers; the same speakers for every system of as many.

    Args:
        confusions: Shape ``(speaker, actual emotion, predicted emotion)``.

    Returns:
        Shape ``(draw,)`` each. The UA of a draw in which nobody shows one of the emotions is a
        mean over others than the UA asked for: it is NaN.
    """
    drawn = np.tensordot(draw_speakers(len(confusions)), confusions, axes=1)
    scores = score_confusions(drawn)
    shown = confusions.sum(axis=(0, 2)) > 0
    complete = (drawn.sum(axis=2)[:, shown] > 0).all(axis=1)
    return Scores(scores.wa, np.where(complete, scores.ua, np.nan))


def interval(values: NDArray[np.float64], speaker_count: int) -> Interval | None:
    """95 % interval of drawn values; None for a single speaker, or if most are no numbers."""
    if speaker_count < 2 or np.isnan(values).mean() > 0.5:
        return None
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
