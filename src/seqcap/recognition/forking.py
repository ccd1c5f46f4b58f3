"""Processes that are made by fork after something was recognised.

PyTorch's threads do not exist in such a process, and an operation that waits for them never ends.
`multiprocessing` forks by default on Linux with Python 3.11.
"""

import os

import torch


def compute_alone_after_fork() -> None:
    """Lets every process that is forked from this one from now on compute on one thread."""
    if hasattr(os, "register_at_fork"):  # there is no fork on Windows
        os.register_at_fork(after_in_child=_compute_alone)


def _compute_alone() -> None:
    torch.set_num_threads(1)
