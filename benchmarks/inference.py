"""How much audio does one core recognise in a second, compared with openSMILE, with what memory?

    python benchmarks/inference.py [THREADS [SYSTEM ...]]

From samples to probabilities (spectrogram, normalisation, network by onnxruntime and by torch, in
chunks), for speech of 1 to 600 s, beside the extraction of openSMILE's eGeMAPSv02 functionals
alone, taking turns on the same samples; batches of 16; peak memory of a fresh process against the
length.
"""

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from measuring import child, machine, medians, peak_mb
from numpy.typing import NDArray

from seqcap.audio.spectrogram import SHIFT_SAMPLES, log_spectrogram
from seqcap.audio.waveform import load_waveform
from seqcap.memory import keep_freed_memory
from seqcap.models.onnx_graphs import decide_graph, encode_graph
from seqcap.models.systems import build
from seqcap.recognition.engine import Engine, merge_branches, run_in_chunks
from seqcap.recognition.model_folder import DECIDE_FILE, ENCODE_FILE
from seqcap.recognition.onnx_engine import OnnxEngine
from seqcap.recognition.torch_engine import TorchEngine

SAMPLES = Path(__file__).parent.parent / "samples" / "emodb"
SYSTEMS = ("CNN_SeqCap", "CNN_RecCap", "CNN_GRU-SeqCap", "Whisper-SeqCap")
DURATIONS_S = (1, 3, 10, 60, 600)
MEMORY_DURATIONS_S = (10, 60, 600, 1800)
BATCH = 16
BLOCK_SAMPLES = 1000 * SHIFT_SAMPLES
REACH_SAMPLES = 640  # the Hann window's


def speech(duration_s: float) -> NDArray[np.float32]:
    """The sample recordings at 16 kHz, one after the other, over and over."""
    recordings = [load_waveform(file) for file in sorted(SAMPLES.glob("*.wav"))]
    return np.resize(np.concatenate(recordings), int(16000 * duration_s))


def frames_in_blocks(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Normalised spectrogram, ten seconds at a time."""
    for start in range(0, len(samples), BLOCK_SAMPLES):
        block = log_spectrogram(samples[start : start + BLOCK_SAMPLES + REACH_SAMPLES])
        yield (block[: BLOCK_SAMPLES // SHIFT_SAMPLES] + 2.0) / 1.5


def recognise(engine: Engine, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of one recording."""
    output = run_in_chunks(engine, frames_in_blocks(samples))
    return merge_branches(output.logits, engine.chunking.branch_shares, 1.0)


def recognise_batch(engine: Engine, batch: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Probabilities of recordings of one length."""
    frames = np.stack([np.concatenate(list(frames_in_blocks(s))) for s in batch])
    output = engine.run(frames, np.full(len(batch), frames.shape[1]))
    return merge_branches(output.logits, engine.chunking.branch_shares, 1.0)


def engines_of(name: str, threads: int) -> dict[str, Engine]:
    """A system of random weights by both engines."""
    system = build(name, 4, seed=0).eval()
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(encode_graph(system, half_weights=True), Path(folder) / ENCODE_FILE)
        onnx.save(decide_graph(system, half_weights=True), Path(folder) / DECIDE_FILE)
        return {
            f"{name}, onnx": OnnxEngine(Path(folder), threads),
            f"{name}, torch": TorchEngine(system, "cpu"),
        }


def print_speeds(systems: list[str], threads: int) -> None:
    """Prints seconds of audio per second, beside openSMILE's."""
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    engines = {k: e for name in systems for k, e in engines_of(name, threads).items()}
    names = list(engines)
    print("| audio | openSMILE eGeMAPS, x real time | " + " | ".join(names) + " |")
    print("|---|---:|" + "---:|" * len(names))
    for duration_s in DURATIONS_S:
        samples = speech(duration_s)
        cases = {"smile": partial(smile.process_signal, samples, 16000)}
        for name, engine in engines.items():
            cases[name] = partial(recognise, engine, samples)
        taken = medians(cases, 5 if duration_s < 60 else 3 if duration_s == 60 else 1)
        cells = [f"{duration_s / taken[n]:.0f} ({taken['smile'] / taken[n]:.1f} x)" for n in names]
        print(f"| {duration_s} s | {duration_s / taken['smile']:.0f} | {' | '.join(cells)} |")
    batch = [speech(3)] * BATCH
    taken = medians({n: partial(recognise_batch, e, batch) for n, e in engines.items()}, 5)
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


def peak_of(engine_name: str, threads: int, duration_s: int) -> float:
    """Recognises ten seconds over and over, and returns the peak."""
    system, _, _ = engine_name.partition(",")
    engine = engines_of(system, threads)[engine_name]
    if duration_s:
        ten_seconds = list(frames_in_blocks(speech(10)))
        run_in_chunks(engine, (b for _ in range(duration_s // 10) for b in ten_seconds))
    return peak_mb()


def main() -> None:
    """Prints both tables; as a child, one peak."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads()
    torch.set_num_threads(threads)
    if sys.argv[2:3] == ["memory"]:
        print(f"{peak_of(sys.argv[3], threads, int(sys.argv[4])):.0f}")
        return
    keep_freed_memory()
    names = sys.argv[2:] or list(SYSTEMS)
    print(f"{Path(__file__).name}: {machine('onnxruntime', 'torch', 'opensmile')}\n")
    print_speeds(names, threads)
    print_memory([f"{n}, {kind}" for n in names for kind in ("onnx", "torch")], threads)


if __name__ == "__main__":
    main()
