"""Recognition of an index as audformat has it: files, or parts of files, in a pandas index.

A segmented index has the levels `file`, `start` and `end` with times as time deltas; a filewise
index has files alone. audformat itself is not needed.
"""

import warnings
from typing import TYPE_CHECKING, Any

from seqcap.errors import AudioWarning, CorpusError
from seqcap.recognition.recognizer import Failure, Recognizer
from seqcap.recognition.recordings import Segment

if TYPE_CHECKING:
    import pandas as pd

_LEVELS = ("file", "start", "end")


def recognize_index(index: "pd.Index[Any]", recognizer: Recognizer | None = None) -> "pd.DataFrame":
    """Recognises what an audformat index names.

    Args:
        index: Files; or `file`, `start`, `end`, as time deltas or seconds. An end of NaT is the
            end of the file.
        recognizer: Recognizer to use; the included model if None.

    Returns:
        On the same index: one column an emotion, 0 to 1, and `predicted`. NaN and None where a
        recording could not be read; NaN and "no speech" where there is none.

    Raises:
        CorpusError: It is another kind of index.

    Warns:
        AudioWarning: A recording could not be read.

    Example:
        >>> import pandas as pd
        >>> index = pd.Index(["samples/emodb/15b09Wb.wav"], name="file")
        >>> recognize_index(index).loc["samples/emodb/15b09Wb.wav", "predicted"]
        'anger'
    """
    import pandas as pd

    recognizer = recognizer or Recognizer.from_pretrained()
    rows: list[dict[str, Any]] = []
    for answer in recognizer.recognize_many(segments_of(index)):
        if isinstance(answer, Failure):
            warnings.warn(answer.reason, AudioWarning, stacklevel=2)
            rows.append({"predicted": None})
        else:
            rows.append({**answer.probabilities, "predicted": answer.predicted})
    return pd.DataFrame(rows, index, [*recognizer.emotions, "predicted"])


def segments_of(index: "pd.Index[Any]") -> list[Segment]:
    """Gives the parts of files that an audformat index names.

    Args:
        index: As for `recognize_index`.

    Raises:
        CorpusError: It is another kind of index.

    Example:
        >>> import pandas as pd
        >>> times = pd.to_timedelta([0.5, None], unit="s")
        >>> parts = {"file": ["a", "b"], "start": times, "end": times}
        >>> index = pd.MultiIndex.from_frame(pd.DataFrame(parts))
        >>> [(each.source, each.start_s, each.end_s) for each in segments_of(index)]
        [('a', 0.5, 0.5), ('b', 0.0, None)]
    """
    if index.nlevels == 1:
        return [Segment(str(file)) for file in index]
    if tuple(index.names) != _LEVELS:
        raise CorpusError(
            f"an index with the levels {', '.join(map(str, index.names))}; file, start, end or "
            "files alone are expected"
        )
    return [Segment(str(file), _seconds(start) or 0.0, _seconds(end)) for file, start, end in index]


def _seconds(time: Any) -> float | None:
    import pandas as pd

    if pd.isna(time):
        return None
    return float(time.total_seconds() if hasattr(time, "total_seconds") else time)
