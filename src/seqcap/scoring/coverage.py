"""What abstaining buys: accuracy of the surest answers against the share that is answered."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqcap.scoring.metrics import most_probable

SHARES = (1.0, 0.9, 0.75, 0.5, 0.25)


class Coverage(NamedTuple):
    """One threshold.

    Attributes:
        abstain_below: The probability of the least sure answer that is given.
        share: Of all utterances, those that are answered.
        wa: Of these, those that are right.
    """

    abstain_below: float
    share: float
    wa: float


def accuracy_by_coverage(probabilities: ArrayLike, actual: ArrayLike) -> list[Coverage]:
    """Accuracy when only the surest quarter, half ... of the utterances is answered.

    Args:
        probabilities: Shape ``(utterance, emotion)``; NaN where there is no speech, never answered.
        actual: Indices of emotions, shape ``(utterance,)``.

    Example:
        >>> sure = accuracy_by_coverage([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], [0] * 4)
        >>> [(each.share, each.wa) for each in sure]
        [(1.0, 0.75), (0.75, 0.6666666666666666), (0.5, 1.0), (0.25, 1.0)]
    """
    predicted = most_probable(probabilities)
    right = predicted == np.asarray(actual)
    confidence = np.asarray(probabilities, float).max(axis=1)
    answered = confidence[predicted >= 0]
    found: dict[float, Coverage] = {}
    for share in SHARES:
        wanted = min(round(share * len(right)), len(answered))
        if wanted:
            least = float(np.sort(answered)[-wanted])
            given = confidence >= least  # NaN is not
            found[least] = Coverage(least, float(given.mean()), float(right[given].mean()))
    return list(found.values())
