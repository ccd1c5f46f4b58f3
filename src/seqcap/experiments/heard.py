"""Whom a model has heard: those who taught it, by its own record."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from seqcap.corpora.speakers import speaker_key
from seqcap.recognition.checkpoint import Checkpoint


def taught(provenance: Mapping[str, Any]) -> set[str]:
    """Names those who taught a model, and those who taught the one that it began with.

    Args:
        provenance: Of a checkpoint.
    """
    fold, began = provenance.get("fold", {}), provenance.get("started_from", {})
    return {*fold.get("train", ()), *began.get("speakers", ())}


def heard_by(checkpoint: Checkpoint, speakers: "pd.Series[str]") -> "pd.Series[bool]":
    """Tells for each row whether its speaker taught a model, however they are spelled.

    Args:
        checkpoint: The model.
        speakers: Of the rows; empty where nobody is named.
    """
    keys = {speaker_key(speaker) for speaker in taught(checkpoint.provenance)}
    return speakers.map(lambda speaker: bool(speaker) and speaker_key(speaker) in keys).astype(bool)
