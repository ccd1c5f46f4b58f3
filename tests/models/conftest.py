"""What the tests of the systems share: the golden vectors of the paper's equations."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor


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
