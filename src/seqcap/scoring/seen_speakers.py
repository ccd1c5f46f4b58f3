"""The speakers that a model was trained or validated on, by its own record."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from seqcap.corpora.speakers import speaker_key


def seen_speakers(provenance: Mapping[str, Any]) -> set[str]:
    """Gives the speakers of training and validation, and those of the initial model.

    Args:
        provenance: Record of a checkpoint.

    Example:
        >>> sorted(seen_speakers({"fold": {"train": ["a"], "validation": ["b"], "test": ["c"]}}))
        ['a', 'b']
    """
    fold, initial = provenance.get("fold", {}), provenance.get("started_from", {})
    return {*fold.get("train", ()), *fold.get("validation", ()), *initial.get("speakers", ())}


def validation_speakers(provenance: Mapping[str, Any]) -> set[str]:
    """Gives the speakers who validated, and trained neither the model nor its initial one.

    Args:
        provenance: Record of a checkpoint.

    Example:
        >>> sorted(validation_speakers({"fold": {"train": ["a"], "validation": ["a", "b"]}}))
        ['b']
    """
    fold, initial = provenance.get("fold", {}), provenance.get("started_from", {})
    trained = {*initial.get("speakers", ())} - {*initial.get("validation", ())}
    return {*fold.get("validation", ())} - {*fold.get("train", ())} - trained


def is_seen(provenance: Mapping[str, Any], speakers: "pd.Series[str]") -> "pd.Series[bool]":
    """Says for each row whether its speaker was seen, however they are spelled.

    Args:
        provenance: Record of the model's checkpoint.
        speakers: Speaker of each row; empty if unknown.

    Returns:
        On the index of `speakers`.

    Example:
        >>> is_seen({"fold": {"train": ["SP01"]}}, pd.Series(["sp1", "sp2"])).tolist()
        [True, False]
    """
    keys = {speaker_key(speaker) for speaker in seen_speakers(provenance)} - {""}
    return speakers.map(lambda speaker: speaker_key(speaker) in keys).astype(bool)
