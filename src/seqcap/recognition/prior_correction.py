"""Evening out what a system answers about one speaker too often.

A voice that nobody of the training part had can sound, say, angry throughout. Of somebody who shows
all emotions about alike often, that shows in the answers' mean, without labels, and part of it can
be taken back (as in "distribution alignment", Berthelot et al., ReMixMatch, 2020).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Choice: the whole of it would make the answers alike often at any price. By half, validation
# speakers of EMO-DB, nEMO and RAVDESS are recognised better (`benchmarks/balanced_prior.py`).
SHARE = 0.5
_PRIOR_RECORDINGS = 8  # by so many of which nothing is known the mean is drawn to alike often
_LEAST = 1e-6
_ROUNDS = 100


def estimate_log_prior_shift(probabilities: ArrayLike, share: float = SHARE) -> NDArray[np.float64]:
    """Finds by how much a speaker's answers are to be drawn to each emotion.

    Args:
        probabilities: Of the speaker's recordings, ``(recording, emotion)``; of few of them
            little follows, of none nothing. Those in which all emotions are alike, as in
            silence, say nothing.
        share: How far answers of many recordings are drawn to be alike often, 0 to 1.

    Returns:
        To be added to logarithms of probabilities, one for each emotion, their sum is zero.

    Example:
        >>> estimate_log_prior_shift([[0.8, 0.2], [0.7, 0.3]]).round(2)
        array([-0.06,  0.06])
    """
    table = np.asarray(probabilities, float)
    table = table[~_says_nothing(table)]
    if not len(table):
        return np.zeros(table.shape[1:])
    logarithms = np.log(np.maximum(table, _LEAST))
    log_prior_shift = np.zeros(table.shape[1])
    for _ in range(_ROUNDS):
        means = _softmax(logarithms + log_prior_shift).mean(axis=0)
        log_prior_shift -= np.log(means * len(log_prior_shift))
        log_prior_shift -= log_prior_shift.mean()
    known = len(table) / (len(table) + _PRIOR_RECORDINGS)
    return np.asarray(share * known * log_prior_shift)


def adjust_logits(probabilities: ArrayLike, log_prior_shift: ArrayLike) -> NDArray[np.float64]:
    """Draws answers to each emotion by so much.

    Args:
        probabilities: Shape ``(recording, emotion)``.
        log_prior_shift: As `estimate_log_prior_shift` gives them.

    Returns:
        Probabilities, the same shape; rows in which all emotions are alike stay so.

    Example:
        >>> adjust_logits([[0.8, 0.2], [0.5, 0.5]], [-0.5, 0.5]).round(2)
        array([[0.6, 0.4],
               [0.5, 0.5]])
    """
    table = np.array(probabilities, float)
    told = ~_says_nothing(table)
    table[told] = _softmax(np.log(np.maximum(table[told], _LEAST)) + log_prior_shift)
    return table


def _says_nothing(table: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((table == table[:, :1]).all(axis=1))


def _softmax(logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
