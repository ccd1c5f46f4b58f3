"""Soft labels of a table: what listeners or a teacher gave each emotion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqcap.errors import CorpusError

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "soft_"  # of the columns


def soft_labels(table: pd.DataFrame, emotions: Sequence[str]) -> list[NDArray[np.float32] | None]:
    """Reads the columns `soft_EMOTION` of a table: votes, shares or probabilities.

    Args:
        table: As `read_table` gives it.
        emotions: Of the label set; votes for others are not counted.

    Returns:
        For each row shape ``(emotion,)``, scaled to a sum of 1; None where the columns are
        missing, empty or zero.

    Raises:
        CorpusError: A value that is no number, or below zero.

    Example:
        >>> import pandas as pd
        >>> votes = pd.DataFrame({"file": ["a", "b"], "soft_anger": [3, ""], "soft_joy": [1, ""]})
        >>> soft_labels(votes, ["anger", "joy"])
        [array([0.75, 0.25], dtype=float32), None]
    """
    columns = [PREFIX + emotion for emotion in emotions]
    if not any(column in table for column in columns):
        return [None] * len(table)
    found = table.reindex(columns=columns, fill_value="").replace("", np.nan)
    try:
        votes = found.astype(float).to_numpy()
    except ValueError as error:
        raise CorpusError(f"{columns[0]} and its like: {error}; numbers were expected") from error
    wrong = (votes < 0) | np.isinf(votes)
    if wrong.any():
        row, place = np.argwhere(wrong)[0]
        raise CorpusError(
            f"{table['file'].iloc[row]}: {columns[place]} is {votes[row, place]:g}; a finite "
            "number of at least 0 was expected"
        )
    sums = np.nansum(votes, axis=1, keepdims=True)
    shares = np.nan_to_num(votes) / np.where(sums > 0, sums, 1)
    return [
        one.astype(np.float32) if total > 0 else None
        for one, total in zip(shares, sums[:, 0], strict=True)
    ]
