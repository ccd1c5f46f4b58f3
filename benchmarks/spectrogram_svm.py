"""What does speaker adaptation gain with a support vector machine on statistics of spectrograms?

A check of minutes before a training of hours. The spectrograms are normalised as for a system, and
reduced to means, deviations, percentiles and mean changes of 128 bands. The SVM is trained on the
training speakers. Printed is the UA on the validation speakers, mean over folds, of the best kernel
and C, which favours all variants equally. Test speakers are not used. Needs the extra `benchmark`:

    python benchmarks/spectrogram_svm.py ravdess.csv --labels ravdess8 --folds groups:6
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from peers import CS, gram
from rich.console import Console
from rich.progress import track
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from seqcap.audio.normalisation import NormalisationSettings
from seqcap.audio.spectrogram import FloatArray
from seqcap.corpora.fold import part_of
from seqcap.corpora.folds import ALL_FOLDS, choose_folds
from seqcap.corpora.labels import apply_labels, label_set_named
from seqcap.errors import SeqcapError
from seqcap.scoring.evaluation import load_rows
from seqcap.scoring.metrics import confusion_matrix, unweighted_accuracy
from seqcap.training.batches import Utterance, measure_normalisation, speaker_normalisations
from seqcap.training.run import read_tables

LabelArray = NDArray[np.int64]
BANDS = 128
TRIM_DB = 30.0  # as the recipe `default`


def statistics(spectrogram: FloatArray) -> FloatArray:
    """Five statistics of each band over the frames, shape ``(5 x 128,)``."""
    bands = spectrogram.reshape(len(spectrogram), BANDS, -1).mean(2)
    change = np.abs(np.diff(bands, axis=0, prepend=bands[:1])).mean(0)
    low, high = np.percentile(bands, [10, 90], axis=0)
    return np.concatenate((bands.mean(0), bands.std(0), low, high, change))


def validation_ua(features: FloatArray, labels: LabelArray, parts: "pd.Series[str]") -> float:
    """UA on the validation speakers of the best kernel and C."""
    learnt, asked = ((parts == part).to_numpy() for part in ("train", "validation"))
    scaler = StandardScaler().fit(features[learnt])
    given, unknown = scaler.transform(features[learnt]), scaler.transform(features[asked])
    uas = []
    for kernel, cs in CS.items():
        among, across = gram(kernel, given, given), gram(kernel, unknown, given)
        for c in cs:
            machine = SVC(C=c, kernel="precomputed", class_weight="balanced")
            answers = machine.fit(among, labels[learnt]).predict(across)
            confusion = confusion_matrix(labels[asked], answers, labels.max() + 1)
            uas.append(unweighted_accuracy(confusion))
    return max(uas)


def features_of(
    utterances: Sequence[Utterance], level: float, speaker_mean_norm: float
) -> FloatArray:
    """Statistics of every utterance, shape ``(utterance, 5 x 128)``.

    What is measured over everybody, mean and deviation of each bin, is removed again on the
    training part of each fold.
    """
    settings = NormalisationSettings(
        target_rms=level, trim_db=TRIM_DB, speaker_mean_norm=speaker_mean_norm
    )
    everybody = measure_normalisation(utterances, settings)
    pairs = zip(utterances, speaker_normalisations(utterances, everybody), strict=True)
    return np.stack([statistics(one(one.spectrogram(each.waveform))) for each, one in pairs])


def main() -> None:
    """Prints UA with and without adaptation, at one loudness and as recorded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--labels", default="paper4", help="a label set, 'all', or emotions")
    parser.add_argument("--folds", default="paper", help="a scheme or a file of folds")
    arguments = parser.parse_args()
    try:
        table = read_tables(arguments.tables)
        label_set = label_set_named(arguments.labels, table)
        folds = choose_folds(table, arguments.folds, ALL_FOLDS, allow_shared_speakers=False)
        table = apply_labels(table, label_set).reset_index(drop=True)
        sounds = load_rows(table)
        labels = table["emotion"].map(label_set.emotions.index).to_numpy()
    except SeqcapError as error:
        sys.exit(f"spectrogram_svm: {error}")
    utterances = [
        Utterance(waveform, label, "", speaker)
        for waveform, label, speaker in zip(sounds, labels, table["speaker"], strict=True)
    ]
    print("| loudness | adapts | UA, mean over folds | fold by fold |\n|---|---|--:|---|")
    ways = [(level, known) for level in (0.01, 0.0) for known in (0.0, 1.0)]
    for level, speaker_mean_norm in track(ways, console=Console(stderr=True), transient=True):
        features = features_of(utterances, level, speaker_mean_norm)
        uas = [validation_ua(features, labels, part_of(table, fold)) for fold in folds]
        print(
            f"| {'the same' if level else 'as recorded'} | "
            f"{'yes' if speaker_mean_norm else 'no'} | "
            f"{np.mean(uas):.3f} | {' '.join(f'{ua:.3f}' for ua in uas)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
