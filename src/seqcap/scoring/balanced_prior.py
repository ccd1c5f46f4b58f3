"""Prior correction of predictions on file, speaker by speaker, as a recognizer does it."""

from collections.abc import Sequence

import pandas as pd

from seqcap.corpora.speakers import speaker_key
from seqcap.recognition.prior_correction import adjust_logits, estimate_log_prior_shift


def balance_prior(predictions: pd.DataFrame, emotions: Sequence[str]) -> pd.DataFrame:
    """Evens out the answers about each speaker, by all rows of theirs, labels aside.

    Those without a name are left as they are, and so is digital silence.

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
        after[own] = adjust_logits(before[own], estimate_log_prior_shift(before[own]))
    answers = pd.DataFrame(after, index=predictions.index, columns=columns)
    same = (after == before).all(axis=1)
    predicted = predictions["predicted"].where(same, answers.idxmax(axis=1))
    return predictions.assign(**answers, predicted=predicted)
