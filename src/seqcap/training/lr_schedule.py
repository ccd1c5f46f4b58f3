"""The paper's learning-rate schedule, which follows the training loss, Sec. V-E."""

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

_SHARES = (1.0, 0.5, 0.2, 0.1)  # 1e-3, 5e-4, 2e-4, 1e-4
_LOSSES = 100
_FIRST_EPOCHS = 3
_FACTOR = 10.0


class LossDrivenSchedule:
    """Steps the learning rate down as the training loss falls, Sec. V-E.

    It steps when the mean of the last 100 losses is a tenth of a reference.

    Choice: "reduced by a factor of 10" (Sec. V-E) needs a reference, which the paper does not give.
    Here it is the mean of the first 100 losses, and after each step down the mean at that moment.

    Args:
        losses: The latest losses, 100 at most.
        level: Number of steps down so far.
        reference: What the mean is compared with; None until there are 100 losses.

    Example:
        >>> schedule = LossDrivenSchedule()
        >>> for loss in [10.0] * 100 + [0.5] * 100:
        ...     schedule.update(loss, epoch=3)
        >>> schedule.share
        0.5
    """

    def __init__(
        self, losses: Iterable[float] = (), level: int = 0, reference: float | None = None
    ) -> None:
        self.losses = deque(losses, _LOSSES)
        self.level = level
        self.reference = reference

    @property
    def share(self) -> float:
        """Learning rate divided by its greatest value: 1, 0.5, 0.2 or 0.1."""
        return _SHARES[self.level]

    def update(self, loss: float, epoch: int) -> None:
        """Adds the loss of one step, and lowers the learning rate if it is time.

        Args:
            loss: Training loss of the step just done.
            epoch: Its epoch, from 0; in the first three the rate stays.

        Example:
            >>> schedule = LossDrivenSchedule()
            >>> schedule.update(0.7, epoch=0)
            >>> list(schedule.losses)
            [0.7]
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
        """Gives the arguments that make an equal schedule, for a checkpoint.

        Example:
            >>> LossDrivenSchedule([0.5], level=1).state()
            {'losses': [0.5], 'level': 1, 'reference': None}
        """
        return {"losses": list(self.losses), "level": self.level, "reference": self.reference}
