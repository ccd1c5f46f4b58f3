"""What a run has heard, kept with its model as fingerprints, and what its starting model had."""

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

_NAMED = 3  # of the recordings that are known


def write_fingerprints(
    heard: pd.DataFrame,
    init_from: str,
    folder: Path,
    waveforms: Iterable[FloatArray] | None = None,
) -> None:
    """Writes fingerprints beside a model.

    Args:
        heard: Rows of the training and the validation part.
        init_from: The model that the training began with, whose fingerprints are added; "" for
            none.
        folder: Of the model.
        waveforms: Of the rows; loaded if None.
    """
    fingerprints = fingerprints_of(row_waveforms(heard) if waveforms is None else waveforms)
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
        init_from: The model that the training is to begin with; "" for none.
        validation: Rows of the validation part.
        test: Rows of the test part.
        validated_before: Speakers who only validated the initial model: they may validate again.

    Raises:
        CorpusError: The model knows one of them, by its sound.
    """
    if not init_from:
        return
    validated = validation["speaker"].isin(validated_before)
    asked = pd.concat([validation[~validated], test])
    seen = seen_recordings(init_from, asked)
    if seen.any():
        files = asked["file"][seen].tolist()
        more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
        raise CorpusError(
            f"{init_from}, with which the training is to begin, was trained on recordings of "
            f"validation and test, as their sound shows: {', '.join(files[:_NAMED])}{more}; put "
            "their speakers into the training part, or begin with another model"
        )
