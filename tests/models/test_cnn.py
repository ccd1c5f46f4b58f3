import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from seqcap.models.cnn import CNN_COMPONENT, ConvolutionStack, Stage
from seqcap.models.convolution import Convolution
from seqcap.models.fast_convolution import convolve_in_blocks
from seqcap.models.satt import SATT_CNN, SATT_CNN_LSTM

KERNELS = [(2, 8), (8, 2), (12, 16), (5, 3)]


def test_table_i_makes_16_bins_of_512_and_a_step_of_4_frames():
    stack = ConvolutionStack(CNN_COMPONENT)
    maps, step_counts = stack(torch.zeros(2, 21, 512), torch.tensor([21, 8]))
    assert maps.shape == (2, 16, 6, 16)
    assert step_counts.tolist() == [6, 2]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_convolution_keeps_the_size_and_looks_further_ahead_than_back(kernel):
    convolution = Convolution(1, 1, kernel)
    torch.nn.init.ones_(convolution.weight)
    torch.nn.init.zeros_(convolution.bias)
    impulse = torch.zeros(1, 1, 40, 40)
    impulse[0, 0, 20, 20] = 1
    response = convolution(impulse)[0, 0]
    assert response.shape == (40, 40)
    times, bins = response.nonzero().T
    frequency, time = kernel
    assert (20 - times.min(), times.max() - 20) == (time // 2, (time - 1) // 2)
    assert (20 - bins.min(), bins.max() - 20) == (frequency // 2, (frequency - 1) // 2)


@pytest.mark.parametrize("kernel", KERNELS)
def test_blocks_of_bins_as_channels_give_the_same_convolution(kernel, generator):
    convolution = Convolution(1, 3, kernel).double()
    frames = torch.randn(2, 9, 32, dtype=torch.float64, generator=generator, requires_grad=True)
    blocked = convolve_in_blocks(frames, convolution).permute(0, 3, 1, 2)
    plain = convolution(frames.unsqueeze(1))
    assert_close(blocked, plain)
    inputs = [frames, convolution.weight, convolution.bias]
    upstream = torch.randn(plain.shape, dtype=torch.float64, generator=generator)
    for fast, slow in zip(
        torch.autograd.grad(blocked, inputs, upstream),
        torch.autograd.grad(plain, inputs, upstream),
        strict=True,
    ):
        assert_close(fast, slow)


@pytest.mark.parametrize("stages", [CNN_COMPONENT, SATT_CNN, SATT_CNN_LSTM])
def test_the_fast_layers_give_the_plain_maps_and_gradients(stages, generator):
    stack = ConvolutionStack(stages, bins=64).double()
    frames = torch.randn(3, 48, 64, dtype=torch.float64, generator=generator, requires_grad=True)
    counts = torch.tensor([48, 20, 33]) // stack.frames_per_step
    fast, plain = stack.run(frames, counts), stack.run_plain(frames, counts)
    assert_close(fast, plain)
    inputs = [frames, *stack.parameters()]
    upstream = torch.randn(plain.shape, dtype=torch.float64, generator=generator)
    for quick, slow in zip(
        torch.autograd.grad(fast, inputs, upstream),
        torch.autograd.grad(plain, inputs, upstream),
        strict=True,
    ):
        assert_close(quick, slow)


def test_bins_that_make_no_whole_blocks_are_convolved_plainly(generator):
    stack = ConvolutionStack((Stage(2, kernels=((8, 2),), pooling=(1, 1)),), bins=27)
    frames = torch.randn(1, 5, 27, generator=generator)
    maps, _ = stack(frames, torch.tensor([5]))
    (convolution,) = stack.layers[0]
    assert_close(maps, F.relu(convolution(frames.unsqueeze(1))))


def test_maps_are_zero_behind_the_end_and_ignore_padding(generator):
    stack = ConvolutionStack(CNN_COMPONENT, bins=64)
    frames = torch.randn(1, 10, 64, generator=generator)
    alone, _ = stack(frames, torch.tensor([10]))
    padded = F.pad(frames, (0, 0, 0, 14), value=torch.nan)
    maps, _ = stack(padded, torch.tensor([10]))
    assert_close(maps[:, :, :3], alone)
    assert maps[:, :, 3:].count_nonzero() == 0
