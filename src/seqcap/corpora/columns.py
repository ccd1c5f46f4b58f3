"""The columns of a corpus table, and the other names and notations they come under.

nkululeko writes `file,start,end,speaker,emotion,gender` with times as time deltas, audformat
the same; elsewhere columns are called `path`, `label`, `SpkrID` and times are seconds.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from seqcap.corpora.corpus import COLUMNS
from seqcap.corpora.emotions import canonical_spellings
from seqcap.errors import CorpusError

# Canonical name -> other names, the likelier first. `name` is last: it may name a person.
_OTHER_NAMES = {
    "file": "path filepath file_path filename file_name audio audio_path audio_file wav wav_path "
    "wav_file name",
    "start": "start_time start_s begin onset",
    "end": "end_time end_s stop offset",
    "speaker": "speaker_id speakerid spkrid spkr_id spkr spk spk_id speaker_name actor actor_id",
    "session": "session_id sessionid",
    "emotion": "label emo emotion_label emotion_name emotions class_label category",
    "gender": "sex speaker_gender",
    "text": "sentence transcript transcription transcript_text statement",
    "split": "split_set fold set subset partition",
}

_GENDERS = {"m": "male", "male": "male", "f": "female", "female": "female", "w": "female"}


def with_canonical_columns(
    table: pd.DataFrame, source: str, needed: Sequence[str] = ("file", "emotion")
) -> pd.DataFrame:
    """Renames columns to their canonical names; columns of other names are kept as they are.

    Args:
        table: as it was read.
        source: what to call the table in an error.
        needed: canonical names that one column each must have.

    Raises:
        CorpusError: there is no column for the file or the emotion, or two for one of them.

    Example:
        >>> table = pd.DataFrame({"Path": ["a.wav"], "SpkrID": ["1"], "EMO": ["ang"]})
        >>> list(with_canonical_columns(table, "t.csv").columns)
        ['file', 'speaker', 'emotion']
    """
    names = [str(column) for column in table.columns]
    folded = [name.strip().casefold().replace(" ", "_").replace("-", "_") for name in names]
    renamed = dict(zip(names, names, strict=True))
    for canonical, others in _OTHER_NAMES.items():
        for candidate in (canonical, *others.split()):
            if candidate in folded:
                if folded.count(candidate) > 1:
                    raise CorpusError(f"{source}: two columns {candidate!r}; one was expected")
                renamed[names[folded.index(candidate)]] = canonical
                break
    for canonical in needed:
        if canonical not in renamed.values():
            raise CorpusError(
                f"{source}: columns {', '.join(names)}; one named {canonical!r} or "
                f"{', '.join(_OTHER_NAMES[canonical].split()[:4])} was expected"
            )
    return table.rename(columns=renamed)


_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d+$)")
_NUMBER = re.compile(r"[+-]?[\d.,\s]+")


def as_seconds(times: "pd.Series[str]", source: str) -> "pd.Series[float]":
    """Reads times as seconds, be they written as seconds or as time deltas; empty is NaN.

    A comma before the last digits is a decimal comma: `1,5` is a second and a half.

    Args:
        times: One for each row.
        source: Of the table, for errors.

    Raises:
        CorpusError: a value is neither, or not finite; with its row.

    Example:
        >>> list(as_seconds(pd.Series(["1.5", "0 days 00:00:02.250000", "1,5", ""]), "t.csv"))
        [1.5, 2.25, 1.5, nan]
    """
    if pd.api.types.is_timedelta64_dtype(times):
        return pd.Series(pd.TimedeltaIndex(times).total_seconds(), index=times.index)
    texts = _as_text(times).str.strip()
    is_empty = texts.str.casefold().isin(["", "nan", "nat", "none", "<na>"])
    points = texts.where(
        texts.str.count(r"\.") > 0, texts.str.replace(_DECIMAL_COMMA, ".", regex=True)
    )
    seconds = pd.to_numeric(points, errors="coerce").astype(float)
    unread = seconds.isna() & ~is_empty
    if unread.any():
        # A time of day without days, 00:00:01.5, is a time delta too. A number alone is none:
        # pandas would take it for nanoseconds.
        deltas = points[unread].where(~points[unread].str.fullmatch(_NUMBER))
        seconds[unread] = pd.to_timedelta(deltas, errors="coerce").dt.total_seconds()
    wrong = ~is_empty & ~np.isfinite(seconds)
    if wrong.any():
        row = int(wrong.to_numpy().nonzero()[0][0])
        raise CorpusError(
            f"{source}: row {row + 2}: {texts.iloc[row]!r} is no time; seconds (1.5) or a time "
            "delta (0 days 00:00:01.5) was expected"
        )
    return seconds


def with_canonical_values(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Completes the columns and brings values to one notation: seconds, emotions, genders.

    Unknown emotions and speakers' spellings stay as they came: `check_table` names them.

    Args:
        table: columns under their canonical names, values as text.
        source: what to call the table in an error.
    """
    values = {str(name): table[name] for name in table.columns}
    empty = pd.Series("", index=table.index, dtype=object)
    for name in COLUMNS:
        values.setdefault(name, empty)
    values["start"] = as_seconds(values["start"], source).fillna(0.0)
    values["end"] = as_seconds(values["end"], source)
    for name in values.keys() - {"start", "end"}:
        if name in ("file", "speaker", "session", "emotion", "gender", "text", "split"):
            values[name] = _as_text(values[name])
    spellings = canonical_spellings(values["emotion"])
    values["emotion"] = values["emotion"].map(lambda label: spellings.get(label, label.strip()))
    if "gender" in values:
        values["gender"] = values["gender"].map(
            lambda gender: _GENDERS.get(gender.strip().casefold(), gender)
        )
    extras = [name for name in values if name not in COLUMNS]
    return pd.DataFrame({name: values[name] for name in (*COLUMNS, *extras)})


def _as_text(column: "pd.Series[str]") -> "pd.Series[str]":
    """Values as text, empty where there are none; whole numbers without `.0`."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        return _as_text(column.astype("Int64").astype(object))
    return column.astype(object).where(column.notna(), "").astype(str)
