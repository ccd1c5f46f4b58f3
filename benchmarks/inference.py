"""How much audio does one second of a core recognise, beside openSMILE, and in what memory?

    python benchmarks/inference.py [THREADS [SYSTEM ...]]

From samples to probabilities (spectrogram, normalisation, system in pieces), for speech of 1 to
600 s, beside the extraction of openSMILE's eGeMAPSv02 functionals alone, taking turns on the same
samples; batches of 16; peak memory of a fresh process against the length.
"""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measuring import child, machine, medians, peak_mb
from numpy.typing import NDArray
from torch import Tensor

from seqcap.audio.spectrogram import SHIFT_SAMPLES, log_spectrogram
from seqcap.audio.waveform import load_waveform
from seqcap.memory import keep_freed_memory
from seqcap.models.systems import System, build

SAMPLES = Path(__file__).parent.parent / "samples" / "emodb"
SYSTEMS = ("CNN_SeqCap", "CNN_RecCap", "CNN_GRU-SeqCap")
DURATIONS_S = (1, 3, 10, 60, 600)
MEMORY_DURATIONS_S = (10, 60, 600, 1800)
BATCH = 16
PIECE_SAMPLES = 1000 * SHIFT_SAMPLES
REACH_SAMPLES = 640  # the Hann window's


def speech(duration_s: float) -> NDArray[np.float32]:
    """The sample recordings at 16 kHz, one after the other, over and over."""
    recordings = [load_waveform(file) for file in sorted(SAMPLES.glob("*.wav"))]
    return np.resize(np.concatenate(recordings), int(16000 * duration_s))


def spectrogram_pieces(samples: NDArray[np.float32]) -> Iterator[Tensor]:
    """Normalised spectrogram, ten seconds at a time."""
    for start in range(0, len(samples), PIECE_SAMPLES):
        piece = log_spectrogram(samples[start : start + PIECE_SAMPLES + REACH_SAMPLES])
        yield torch.from_numpy((piece[: PIECE_SAMPLES // SHIFT_SAMPLES] + 2.0) / 1.5)


@torch.no_grad()
def recognise(system: System, samples: NDArray[np.float32]) -> Tensor:
    """Probabilities of one recording."""
    return system.probabilities(system.forward_in_chunks(spectrogram_pieces(samples)))


@torch.no_grad()
def recognise_batch(system: System, batch: list[NDArray[np.float32]]) -> Tensor:
    """Probabilities of recordings of one length."""
    spectrograms = torch.stack([torch.cat(list(spectrogram_pieces(s))) for s in batch])
    frame_counts = torch.full((len(batch),), spectrograms.shape[1])
    return system.probabilities(system(spectrograms, frame_counts))


def print_speeds(names: list[str]) -> None:
    """Prints seconds of audio per second, beside openSMILE's."""
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    systems = {name: build(name, 4, seed=0).eval() for name in names}
    print("| audio | openSMILE eGeMAPS, x real time | " + " | ".join(names) + " |")
    print("|---|---:|" + "---:|" * len(names))
    for duration_s in DURATIONS_S:
        samples = speech(duration_s)
        cases = {"smile": partial(smile.process_signal, samples, 16000)}
        for name, system in systems.items():
            cases[name] = partial(recognise, system, samples)
        taken = medians(cases, 5 if duration_s < 60 else 1)
        cells = [f"{duration_s / taken[n]:.0f} ({taken['smile'] / taken[n]:.1f} x)" for n in names]
        print(f"| {duration_s} s | {duration_s / taken['smile']:.0f} | {' | '.join(cells)} |")
    batch = [speech(3)] * BATCH
    taken = medians({n: partial(recognise_batch, s, batch) for n, s in systems.items()}, 5)
    cells = [f"{3 * BATCH / taken[n]:.0f}" for n in names]
    print(f"| {BATCH} of 3 s at once | | {' | '.join(cells)} |", flush=True)


def print_memory(names: list[str], threads: int) -> None:
    """Prints the peak memory of a process against the length of its recording."""
    shown = " | ".join(f"{duration_s} s" for duration_s in MEMORY_DURATIONS_S)
    print(
        f"\n| peak memory, MB | start | {shown} |\n|---|---:|" + "---:|" * len(MEMORY_DURATIONS_S)
    )
    for name in names:
        cells = [
            child(__file__, str(threads), "memory", name, str(duration_s)).strip()
            for duration_s in (0, *MEMORY_DURATIONS_S)
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


@torch.no_grad()
def peak_of(name: str, duration_s: int) -> float:
    """Recognises ten seconds over and over, and returns the peak."""
    system = build(name, 4, seed=0).eval()
    if duration_s:
        ten_seconds = list(spectrogram_pieces(speech(10)))
        system.forward_in_chunks(piece for _ in range(duration_s // 10) for piece in ten_seconds)
    return peak_mb()


def main() -> None:
    """Prints both tables; as a child, one peak."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads()
    torch.set_num_threads(threads)
    if sys.argv[2:3] == ["memory"]:
        print(f"{peak_of(sys.argv[3], int(sys.argv[4])):.0f}")
        return
    keep_freed_memory()
    names = sys.argv[2:] or list(SYSTEMS)
    print(f"{Path(__file__).name}: {machine('torch', 'opensmile')}\n")
    print_speeds(names)
    print_memory(names, threads)


if __name__ == "__main__":
    main()
