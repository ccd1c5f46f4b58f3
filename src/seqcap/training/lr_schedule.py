"""The paper's learning rate, which falls as the training loss does, Sec. V-E."""

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

_SHARES = (1.0, 0.5, 0.2, 0.1)  # 1e-3, 5e-4, 2e-4, 1e-4
_LOSSES = 100
_FIRST_EPOCHS = 3
_FACTOR = 10.0


class LossDrivenSchedule:
    """Steps down when the average of the last 100 losses is a tenth of what it was.

    Choice: "reduced by a factor of 10" needs something to compare with, of which the paper says
    nothing; here it is the average of the first 100 losses, and after each step down the average
    at that moment.

    Args:
        losses: The latest ones.
        level: How often it has stepped down.
        reference: What the average is compared with; None until there are 100 losses.
    """

    def __init__(
        self, losses: Iterable[float] = (), level: int = 0, reference: float | None = None
    ) -> None:
        self.losses = deque(losses, _LOSSES)
        self.level = level
        self.reference = reference

    @property
    def share(self) -> float:
        """Of the greatest learning rate."""
        return _SHARES[self.level]

    def update(self, loss: float, epoch: int) -> None:
        """Takes note of the loss of one step, and steps down if it is time.

        Args:
            loss: Of the step that has just been done.
            epoch: Which one it was in, from 0; in the first three the rate stays.
        """
        self.losses.append(loss)
        if len(self.losses) < _LOSSES:
            return
        average = float(np.mean(self.losses))
        if self.reference is None:
            self.reference = average
        if (
            epoch >= _FIRST_EPOCHS
            and self.level < len(_SHARES) - 1
            and average <= self.reference / _FACTOR
        ):
            self.level += 1
            self.reference = average

    def state(self) -> dict[str, Any]:
        """What makes another one that goes on where this one stands."""
        return {"losses": list(self.losses), "level": self.level, "reference": self.reference}
