"""Fingerprints of the recordings that a model learned from, and the check of an initial model."""

from collections.abc import Collection, Iterable
from pathlib import Path

import pandas as pd

from seqcap.audio.spectrogram import FloatArray
from seqcap.corpora.fingerprints import (
    FINGERPRINTS_FILE,
    fingerprints_of,
    load_fingerprints,
    save_fingerprints,
)
from seqcap.errors import CorpusError
from seqcap.recognition.model_folder import check_model_folder
from seqcap.scoring.evaluation import row_waveforms
from seqcap.scoring.seen_recordings import seen_recordings

_NAMED = 3  # known recordings that an error names


def write_fingerprints(
    learned: pd.DataFrame,
    init_from: str,
    folder: Path,
    waveforms: Iterable[FloatArray] | None = None,
) -> None:
    """Writes fingerprints beside a model.

    Args:
        learned: Rows of the training and the validation part.
        init_from: Folder of the initial model, whose fingerprints are added; "" for none.
        folder: Folder of the model.
        waveforms: Waveforms of the rows, in their order; loaded if None.
    """
    fingerprints = fingerprints_of(row_waveforms(learned) if waveforms is None else waveforms)
    if init_from:
        earlier = load_fingerprints(check_model_folder(init_from) / FINGERPRINTS_FILE)
        if earlier is not None:
            fingerprints = earlier | fingerprints
    save_fingerprints(fingerprints, folder / FINGERPRINTS_FILE)


def refuse_known_recordings(
    init_from: str,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    validated_before: Collection[str] = (),
) -> None:
    """Refuses to validate or test on recordings that the initial model was trained on.

    Args:
        init_from: Folder of the initial model; "" for none.
        validation: Rows of the validation part.
        test: Rows of the test part.
        validated_before: Speakers who only validated the initial model: they may validate again.

    Raises:
        CorpusError: The fingerprints of the model match one of them.
    """
    if not init_from:
        return
    validated = validation["speaker"].isin(validated_before)
    checked = pd.concat([validation[~validated], test])
    seen = seen_recordings(init_from, checked)
    if seen.any():
        files = checked["file"][seen].tolist()
        more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
        raise CorpusError(
            f"the initial model {init_from} was trained on recordings of the validation or test "
            f"part (by fingerprint): {', '.join(files[:_NAMED])}{more}; move their speakers into "
            "the training part, or choose another initial model"
        )
