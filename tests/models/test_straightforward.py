"""Three ways to compute Sec. IV: plain, fast, and straight from the paper."""

from unittest.mock import patch

import pytest
import torch
from straightforward import Straightforward
from torch import Tensor, nn
from torch.testing import assert_close

from seqcap.models import fast_routing
from seqcap.models.systems import build

SEGMENTS, FRAMES = 2, 60


def logits_and_gradients(system: nn.Module) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    spectrograms = torch.randn(SEGMENTS, FRAMES, 512, generator=generator, dtype=torch.float64)
    spectrograms.requires_grad_()
    logits = system(spectrograms, torch.full((SEGMENTS,), FRAMES))
    inputs = [spectrograms, *system.parameters()]
    return [logits.detach(), *torch.autograd.grad(logits.square().sum(), inputs)]


@pytest.mark.parametrize("name", ["CNN_SeqCap", "CNN_RecCap"])
def test_plain_fast_and_straightforward_capsules_give_one_answer_and_gradient(name, monkeypatch):
    system = build(name, emotion_count=4, seed=0).double().eval()
    monkeypatch.setattr(
        fast_routing, "MIN_BATCH_FOR_FAST_PATH", 0
    )  # a batch of any size is routed fast
    fast = logits_and_gradients(system)
    with patch("torch.compiler.is_compiling", return_value=True):
        plain = logits_and_gradients(system)
    straightforward = logits_and_gradients(Straightforward(system).eval())
    for ours, reference, theirs in zip(fast, plain, straightforward, strict=True):
        assert_close(ours, reference)
        assert_close(reference, theirs)
