"""What a training costs: time of a step and memory of the process."""

import time
from typing import Any

import numpy as np
import psutil
import torch
from pytorch_lightning import Callback


class Cost(Callback):
    """Measures every step of a training."""

    def __init__(self) -> None:
        self.process = psutil.Process()
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
        memory_mb = self.process.memory_info().rss / 2**20
        self.peak_memory_mb = max(self.peak_memory_mb, memory_mb)
