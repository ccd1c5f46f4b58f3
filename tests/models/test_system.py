import pytest
import torch
import torch.nn.functional as F
from conftest import lively_system, utterances
from torch import Tensor
from torch.testing import assert_close

from seqcap.models.systems import System, build

CLOSE = {"rtol": 0.0, "atol": 1e-5}


def alone(system: System, spectrogram: Tensor) -> Tensor:
    logits: Tensor = system(spectrogram.unsqueeze(0), torch.tensor([len(spectrogram)]))
    return logits


def in_batch(system: System, spectrograms: list[Tensor], padding: float = 0.0) -> Tensor:
    counts = torch.tensor([len(s) for s in spectrograms])
    longest = int(counts.max())
    batch = [F.pad(s, (0, 0, 0, longest - len(s)), value=padding) for s in spectrograms]
    logits: Tensor = system(torch.stack(batch), counts)
    return logits


@torch.no_grad()
def test_an_answer_is_the_same_alone_and_in_any_batch(system):
    spectrograms = utterances(10, 83, 200, 330)
    single = torch.cat([alone(system, s) for s in spectrograms], 1)
    assert single.std(1).max() > 1e-3  # else the comparison would show nothing
    assert_close(in_batch(system, spectrograms, torch.nan), single, **CLOSE)
    assert_close(in_batch(system, spectrograms[::-1]), single.flip(1), **CLOSE)
    assert_close(in_batch(system, spectrograms[:2], 1e9), single[:, :2], **CLOSE)


@pytest.mark.parametrize("name", ["CNN_GRU-SeqCap", "CNN_GRU-RecCap"])
@torch.no_grad()
def test_a_tenth_of_a_second_is_not_changed_by_a_minute_beside_it(name):
    system, spectrograms = lively_system(name), utterances(10, 6000)
    single = torch.cat([alone(system, s) for s in spectrograms], 1)
    assert_close(in_batch(system, spectrograms), single, **CLOSE)


def test_gradients_of_a_padded_batch_are_the_sum_of_single_ones(system):
    spectrograms = utterances(30, 61)
    weights = [p for p in system.parameters() if p.requires_grad and p.numel() < 10**8]
    batch = torch.autograd.grad(in_batch(system, spectrograms, torch.nan).square().sum(), weights)
    single = [torch.autograd.grad(alone(system, s).square().sum(), weights) for s in spectrograms]
    for together, first, second in zip(batch, *single, strict=True):
        scale = together.abs().max().item()
        assert_close(together, first + second, rtol=1e-4, atol=1e-4 * scale + 1e-12)


@pytest.mark.parametrize("frame_count", [3, 1000, 1041, 1063, 2777])
@torch.no_grad()
def test_pieces_give_the_answer_of_the_whole(system, frame_count):
    (spectrogram,) = utterances(frame_count)
    pieces = spectrogram.split([1, *[577] * (frame_count // 577), frame_count % 577 - 1])
    assert_close(system.forward_in_pieces(pieces), alone(system, spectrogram), **CLOSE)


def test_no_frames_at_all_are_an_error():
    with pytest.raises(ValueError, match="0 frames came; at least 1 is needed"):
        build("CNN_SeqCap", 2).forward_in_pieces([])
