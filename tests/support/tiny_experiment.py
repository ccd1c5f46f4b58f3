"""A corpus of seconds and a grid of three short runs, for tests of what does the running."""

from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from seqcap.corpora.table import write_table

GRID = """\
# Three runs of a second.
title = "Tiny"
labels = "anger,sadness"
folds = "loso"
seeds = [0]
[set]
epochs = 3
batch_size = 4
segment_s = 0.3
threads = 1
[[entry]]
system = "CNN_GRU"
"""


def write_corpus(folder: Path) -> Path:
    """Three people who each say four things, in high tones and in low ones."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    rows = []
    for speaker in ("a", "b", "c"):
        for place in range(4):
            time_s = np.arange(generator.integers(4000, 8000)) / 16000
            tone = 0.3 * np.sin(2 * np.pi * (2000 if place % 2 else 300) * time_s)
            file = folder / f"{speaker}{place}.wav"
            soundfile.write(file, tone + 0.01 * generator.standard_normal(len(tone)), 16000)
            rows.append({"file": str(file), "start": 0.0, "end": np.nan, "speaker": speaker,
                         "session": "", "emotion": ("anger", "sadness")[place % 2]})  # fmt: skip
    write_table(pd.DataFrame(rows), folder / "table.csv")
    return folder / "table.csv"


def write_grid(folder: Path, more: str = "") -> Path:
    """The grid, with more lines behind those of its entry."""
    file = folder / "tiny.toml"
    file.write_text(GRID + more, "utf-8")
    return file
