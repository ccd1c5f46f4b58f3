"""How much speech does the detector miss, and how much noise does it accept?

    python benchmarks/speech_detection.py emodb.csv ravdess.csv nemo.csv --noise noise

Speech is taken to be every 10 ms within 20 dB of a recording's loudest, which holds for corpora
without noise. Of noises, those whose names begin with 5 are used, cut into pieces of 2 s.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from seqcap.audio.normalisation import block_powers
from seqcap.audio.speech_detection import speech_frames, speech_probabilities
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.recognition.recordings import pieces_of
from seqcap.scoring.evaluation import load_rows
from seqcap.training.run import read_tables

PIECE_FRAMES = 200
SPEECH_DB = 20.0


def lost_share(waveform: np.ndarray, frames: np.ndarray) -> float:
    """Share of a recording's loud frames that are not speech to the detector."""
    powers = block_powers(waveform)
    loud = powers > powers.max() * 10 ** (-SPEECH_DB / 10)
    return float(1 - frames[loud].mean())


def print_lost(waveforms: list[np.ndarray], names: list[tuple[str, str]]) -> None:
    """Speech lost, by corpus and emotion, and how fast it was found."""
    began_s = time.process_time()
    found = speech_probabilities(waveforms)
    cost_s = time.process_time() - began_s
    seconds = sum(map(len, waveforms)) / SAMPLE_RATE_HZ
    lost: dict[str, list[float]] = defaultdict(list)
    silent: dict[str, int] = defaultdict(int)
    for waveform, probabilities, (corpus, emotion) in zip(waveforms, found, names, strict=True):
        frames = speech_frames(probabilities, len(waveform))
        for name in (corpus, emotion, "all"):
            lost[name].append(lost_share(waveform, frames))
            silent[name] += not frames.any()
    print(f"{seconds:.0f} s of speech, {seconds / cost_s:.0f} times real time on one thread")
    for name, shares in sorted(lost.items()):
        print(f"{name:12} {np.mean(shares):6.1%} lost, {silent[name]} of {len(shares)} silent")


def print_noise(folder: Path) -> None:
    """Pieces of noise without speech, by kind."""
    files = [file for file in sorted(folder.rglob("5*")) if file.is_file()]
    waveforms = [load_waveform(file) for file in files]
    quiet: dict[str, list[bool]] = defaultdict(list)
    for file, waveform, probabilities in zip(
        files, waveforms, speech_probabilities(waveforms), strict=True
    ):
        frames = speech_frames(probabilities, len(waveform))
        sizes = [
            int(frames[i : i + PIECE_FRAMES].sum()) for i in range(0, len(frames), PIECE_FRAMES)
        ]
        kept = pieces_of(np.zeros((sum(sizes), 1), np.float32), sizes)
        for name in (file.parent.name, "all"):
            quiet[name] += [not len(piece) for piece in kept]
    for name, pieces in sorted(quiet.items()):
        print(f"{name:16} {np.mean(pieces):6.1%} of {len(pieces)} pieces: no speech")


def main() -> None:
    """Prints both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--noise", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1000, help="evenly spaced; 0 for all")
    arguments = parser.parse_args()
    table = read_tables(arguments.tables)
    table = table[:: max(1, len(table) // (arguments.rows or len(table)))]
    print_lost(load_rows(table), list(zip(table["corpus"], table["emotion"], strict=True)))
    print_noise(arguments.noise)


if __name__ == "__main__":
    main()
