"""Which recordings of a table a model was trained on, whatever their names and formats."""

import os

import pandas as pd
from rich.console import Console
from rich.progress import track

from seqcap.corpora.fingerprints import FINGERPRINTS_FILE, FingerprintIndex, load_fingerprints
from seqcap.corpora.speakers import speaker_key
from seqcap.errors import gather_warnings
from seqcap.recognition.model_folder import check_model_folder
from seqcap.scoring.evaluation import row_waveforms


def seen_recordings(
    model: str | os.PathLike[str] | None, table: pd.DataFrame, progress: bool = False
) -> "pd.Series[bool]":
    """Tells for each row whether a model was trained or validated with its recording.

    Args:
        model: Folder of the model; None or "-" for the included one. One without fingerprints
            has seen nothing.
        table: Rows with file, start and end.
        progress: Show progress.

    Raises:
        AudioError: A recording cannot be read.
        CheckpointError: There is no model, or its fingerprints are damaged.
    """
    known = load_fingerprints(check_model_folder(model) / FINGERPRINTS_FILE)
    if known is None or not len(known.codes):
        return pd.Series(False, index=table.index)
    index = FingerprintIndex(known)
    waveforms = track(
        row_waveforms(table),
        "comparing with training recordings",
        total=len(table),
        console=Console(stderr=True),
        disable=not progress,
        transient=True,
    )
    with gather_warnings():
        found = [index.find(waveform) is not None for waveform in waveforms]
    return pd.Series(found, index=table.index, dtype=bool)


def of_same_speakers(seen: "pd.Series[bool]", speakers: "pd.Series[str]") -> "pd.Series[bool]":
    """Adds the other rows of each speaker with a row that was seen.

    Args:
        seen: As `seen_recordings` gives it.
        speakers: Of the same rows; those without a name stand alone.

    Example:
        >>> of_same_speakers(pd.Series([True, False, False]), pd.Series(["a", "A", ""])).tolist()
        [True, True, False]
    """
    keys = speakers.map(speaker_key)
    return seen | (keys.isin(set(keys[seen])) & (keys != ""))
