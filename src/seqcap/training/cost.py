"""What a training costs: time of a step and memory of the process."""

import time
from typing import Any

import numpy as np
import psutil
import torch
from pytorch_lightning import Callback


class ResourceUsage(Callback):
    """Measures every step of a training, also over an interruption."""

    def __init__(self) -> None:
        self.steps_s: list[float] = []
        self.peak_memory_mb = 0.0
        self.began_s = 0.0

    @property
    def step_ms(self) -> float:
        """Median; 0 if there was no step."""
        return 1000 * float(np.median(self.steps_s)) if self.steps_s else 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        """Starts the clock."""
        self.began_s = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        """Stops the clock and looks at the memory."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.steps_s.append(time.perf_counter() - self.began_s)
        memory_mb = psutil.Process().memory_info().rss / 2**20
        self.peak_memory_mb = max(self.peak_memory_mb, memory_mb)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"steps_s": self.steps_s, "peak_memory_mb": self.peak_memory_mb}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up what a checkpoint kept."""
        self.steps_s = list(state_dict["steps_s"])
        self.peak_memory_mb = state_dict["peak_memory_mb"]
