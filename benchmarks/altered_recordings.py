"""How much accuracy does a model lose over a telephone, in noise, and by rounding to 16 bits?

Compares the original test recordings with 8-kHz mu-law, with noise at 10 dB, and with another
rounding. The noise is never used in training: its file names begin with 5.

    python benchmarks/altered_recordings.py - emodb.csv nemo.csv ravdess.csv \
        --folds src/seqcap/training/recipes/development.json --noise noise
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr

from seqcap.audio.source import Source
from seqcap.audio.spectrogram import FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.corpora.folds import choose_fold, rows_of_part
from seqcap.recognition.recognizer import Failure, Recognizer
from seqcap.scoring.evaluation import labelled_for, load_rows, scores
from seqcap.training.run import read_tables

NOISE_DB = 10.0
LEAST_POWER = 1e-8  # of a noise, full scale is 1


def as_telephone(waveform: FloatArray) -> bytes:
    """The content of a WAV file of 8-kHz mu-law."""
    narrow = soxr.resample(waveform, SAMPLE_RATE_HZ, 8000)
    file = io.BytesIO()
    soundfile.write(file, np.clip(narrow, -1, 1), 8000, format="WAV", subtype="ULAW")
    return file.getvalue()


def with_noise(
    waveform: FloatArray, noises: Sequence[FloatArray], generator: np.random.Generator
) -> FloatArray:
    """The recording with some noise, 10 dB below it."""
    noise = np.zeros(1, np.float32)
    while np.mean(noise**2) < LEAST_POWER:  # some noises pause
        whole = noises[int(generator.integers(len(noises)))]
        start = int(generator.integers(len(whole)))
        noise = np.resize(np.roll(whole, -start), len(waveform))
    level = np.sqrt(np.mean(waveform**2) / np.mean(noise**2)) * 10 ** (-NOISE_DB / 20)
    return (waveform + noise * level).astype(np.float32)


def answer(
    recognizer: Recognizer, sources: Sequence[Source], emotions: Sequence[str]
) -> np.ndarray:
    """Probabilities ``(recording, emotion)``."""
    found = recognizer.recognize_many(sources, warn=False)
    rows = []
    for each in found:
        if isinstance(each, Failure):
            print(each.reason)
            rows.append([float("nan")] * len(emotions))
        else:
            rows.append([each.probabilities[e] for e in emotions])
    return np.array(rows)


def main() -> None:
    """Prints UA of each corpus, altered and not, and the largest change by rounding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--folds", required=True)
    parser.add_argument("--noise", type=Path, required=True)
    arguments = parser.parse_args()
    recognizer = Recognizer.from_pretrained(arguments.model)
    table, emotions = labelled_for(recognizer, read_tables(arguments.tables))
    table = rows_of_part(table, choose_fold(table, arguments.folds, "0", False), "test")
    waveforms = load_rows(table)
    generator = np.random.default_rng(0)
    files = [file for file in sorted(arguments.noise.rglob("5*")) if file.is_file()]
    noises = [noise for noise in map(load_waveform, files) if np.mean(noise**2) > LEAST_POWER]
    half_steps = [generator.uniform(-0.5, 0.5, len(each)) / 2**15 for each in waveforms]
    altered: dict[str, list[Source]] = {
        "as it is": [(each, SAMPLE_RATE_HZ) for each in waveforms],
        "8-kHz mu-law": [as_telephone(each) for each in waveforms],
        f"noise at {NOISE_DB:g} dB": [
            (with_noise(each, noises, generator), SAMPLE_RATE_HZ) for each in waveforms
        ],
        "rounded anew": [
            (each + step.astype(np.float32), SAMPLE_RATE_HZ)
            for each, step in zip(waveforms, half_steps, strict=True)
        ],
    }
    rows, plain = [], np.empty(0)
    for name, sources in altered.items():
        found = answer(recognizer, sources, emotions)
        plain = found if not len(plain) else plain
        change = np.abs(found - plain)
        shares = pd.DataFrame(found, columns=list(emotions))
        predictions = pd.concat([table.reset_index(drop=True), shares], axis=1)
        row = {"recordings": name}
        for corpus, part in [*predictions.groupby("corpus"), ("all", predictions)]:
            row[f"UA {corpus}"] = f"{scores(part, emotions)['ua']:.3f}"
        row["largest change"] = f"{np.nanmax(change):.4f}"
        row["99 % below"] = f"{np.nanquantile(change.max(axis=1), 0.99):.4f}"
        rows.append(row)
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
