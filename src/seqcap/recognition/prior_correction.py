"""Prior correction (logit adjustment) for one speaker whose emotions are roughly balanced.

A model may answer one emotion too often about a voice that is new to it. For a speaker with
balanced emotions this shows in the mean of the answers, without labels. Their class prior is
shifted halfway to uniform (as in "distribution alignment", Berthelot et al., ReMixMatch, 2020).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqcap.recognition.answers import Answer, Failure, decide

# Choice: the full shift would force equal frequencies. With half of it, UAR rises on validation
# speakers of EMO-DB, nEMO and RAVDESS (`benchmarks/balanced_prior.py`).
SHARE = 0.5
_PRIOR_RECORDINGS = 8  # pseudo-count: with few recordings the correction shrinks to zero
_LEAST = 1e-6
_ROUNDS = 100


def estimate_log_prior_shift(probabilities: ArrayLike, share: float = SHARE) -> NDArray[np.float64]:
    """Estimates how far a speaker's class prior is to be shifted.

    Args:
        probabilities: Of the speaker's recordings, ``(recording, emotion)``. With few recordings
            the correction shrinks to zero. Uniform rows (silence) and rows of
            NaN (no speech) are ignored.
        share: How far the mean is shifted to uniform if there are many recordings, 0 to 1.

    Returns:
        Shape ``(emotion,)``, to be added to log probabilities; the sum is zero.

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
    """Shifts log probabilities and normalises them again.

    Args:
        probabilities: Shape ``(recording, emotion)``.
        log_prior_shift: Shape ``(emotion,)``, as `estimate_log_prior_shift` gives it.

    Returns:
        Probabilities, the same shape; uniform rows are left as they are.

    Example:
        >>> adjust_logits([[0.8, 0.2], [0.5, 0.5]], [-0.5, 0.5]).round(2)
        array([[0.6, 0.4],
               [0.5, 0.5]])
    """
    table = np.array(probabilities, float)
    told = ~_says_nothing(table)
    table[told] = _softmax(np.log(np.maximum(table[told], _LEAST)) + log_prior_shift)
    return table


def balance_probabilities(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Corrects the class prior of one speaker's answers by these answers themselves.

    Args:
        probabilities: Of all recordings of the speaker, ``(recording, emotion)``.

    Returns:
        Probabilities, the same shape.

    Example:
        >>> balance_probabilities([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]]).round(2)
        array([[0.88, 0.12],
               [0.88, 0.12],
               [0.35, 0.65]])
    """
    return adjust_logits(probabilities, estimate_log_prior_shift(probabilities))


def balance_answers(
    answers: Sequence[Answer | Failure], abstain_below: float = 0.0
) -> list[Answer | Failure]:
    """Corrects the class prior of one speaker's answers, pieces included.

    Args:
        answers: All answers about the speaker; failures keep their places.
        abstain_below: Answers less sure than this are "uncertain".
    """
    rows = [list(each.probabilities.values()) for each in answers if isinstance(each, Answer)]
    if not rows:
        return list(answers)
    shift = estimate_log_prior_shift(rows)
    return [
        each if isinstance(each, Failure) else _shift_answer(each, shift, abstain_below)
        for each in answers
    ]


def _shift_answer(answer: Answer, shift: NDArray[np.float64], abstain_below: float) -> Answer:
    (row,) = adjust_logits([list(answer.probabilities.values())], shift).tolist()
    probabilities = dict(zip(answer.probabilities, row, strict=True))
    return dataclasses.replace(
        answer,
        probabilities=probabilities,
        predicted=decide(probabilities, abstain_below),
        timeline=tuple(_shift_answer(piece, shift, abstain_below) for piece in answer.timeline),
    )


def _says_nothing(table: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(((table == table[:, :1]) | np.isnan(table)).all(axis=1))


def _softmax(logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
