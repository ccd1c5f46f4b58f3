"""Scores of Sec. VI-B from a confusion matrix, rows actual, columns predicted.

The field mixes WA and UA up; here, as in the paper, WA is the share of all utterances that are
right (accuracy) and UA the mean over emotions of the share that is right (mean recall, UAR).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.int64]

WHAT_SCORES_MEAN = (
    "WA: accuracy, the share of utterances that are right (Eq. 11). "
    "UA: unweighted average recall (UAR), the mean of the emotions' recalls (Eq. 12)."
)


def confusion_matrix(actual: ArrayLike, predicted: ArrayLike, emotion_count: int) -> Matrix:
    """Counts utterances by actual and predicted emotion.

    Args:
        actual: Indices of emotions, shape ``(utterance,)``.
        predicted: The same.
        emotion_count: K.

    Returns:
        Shape ``(actual emotion, predicted emotion)``.

    Example:
        >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2).tolist()
        [[1, 1], [0, 1]]
    """
    pairs = np.asarray(actual, np.int64) * emotion_count + np.asarray(predicted, np.int64)
    counts = np.bincount(pairs, minlength=emotion_count**2)
    return counts.reshape(emotion_count, emotion_count).astype(np.int64)


def most_probable(probabilities: ArrayLike) -> NDArray[np.int64]:
    """Index of the most probable emotion, the first of equals; -1 where there is no answer.

    Args:
        probabilities: Shape ``(utterance, emotion)``; NaN where there is no speech.

    Example:
        >>> most_probable([[0.2, 0.8], [np.nan, np.nan]]).tolist()
        [1, -1]
    """
    table = np.asarray(probabilities, float)
    unanswered = np.isnan(table).any(axis=1)
    return np.where(unanswered, -1, np.where(unanswered[:, None], 0.0, table).argmax(axis=1))


def weighted_accuracy(confusion: ArrayLike) -> float:
    r"""Accuracy, the share of all utterances that are right, Eq. (11): :math:`\sum P_i / \sum U_i`.

    Args:
        confusion: Utterance counts, shape ``(actual emotion, predicted emotion)``.

    Returns:
        WA, 0 to 1.

    Example:
        >>> weighted_accuracy([[3, 1], [0, 4]])
        0.875
    """
    matrix = np.asarray(confusion, float)
    return float(np.trace(matrix) / matrix.sum())


def recalls(confusion: ArrayLike) -> NDArray[np.float64]:
    """Share of each emotion's utterances that is right, :math:`P_i / U_i` of Eq. (12).

    Args:
        confusion: Utterance counts, shape ``(actual emotion, predicted emotion)``.

    Returns:
        Shape ``(emotion,)``, 0 to 1; NaN for an emotion without utterances.

    Example:
        >>> recalls([[3, 1], [0, 0]]).tolist()
        [0.75, nan]
    """
    matrix = np.asarray(confusion, float)
    counts = matrix.sum(axis=1)
    shares = np.full(len(matrix), np.nan)
    np.divide(np.diag(matrix), counts, out=shares, where=counts > 0)
    return shares


def unweighted_accuracy(confusion: ArrayLike) -> float:
    r"""Unweighted average recall (UAR), Eq. (12): :math:`\frac{1}{K} \sum P_i / U_i`.

    Args:
        confusion: Utterance counts, shape ``(actual emotion, predicted emotion)``; emotions without
            utterances are left out of the mean.

    Returns:
        UA, 0 to 1.

    Example:
        >>> unweighted_accuracy([[3, 1], [0, 1]])
        0.875
    """
    return float(np.nanmean(recalls(confusion)))


def log_loss(probabilities: ArrayLike, actual: ArrayLike) -> float:
    """Mean negative log probability of the right emotion.

    Args:
        probabilities: Shape ``(utterance, emotion)``; below 1e-9 they count as 1e-9.
        actual: Indices of emotions, shape ``(utterance,)``.

    Returns:
        0 or more, in nats.

    Example:
        >>> round(log_loss([[0.5, 0.5], [0.1, 0.9]], [0, 1]), 3)
        0.399
    """
    table = np.nan_to_num(np.asarray(probabilities, float))
    given = table[np.arange(len(table)), np.asarray(actual)]
    return float(-np.log(np.maximum(given, 1e-9)).mean())


def calibration_error(probabilities: ArrayLike, actual: ArrayLike, bin_count: int = 10) -> float:
    """Expected calibration error: how far confidence is from being right (Guo et al., 2017).

    Args:
        probabilities: Shape ``(utterance, emotion)``.
        actual: Indices of emotions, shape ``(utterance,)``.
        bin_count: Bins of equal width for the confidence.

    Returns:
        Mean distance between accuracy and mean confidence of a bin, weighted by its utterances,
        0 to 1.

    Example:
        >>> calibration_error([[0.75, 0.25]] * 4, [0, 0, 0, 1])
        0.0
    """
    right = most_probable(probabilities) == np.asarray(actual)
    table = np.nan_to_num(np.asarray(probabilities, float))  # no answer: not sure, and wrong
    confidence = table.max(axis=1)
    bins = np.minimum((confidence * bin_count).astype(int), bin_count - 1)
    gaps = np.bincount(bins, right - confidence, minlength=bin_count)
    return float(np.abs(gaps).sum() / len(table))
