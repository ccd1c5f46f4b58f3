"""Leaves out what pytorch-lightning and torch say that helps no user of this program."""

import logging
import multiprocessing
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytorch_lightning import Callback


@contextmanager
def filter_lightning_warnings() -> Iterator[None]:
    """Keeps pytorch-lightning quiet while it trains."""
    with warnings.catch_warnings():
        _filter_warnings()
        yield


class WorkerLogFilter(Callback):
    """Keeps the processes quiet that share a training."""

    def setup(self, *_: Any, **__: Any) -> None:
        """Before anything else, in each process."""
        if multiprocessing.parent_process() is not None:
            _filter_warnings()


def _filter_warnings() -> None:
    for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It asks torch in a way that torch no longer likes,
    warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
    warnings.filterwarnings("ignore", ".*all_gather is deprecated")
    # would have worker processes where the sound is in memory already,
    warnings.filterwarnings("ignore", ".*does not have many workers")
    # finds the folder of a training that goes on not empty,
    warnings.filterwarnings("ignore", ".*exists and is not empty")
    # and would put together what every process has whole: each validates on everything.
    warnings.filterwarnings("ignore", ".*sync_dist=True")
    # Gradients of the first layer are laid out for speed.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
