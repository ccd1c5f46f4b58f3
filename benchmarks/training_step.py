"""How close is a training step to the time of its arithmetic alone?

    python benchmarks/training_step.py [THREADS [SYSTEM ...]]

16 segments of 2 s, forward, backward and Adam. The ceiling: GFLOP of the step (three times those
of the forward pass, written plainly) over the rate of a 2048 x 2048 matrix product that takes turns
with it in the same process. CNN_SeqCap and CNN_RecCap also run as one would write them from the
paper (``straightforward.py``), in a process of their own: freed memory is kept for ours, as
training does, and not for theirs.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import torch
import torch.nn.functional as F
from measuring import PRODUCT_FLOP, child, machine, medians, product
from straightforward import Straightforward
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from seqcap.memory import keep_freed_memory
from seqcap.models.systems import SYSTEMS, System, build

BATCH, FRAMES = 16, 200
RECURRENT_STEPS = {512: 200, 256: 25, 2048: 7}  # of LSTM_Cap, CNN_LSTM, the GRU branch
STRAIGHTFORWARD = ("CNN_SeqCap", "CNN_RecCap")


def segments() -> tuple[Tensor, Tensor, Tensor]:
    """Random segments, their frame counts and labels."""
    generator = torch.Generator().manual_seed(0)
    spectrograms = torch.randn(BATCH, FRAMES, 512, generator=generator)
    return spectrograms, torch.full((BATCH,), FRAMES), torch.arange(BATCH) % 4


def training_step(system: nn.Module) -> Callable[[], object]:
    """One step of Adam on one batch."""
    spectrograms, frame_counts, labels = segments()
    optimiser = torch.optim.Adam([p for p in system.parameters() if p.requires_grad])

    def step() -> None:
        optimiser.zero_grad()
        logits = system(spectrograms, frame_counts)
        torch.stack([F.cross_entropy(branch, labels) for branch in logits]).sum().backward()
        optimiser.step()

    return step


def convolutions_only(system: System) -> Callable[[], object]:
    """Forward and backward through the convolutions alone."""
    spectrograms, frame_counts, _ = segments()
    weights = list(system.cnn.parameters())
    if not weights:
        return lambda: None
    return lambda: torch.autograd.grad(system.cnn(spectrograms, frame_counts)[0].sum(), weights)


def step_flop(system: System) -> float:
    """Three times the forward pass's: itself, the maps' gradients and the weights'."""
    spectrograms, frame_counts, _ = segments()
    counter = FlopCounterMode(display=False)
    # The plain path: what is convolved in blocks or voted again does not count twice.
    with patch("torch.compiler.is_compiling", return_value=True), torch.no_grad(), counter:
        system(spectrograms, frame_counts)
    flop = counter.get_total_flops()
    for layer in system.modules():  # which the counter does not see on the CPU
        if isinstance(layer, nn.RNNBase):
            steps = RECURRENT_STEPS[layer.input_size]
            weights = sum(w.numel() for n, w in layer.named_parameters() if "weight" in n)
            flop += 2 * BATCH * steps * weights
    return 3.0 * flop


def measure(name: str, straightforward: bool) -> dict[str, float]:
    """Seconds of a step, of its convolutions and of the matrix product, and the step's FLOP."""
    system = build(name, 4, seed=0)
    if straightforward:
        plain = Straightforward(system).eval()
        spectrograms, frame_counts, _ = segments()
        with torch.no_grad():
            ours = system.eval()(spectrograms, frame_counts)
            torch.testing.assert_close(plain(spectrograms, frame_counts), ours)
        return medians({"step": training_step(plain.train())}, 5)
    keep_freed_memory()
    cases = {
        "step": training_step(system),
        "convolutions": convolutions_only(system),
        "product": product(),
    }
    return medians(cases, 5) | {"flop": step_flop(system)}


def row(name: str, threads: int) -> str:
    """Measures a system in a process of its own; returns the table's row."""

    def run(kind: str) -> dict[str, float]:
        figures: dict[str, float] = json.loads(child(__file__, str(threads), kind, name))
        return figures

    ours = run("ours")
    ceiling = ours["flop"] / (PRODUCT_FLOP / ours["product"])
    share = ours["convolutions"] / ours["step"]
    theirs = run("straightforward")["step"] if name in STRAIGHTFORWARD else None
    faster = "" if theirs is None else f"{theirs / ours['step']:.1f} x"
    return (
        f"| {name} | {ours['flop'] / 1e9:.0f} | {1e3 * ceiling:.0f} | {1e3 * ours['step']:.0f} "
        f"| {ceiling / ours['step']:.0%} | {share:.0%} | {1 - share:.0%} | {faster} |"
    )


def main() -> None:
    """Prints the table; as a child, the figures of one system."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads()
    torch.set_num_threads(threads)
    if sys.argv[2:3] in (["ours"], ["straightforward"]):
        print(json.dumps(measure(sys.argv[3], sys.argv[2] == "straightforward")))
        return
    print(f"{Path(__file__).name}: {machine('torch')}\n")
    print(
        "| system | GFLOP | ceiling, ms | step, ms | of the ceiling | CNN | branches, Adam | "
        "straightforward takes |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in sys.argv[2:] or SYSTEMS:
        print(row(name, threads), flush=True)


if __name__ == "__main__":
    main()
