"""Can every system learn at all? Each overfits one batch of real speech, all branches of it.

    python benchmarks/overfit_one_batch.py [SYSTEM ...]

One second of each recording under samples/emodb; Adam at the paper's rate of 0.001, no dropout,
until the loss of every branch is under 0.05 or 2,000 steps are over. Each branch is tested alone,
so that one without useful gradients is found.
"""

import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from seqcap.audio.spectrogram import log_spectrogram
from seqcap.audio.waveform import load_waveform
from seqcap.memory import keep_freed_memory
from seqcap.models.systems import SYSTEMS, build

SAMPLES = Path(__file__).parent.parent / "samples" / "emodb"
EMOTIONS = "NWFT"  # the sixth letter of a name
FRAMES = slice(50, 150)
LEARNED = 0.05
MOST_STEPS = 2000


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Reads spectrograms ``(recording, frame, bin)``, normalised over the batch, and labels."""
    files = sorted(SAMPLES.glob("*.wav"))
    spectrograms = torch.stack(
        [torch.from_numpy(log_spectrogram(load_waveform(file))[FRAMES]) for file in files]
    )
    mean, deviation = spectrograms.mean((0, 1)), spectrograms.std((0, 1))
    labels = torch.tensor([EMOTIONS.index(file.name[5]) for file in files])
    return (spectrograms - mean) / deviation, labels


def overfit(name: str) -> str:
    """Trains a system until it knows the batch by heart; returns the table's row."""
    spectrograms, labels = batch()
    frame_counts = torch.full((len(labels),), spectrograms.shape[1])
    system = build(name, len(EMOTIONS), seed=0).eval()  # no dropout
    optimiser = torch.optim.Adam([p for p in system.parameters() if p.requires_grad], lr=1e-3)
    started = time.perf_counter()
    step = 0
    while True:
        logits = system(spectrograms, frame_counts)
        losses = torch.stack([F.cross_entropy(branch, labels) for branch in logits])
        if losses.max() < LEARNED or step == MOST_STEPS:
            break
        optimiser.zero_grad()
        losses.sum().backward()
        optimiser.step()
        step += 1
    shown = " and ".join(f"{loss:.3f}" for loss in losses.tolist())
    verdict = "learned" if losses.max() < LEARNED else "NOT LEARNED"
    return f"| {name} | {step} | {shown} | {time.perf_counter() - started:.0f} | {verdict} |"


def main() -> None:
    """Prints the table, a row a system."""
    keep_freed_memory()
    print("| system | steps | loss of each branch | s | |\n|---|---:|---|---:|---|")
    for name in sys.argv[1:] or SYSTEMS:
        print(overfit(name), flush=True)


if __name__ == "__main__":
    main()
