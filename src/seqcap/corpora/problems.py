"""Problems of a corpus table, and how they name rows.

Rows bear the number of their line in the CSV file: the header is 1, the first utterance 2.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

FIRST_ROW = 2  # row 1 is the header
TOLERANCE_S = 0.01  # tables round times


class Problem(NamedTuple):
    """A problem of a corpus table.

    Attributes:
        row: Its row; of several, the first.
        kind: A short name, the same for problems of one kind.
        text: The problem in words.
        is_note: It is no error; the corpus can be used as it is.
    """

    row: int
    kind: str
    text: str
    is_note: bool = False


def rows_where(wrong: "pd.Series[bool] | np.ndarray[tuple[int], np.dtype[np.bool_]]") -> list[int]:
    """Lists the rows for which something is true.

    Args:
        wrong: True or false for each row, shape ``(row,)``.

    Example:
        >>> rows_where(pd.Series([False, True]))
        [3]
    """
    return [int(i) + FIRST_ROW for i in np.asarray(wrong).nonzero()[0]]


def said_differently(there: str, here: str) -> str:
    """Names two labels of one recording where they differ.

    Args:
        there: A label.
        here: The other label.

    Example:
        >>> said_differently("anger", "fear")
        ", there 'anger' and here 'fear'"
    """
    return "" if there == here else f", there {there!r} and here {here!r}"
