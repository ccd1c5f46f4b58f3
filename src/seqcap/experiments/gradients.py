"""Which part of a spectrogram an answer depends on: gradients, Fig. 8.

Axis order: spectrograms and gradients ``(frame, bin)``.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from seqcap.audio.spectrogram import FRAMES_PER_S, FloatArray
from seqcap.corpora.audio_info import durations_s
from seqcap.corpora.fold import Fold
from seqcap.corpora.folds import rows_of_part
from seqcap.corpora.provenance import below_shared_folder
from seqcap.experiments.run_files import GRADIENTS_FILE, save_arrays
from seqcap.recognition.explanation import gradient_of_logit
from seqcap.recognition.recognizer import Recognizer
from seqcap.recognition.torch_engine import with_network
from seqcap.scoring.evaluation import load_rows


class Sensitivity(NamedTuple):
    """A spectrogram as a system sees it, ``(frame, bin)``, and the gradient of its answer."""

    spectrogram: FloatArray
    gradient: FloatArray
    predicted: str


def sensitivity(recognizer: Recognizer, waveform: FloatArray) -> Sensitivity:
    """Computes the gradient of the predicted emotion's logit.

    Args:
        recognizer: A trained system, on the CPU.
        waveform: 16 kHz mono, shape ``(samples,)``.

    Returns:
        The normalised spectrogram, and at each of its points how much the logit rises with it.
    """
    normalisation = recognizer.checkpoint.normalisation
    spectrogram = normalisation.spectrogram(waveform)
    best = int(recognizer.probabilities([spectrogram])[0].argmax())
    system = with_network(recognizer.checkpoint).system
    normalised = normalisation(spectrogram)
    gradient = gradient_of_logit(system, normalised, best)
    return Sensitivity(normalised, gradient, recognizer.emotions[best])


def typical_row(table: pd.DataFrame) -> int:
    """Finds the utterance that stands for all: its duration is nearest to the median.

    Args:
        table: Utterances; the first by file and start is taken of those that are equally near.

    Returns:
        Its place in the table.
    """
    durations = durations_s(table)
    distances = (durations - durations.median()).abs()
    nearest = table.assign(distance=distances).reset_index(drop=True)
    nearest = nearest[nearest["distance"] == nearest["distance"].min()]
    return int(nearest.sort_values(["file", "start"], kind="stable").index[0])


def save_gradients(labelled: pd.DataFrame, fold: Fold, folder: Path) -> None:
    """Keeps the gradients of a run that is done, for one utterance of its test part.

    Which utterance depends on corpus and fold alone, so that systems can be laid side by side.
    Systems that adapt to speakers treat its speaker as unknown.

    Args:
        labelled: The corpus, its labels applied.
        fold: Who tested.
        folder: Of the run; gets `gradients.npz` with `spectrogram`, `gradient`, `file`,
            `emotion`, `predicted` and `frame_shift_s`.
    """
    below = labelled.assign(below=below_shared_folder(labelled["file"]))
    tested = rows_of_part(below, fold, "test")
    row = tested.iloc[[typical_row(tested)]]
    recognizer = Recognizer.from_pretrained(folder / "model", device="cpu")
    found = sensitivity(recognizer, load_rows(row)[0])
    save_arrays(
        folder / GRADIENTS_FILE,
        {
            "spectrogram": found.spectrogram,
            "gradient": found.gradient,
            "file": row["below"].iloc[0],
            "emotion": row["emotion"].iloc[0],
            "predicted": found.predicted,
            "frame_shift_s": 1 / FRAMES_PER_S,
        },
    )
