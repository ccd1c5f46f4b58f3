import pytest
import torch

from seqcap.scoring.calibration import fit_temperature, most_likely_temperature


@pytest.fixture
def overconfident() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits three times as far apart as they may be."""
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(1, 2000, 4, generator=generator)
    torch.manual_seed(0)
    return honest * 3, torch.distributions.Categorical(logits=honest[0]).sample()


def test_a_temperature_calibrates_an_overconfident_system(
    overconfident: tuple[torch.Tensor, torch.Tensor],
) -> None:
    assert most_likely_temperature(*overconfident) == pytest.approx(3, rel=0.15)


def test_one_speaker_changes_the_temperature_less_than_many(
    overconfident: tuple[torch.Tensor, torch.Tensor],
) -> None:
    fitted = [fit_temperature(*overconfident, speaker_count=count) for count in (1, 4, 1000)]
    assert 1.5 < fitted[0] < fitted[1] < fitted[2]
    assert fitted[0] == pytest.approx((1.5**4 * 3) ** (1 / 5), rel=0.05)
    assert fitted[2] == pytest.approx(3, rel=0.15)
