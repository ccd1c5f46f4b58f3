"""Intervals of WA and UA: bootstrap over speakers.

Utterances of one speaker are similar, so whole speakers are drawn. Axis order of confusion
matrices: ``(speaker, actual emotion, predicted emotion)``. They may have more columns than rows,
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
    """WA (Eq. 11) and UA (Eq. 12).

    Attributes:
        wa: One number or an array.
        ua: The same shape.

    Example:
        >>> Scores(np.array(0.8), np.array(0.875)).ua.item()
        0.875
    """

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
        groups: The speaker of each utterance, shape ``(utterance,)``.
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
    recalls = np.nan_to_num(recalls_of(matrices))
    return Scores(right.sum(-1) / counts.sum(-1), recalls.sum(-1) / (counts > 0).sum(-1))


def draw_speakers(speaker_count: int, draws: int = DRAWS, seed: int = SEED) -> NDArray[np.int64]:
    """Draws as many speakers as there are, with replacement, many times.

    Args:
        speaker_count: Number of speakers.
        draws: Number of draws.
        seed: Random seed.

    Returns:
        How often each speaker is drawn, shape ``(draw, speaker)``.

    Example:
        >>> draw_speakers(3, draws=1000).sum(axis=1).tolist() == [3] * 1000
        True
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(speaker_count, np.full(speaker_count, 1 / speaker_count), draws)


def bootstrap_scores(confusions: NDArray[np.int64]) -> Scores:
    """Scores every draw of speakers; systems with the same speakers get the same draws.

    Args:
        confusions: Shape ``(speaker, actual emotion, predicted emotion)``.

    Returns:
        Shape ``(draw,)`` each. UA is NaN for a draw in which an emotion has no utterance, since it
        would be a mean over other emotions.

    Example:
        >>> drawn = bootstrap_scores(np.array([[[3, 1], [0, 4]], [[4, 0], [2, 2]]]))
        >>> drawn.ua.shape, float(drawn.ua.min()), float(drawn.ua.max())
        ((2000,), 0.75, 0.875)
    """
    drawn = np.tensordot(draw_speakers(len(confusions)), confusions, axes=1)
    scores = score_confusions(drawn)
    shown = confusions.sum(axis=(0, 2)) > 0
    complete = (drawn.sum(axis=2)[:, shown] > 0).all(axis=1)
    return Scores(scores.wa, np.where(complete, scores.ua, np.nan))


def bootstrap_recalls(confusions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Recalls of every draw of speakers; the draws are those of `bootstrap_scores`.

    Args:
        confusions: Shape ``(speaker, actual emotion, predicted emotion)``.

    Returns:
        Shape ``(draw, actual emotion)``; NaN where a draw has no utterance of an emotion.

    Example:
        >>> bootstrap_recalls(np.array([[[3, 1], [0, 4]], [[3, 1], [0, 4]]]))[0].tolist()
        [0.75, 1.0]
    """
    drawn = np.tensordot(draw_speakers(len(confusions)), confusions, axes=1)
    return recalls_of(drawn)


def recalls_of(confusions: ArrayLike) -> NDArray[np.float64]:
    """Recall of each emotion; NaN for one that does not occur.

    Args:
        confusions: Shape ``(..., actual emotion, predicted emotion)``.

    Returns:
        Shape ``(..., actual emotion)``.

    Example:
        >>> recalls_of([[3, 1], [0, 1]]).tolist()
        [0.75, 1.0]
    """
    matrices = np.asarray(confusions, float)
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    counts = matrices.sum(axis=-1)
    return np.divide(right, counts, out=np.full_like(right, np.nan), where=counts > 0)


def interval(values: NDArray[np.float64], speaker_count: int) -> Interval | None:
    """95 % interval of drawn values.

    Args:
        values: One value a draw, shape ``(draw,)``; NaN is left out.
        speaker_count: Number of speakers that were drawn from.

    Returns:
        Percentiles 2.5 and 97.5; None for a single speaker, or if most values are NaN.

    Example:
        >>> interval(np.linspace(0, 1, 101), speaker_count=5)
        (0.025, 0.975)
    """
    if speaker_count < 2 or np.isnan(values).mean() > 0.5:
        return None
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
