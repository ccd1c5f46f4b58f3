"""Whom a model has heard, by its own record: to learn from, or to choose by."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from seqcap.corpora.speakers import speaker_key


def heard(provenance: Mapping[str, Any]) -> set[str]:
    """Names those who taught or validated a model, and those of the one that it began with.

    Args:
        provenance: Of a checkpoint.
    """
    fold, began = provenance.get("fold", {}), provenance.get("started_from", {})
    return {*fold.get("train", ()), *fold.get("validation", ()), *began.get("speakers", ())}


def heard_before(provenance: Mapping[str, Any], speakers: "pd.Series[str]") -> "pd.Series[bool]":
    """Tells for each row whether a model has heard its speaker, however they are spelled.

    Args:
        provenance: Of the model's checkpoint.
        speakers: Of the rows; empty where nobody is named.
    """
    keys = {speaker_key(speaker) for speaker in heard(provenance)} - {""}
    return speakers.map(lambda speaker: speaker_key(speaker) in keys).astype(bool)
