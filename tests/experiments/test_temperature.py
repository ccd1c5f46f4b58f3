import pytest
import torch

from seqcap.experiments.temperature import fit_temperature


def test_a_temperature_makes_an_overconfident_system_honest() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (2000,), generator=generator)
    honest = torch.randn(1, 2000, 4, generator=generator)
    labels = torch.distributions.Categorical(logits=honest[0]).sample()
    assert fit_temperature(honest * 3, labels) == pytest.approx(3, rel=0.15)
