import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close

from seqcap.models.systems import System, build


def assert_near(actual: Tensor, expected: Tensor) -> None:
    """Asserts that logits agree up to the rounding of numbers of their size."""
    scale = max(1.0, expected.abs().max().item())
    assert_close(actual, expected, rtol=0, atol=1e-5 * scale)


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
def test_an_answer_is_the_same_alone_and_in_any_batch(system, utterances):
    spectrograms = utterances(10, 83, 200, 330)
    single = torch.cat([alone(system, s) for s in spectrograms], 1)
    assert single.std(1).max() > 1e-3  # else the comparison would show nothing
    assert_near(in_batch(system, spectrograms, torch.nan), single)
    assert_near(in_batch(system, spectrograms[::-1]), single.flip(1))
    assert_near(in_batch(system, spectrograms[:2], 1e9), single[:, :2])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CNN_GRU-SeqCap", "CNN_GRU-RecCap"])
@torch.no_grad()
def test_a_tenth_of_a_second_is_not_changed_by_a_minute_in_its_batch(
    name, utterances, lively_system
):
    system, spectrograms = lively_system(name), utterances(10, 6000)
    single = torch.cat([alone(system, s) for s in spectrograms], 1)
    assert_near(in_batch(system, spectrograms), single)


def test_gradients_of_a_padded_batch_are_the_sum_of_single_ones(system, utterances):
    spectrograms = utterances(30, 61)
    weights = [p for p in system.parameters() if p.requires_grad and p.numel() < 10**8]
    batch = torch.autograd.grad(in_batch(system, spectrograms, torch.nan).square().sum(), weights)
    single = [torch.autograd.grad(alone(system, s).square().sum(), weights) for s in spectrograms]
    for together, first, second in zip(batch, *single, strict=True):
        scale = together.abs().max().item()
        assert_close(together, first + second, rtol=1e-4, atol=1e-4 * scale + 1e-12)


@torch.no_grad()
def test_half_precision_gives_nearly_the_same_answer(system, utterances):
    (spectrogram,) = utterances(60)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = alone(system, spectrogram)
    probabilities = system.probabilities(logits)
    assert_close(probabilities, system.probabilities(alone(system, spectrogram)), rtol=0, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@torch.no_grad()
def test_compiled_systems_give_the_same_answer(backend, utterances, lively_system):
    system = lively_system("CNN_RecCap")
    (spectrogram,) = utterances(60)
    compiled = torch.compile(system, backend=backend)
    assert_near(alone(compiled, spectrogram), alone(system, spectrogram))


def test_gradients_reach_the_spectrogram(system, utterances):
    (spectrogram,) = utterances(60)
    spectrogram.requires_grad_()
    alone(system, spectrogram)[:, 0, 0].sum().backward()
    gradient = spectrogram.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient.count_nonzero() > 0


def test_saved_weights_answer_bit_for_bit(tmp_path, utterances, lively_system):
    system = lively_system("CNN_GRU-RecCap")
    (spectrogram,) = utterances(60)
    weights = {name: weight.contiguous() for name, weight in system.state_dict().items()}
    save_file(weights, tmp_path / "system.safetensors")
    loaded = build("CNN_GRU-RecCap", emotion_count=4, seed=9).eval()
    loaded.load_state_dict(load_file(tmp_path / "system.safetensors"))
    for name, weight in system.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight), name
    assert torch.equal(alone(loaded, spectrogram), alone(system, spectrogram))


def test_branches_are_merged_with_lambda_of_0_6_for_the_capsules(lively_system):
    system = lively_system("CNN_GRU-SeqCap")
    logits = torch.log(torch.tensor([[[0.9, 0.1, 0, 0]], [[0.2, 0.3, 0.5, 0]]]))  # GRU, capsules
    expected = torch.tensor([[0.4 * 0.9 + 0.6 * 0.2, 0.4 * 0.1 + 0.6 * 0.3, 0.6 * 0.5, 0]])
    assert_close(system.probabilities(logits), expected)


@torch.no_grad()
def test_a_trace_shows_couplings_and_capsules_of_both_levels(utterances, lively_system):
    system, (spectrogram,) = lively_system("CNN_GRU-SeqCap"), utterances(200)
    trace: dict[str, Tensor] = {}
    logits = system(spectrogram.unsqueeze(0), torch.tensor([200]), trace=trace)
    assert torch.equal(logits, alone(system, spectrogram))
    assert trace["window_couplings"].shape == (1, 9, 1280, 8)
    assert trace["window_outputs"].shape == (1, 9, 72)
    assert trace["window_mask"].all()
    assert trace["utterance_couplings"].shape == (1, 9, 4)
    assert trace["utterance_capsules"].shape == (1, 4, 16)
    assert_close(trace["utterance_couplings"].sum(-1), torch.ones(1, 9))


@torch.no_grad()
def test_attention_can_be_seen_and_sums_to_one(utterances, lively_system):
    system, (spectrogram,) = lively_system("CNN_GRU_Att"), utterances(200)
    trace: dict[str, Tensor] = {}
    system(spectrogram.unsqueeze(0), torch.tensor([200]), trace=trace)
    assert_close(trace["attention"].sum(), torch.tensor(1.0))
