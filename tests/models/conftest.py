"""What the tests of the systems share: the golden vectors of the paper's equations."""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcap.models.systems import SYSTEMS, System, build


@pytest.fixture(scope="session")
def golden() -> Mapping[str, Tensor]:
    folder = os.environ.get("SEQCAP_SHARED")
    if folder is None:
        pytest.skip("SEQCAP_SHARED does not say where golden/equations.npz is")
    with np.load(Path(folder) / "golden" / "equations.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


if "OMP_NUM_THREADS" not in os.environ:  # `make test-matrix` sets it
    torch.set_num_threads(1)  # tensors are tiny, so that several threads are slower


@functools.cache
def _lively_system(name: str) -> System:
    """A system in evaluation mode whose answers differ clearly between utterances."""
    system = build(name, emotion_count=4, seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in system.parameters():
            if parameter.requires_grad and parameter.numel() < 10**6:
                noise = torch.empty_like(parameter).uniform_(-1, 1, generator=generator)
                parameter.add_(noise, alpha=0.1)
    return system


@pytest.fixture
def lively_system() -> Callable[[str], System]:
    return _lively_system


# 131 million parameters take seconds.
@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow if name == "CNN_Cap" else ()) for name in SYSTEMS
    ]
)
def system(request: pytest.FixtureRequest) -> System:
    return _lively_system(request.param)


@pytest.fixture
def utterances() -> Callable[..., list[Tensor]]:
    return _utterances


def _utterances(*frame_counts: int) -> list[Tensor]:
    """Spectrograms of those lengths, each with a colour of its own."""
    generator = torch.Generator().manual_seed(2)
    return [
        torch.randn(count, 512, generator=generator) * (1 + 0.3 * index) + 0.2 * index
        for index, count in enumerate(frame_counts)
    ]
