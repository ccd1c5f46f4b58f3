"""Are altered training recordings found by their fingerprints, and others not?

Every table's speakers are halved: the recordings of one half are known, those of the other half
are not. Drawn recordings of the first half are altered and looked up, all of the second half are
looked up as they are. Needs the extra `train`:

    python benchmarks/fingerprints.py emodb.csv ravdess.csv nemo.csv
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr

from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.corpora.fingerprints import FingerprintIndex, FloatArray, fingerprints_of
from seqcap.scoring.evaluation import row_waveforms
from seqcap.training.run import read_tables


def coded(waveform: FloatArray, rate_hz: int, **how: Any) -> FloatArray:
    """The waveform after a way through a file of another rate and format."""
    file = io.BytesIO()
    resampled = soxr.resample(waveform, SAMPLE_RATE_HZ, rate_hz)
    soundfile.write(file, np.clip(resampled, -1, 1), rate_hz, **how)
    return load_waveform(file.getvalue())


def trimmed(waveform: FloatArray, random: np.random.Generator) -> FloatArray:
    """Cuts off 5 to 20 % at each end."""
    first, last = random.uniform(0.05, 0.2, 2) * len(waveform)
    return waveform[int(first) : len(waveform) - int(last)]


def noisy(waveform: FloatArray, random: np.random.Generator, snr_db: float = 20.0) -> FloatArray:
    """Adds white noise."""
    deviation = np.sqrt(np.mean(waveform**2) / 10 ** (snr_db / 10))
    return (waveform + random.normal(0, deviation, len(waveform))).astype(np.float32)


TELEPHONE = {"format": "WAV", "subtype": "ULAW"}
ALTERATIONS: dict[str, Callable[[FloatArray, np.random.Generator], FloatArray]] = {
    "as it is": lambda x, _: x,
    "44.1 kHz, 16 bit": lambda x, _: coded(x, 44100, format="WAV", subtype="PCM_16"),
    "11.025 kHz": lambda x, _: coded(x, 11025, format="FLAC"),
    "8 kHz mu-law": lambda x, _: coded(x, 8000, **TELEPHONE),
    "8 kHz GSM 06.10": lambda x, _: coded(x, 8000, format="WAV", subtype="GSM610"),
    "MP3, 24 kbit/s": lambda x, _: coded(
        x, 16000, format="MP3", compression_level=0.9, bitrate_mode="CONSTANT"
    ),
    "Opus, 12 kbit/s": lambda x, _: coded(
        x, 16000, format="OGG", subtype="OPUS", compression_level=0.98
    ),
    "20 dB softer": lambda x, _: x / np.float32(10),
    "trimmed": trimmed,
    "white noise, 20 dB": noisy,
    "trimmed, 10 dB softer, mu-law": lambda x, r: coded(
        trimmed(x, r) / np.float32(3), 8000, **TELEPHONE
    ),
    "trimmed, noise, mu-law": lambda x, r: coded(noisy(trimmed(x, r), r), 8000, **TELEPHONE),
}


def halves(table: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each row's speaker is of the first half of its corpus."""
    speakers = table["speaker"].drop_duplicates().sort_values().tolist()
    return table["speaker"].isin(speakers[::2])


def main() -> None:
    """Prints how many are found after each alteration, and how many others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=100, help="recordings for each alteration")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    table = read_tables(arguments.tables)
    is_known = halves(table)
    known, others = table[is_known], table[~is_known]
    began_s = time.perf_counter()
    fingerprints = fingerprints_of(row_waveforms(known))
    taken_s = time.perf_counter() - began_s
    size = 6 * len(fingerprints.codes) / len(known)
    each_ms = 1000 * taken_s / len(known)
    print(f"{len(known)} recordings known: {size:.0f} bytes, {each_ms:.0f} ms each")
    index = FingerprintIndex(fingerprints)
    random = np.random.default_rng(arguments.seed)
    print("\n| alteration | found | of |\n|---|--:|--:|")
    for name, altered in ALTERATIONS.items():
        places = random.choice(len(known), arguments.count, replace=False)
        asked = row_waveforms(known.iloc[places])
        found = sum(index.find(altered(waveform, random)) is not None for waveform in asked)
        print(f"| {name} | {found} | {len(places)} |", flush=True)
    began_s = time.perf_counter()
    wrong = [index.find(waveform) for waveform in row_waveforms(others)]
    taken_s = time.perf_counter() - began_s
    count = sum(place is not None for place in wrong)
    print(f"| of other speakers | {count} | {len(others)} |")
    print(f"\n{1000 * taken_s / len(others):.0f} ms a question")
    for file, place in zip(others["file"], wrong, strict=True):
        if place is not None:
            print(f"{file} was taken for {known['file'].iloc[place]}")


if __name__ == "__main__":
    main()
