"""Prior correction of predictions on file, speaker by speaker, as a recognizer does it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from seqcap.corpora.speakers import speaker_key
from seqcap.recognition.answers import NO_SPEECH
from seqcap.recognition.prior_correction import balance_probabilities
from seqcap.scoring.metrics import most_probable


def balance_prior(predictions: pd.DataFrame, emotions: Sequence[str]) -> pd.DataFrame:
    """Corrects the class prior of each speaker's answers by all rows of theirs, without labels.

    Rows without a speaker and rows of digital silence are left as they are.

    Args:
        predictions: Columns speaker and predicted, and the probabilities of the emotions.
        emotions: Whose columns hold the probabilities.

    Returns:
        The table with other probabilities and predictions.
    """
    columns = list(emotions)
    people = predictions["speaker"].astype(str).map(speaker_key)
    before = predictions[columns].to_numpy(float)
    after = before.copy()
    for one in set(people) - {""}:
        own = (people == one).to_numpy()
        after[own] = balance_probabilities(before[own])
    answers = pd.DataFrame(after, index=predictions.index, columns=columns)
    same = np.isclose(after, before, rtol=0, atol=0, equal_nan=True).all(axis=1)
    names = np.array([*columns, NO_SPEECH], object)
    predicted = predictions["predicted"].where(same, names[most_probable(after)])
    return predictions.assign(**answers, predicted=predicted)
