"""Parts of ONNX graphs: shapes, masks, convolutions and dense layers.

Shapes in comments: B recordings, T frames, C channels, S steps, F bins, K emotions.
"""

from collections.abc import Iterable
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from seqcap.models.cnn import ConvolutionStack
from seqcap.models.convolution import Convolution
from seqcap.models.onnx_builder import FLOAT, GraphBuilder
from seqcap.models.recurrent import DenseHead


def array_of(tensor: Tensor) -> NDArray[np.float32]:
    """Gives a parameter as an array.

    Args:
        tensor: Any shape.
    """
    return tensor.detach().cpu().float().numpy()


def unsqueeze(graph: GraphBuilder, value: str, *axes: int) -> str:
    """Inserts axes of size 1.

    Args:
        graph: The graph.
        value: Name of a value.
        *axes: Places of the new axes.
    """
    return graph.op("Unsqueeze", value, graph.ints(*axes))


def reshape(graph: GraphBuilder, value: str, *sizes: int | str) -> str:
    """Changes the shape of a value.

    Args:
        graph: The graph.
        value: Name of a value.
        *sizes: Sizes; 0 keeps a size, -1 is computed, a text names a vector with one element.
    """
    if all(isinstance(size, int) for size in sizes):
        return graph.op("Reshape", value, graph.ints(*cast("tuple[int, ...]", sizes)))
    parts = [graph.ints(size) if isinstance(size, int) else size for size in sizes]
    return graph.op("Reshape", value, graph.op("Concat", *parts, axis=0))


def pad(graph: GraphBuilder, value: str, axis: int, rank: int, behind: int) -> str:
    """Adds zeros behind the end of an axis.

    Args:
        graph: The graph.
        value: Name of a value.
        axis: The axis.
        rank: Number of axes of the value.
        behind: Number of zeros.
    """
    pads = [0] * (2 * rank)
    pads[rank + axis] = behind
    return graph.op("Pad", value, graph.ints(*pads))


def size_of(graph: GraphBuilder, value: str, axis: int) -> str:
    """Gives the size of an axis.

    Args:
        graph: The graph.
        value: Name of a value.
        axis: Axis of the value.

    Returns:
        Name of a vector with one element.
    """
    return graph.op("Shape", value, start=axis, end=axis + 1)


def ceil_div(graph: GraphBuilder, value: str, divisor: int) -> str:
    """Divides integers and rounds up.

    Args:
        graph: The graph.
        value: Name of integers of any shape.
        divisor: Above 0.
    """
    return graph.op("Div", graph.op("Add", value, graph.ints(divisor - 1)), graph.ints(divisor))


def count_up(graph: GraphBuilder, size: str) -> str:
    """Counts from 0 to a size, exclusive.

    Args:
        graph: The graph.
        size: Name of a vector with one element.
    """
    scalar = graph.op("Squeeze", size)
    return graph.op("Range", graph.constant(0, np.int64), scalar, graph.constant(1, np.int64))


def length_mask(graph: GraphBuilder, counts: str, size: str) -> str:
    """Marks the places that count in each sequence.

    Args:
        graph: The graph.
        counts: Name of the places that count, (B,).
        size: Name of a vector with one element, the length of the padded sequences.

    Returns:
        Name of a mask, (B, size).
    """
    return graph.op("Less", count_up(graph, size), unsqueeze(graph, counts, 1))


def convolve(
    graph: GraphBuilder, cnn: ConvolutionStack, frames: str, counts: str
) -> tuple[str, str]:
    """Adds the convolutions of Table I.

    Args:
        graph: The graph.
        cnn: The convolutions with their weights.
        frames: Name of the frames, (B, T, 512).
        counts: Name of the frames that count, (B,).

    Returns:
        Names of maps (B, C, S, F) and of the steps that count, (B,).
    """
    per_step = cnn.frames_per_step
    size = size_of(graph, frames, 1)
    mask = unsqueeze(graph, length_mask(graph, counts, size), 2)
    frames = graph.op("Where", mask, frames, graph.constant(0.0))  # padding may be NaN
    step_size = ceil_div(graph, size, per_step)
    frames = pad(graph, frames, 1, 3, per_step - 1)
    end = graph.op("Mul", step_size, graph.ints(per_step))
    frames = graph.op("Slice", frames, graph.ints(0), end, graph.ints(1))
    steps = ceil_div(graph, counts, per_step)
    maps, rows_per_step = unsqueeze(graph, frames, 1), per_step
    for layer, stage in zip(cnn.layers, cnn.stages, strict=True):
        frequency, time = stage.pooling
        rows_per_step //= time
        kernels = list(cast("Iterable[Convolution]", layer))
        maps = _side_by_side(graph, kernels, maps, [time, frequency])
        rows = graph.op("Mul", steps, graph.ints(rows_per_step))
        mask = length_mask(graph, rows, size_of(graph, maps, 2))
        mask = graph.op("Cast", unsqueeze(graph, mask, 1, 3), to=FLOAT)
        maps = graph.op("Mul", maps, mask)
    return maps, steps


def _side_by_side(
    graph: GraphBuilder, kernels: list[Convolution], maps: str, window: list[int]
) -> str:
    """Convolves by several kernels, rectifies (fused by runtimes) and pools by a window.

    Each kernel is widened to all channels, with zeros in those of the others: to add is faster
    than to concatenate.
    """
    total, before, added = sum(kernel.out_channels for kernel in kernels), 0, ""
    for kernel in kernels:
        weight = np.zeros((total, *kernel.weight.shape[1:]), np.float32)
        bias = np.zeros(total, np.float32)
        here = slice(before, before + kernel.out_channels)
        weight[here], bias[here] = array_of(kernel.weight), array_of(cast("Tensor", kernel.bias))
        before += kernel.out_channels
        convolved = graph.op("Relu", add_convolution(graph, kernel, maps, weight, bias))
        pooled = graph.op("MaxPool", convolved, kernel_shape=window, strides=window)
        added = graph.op("Add", added, pooled) if added else pooled
    return added


def add_convolution(
    graph: GraphBuilder,
    kernel: Convolution,
    maps: str,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
) -> str:
    """Adds a convolution with the margins and the stride of a kernel.

    Args:
        graph: The graph.
        kernel: Margins and stride are taken from it.
        maps: Name of the maps, (B, C, S, F).
        weight: Weights, (C', C, height, width).
        bias: Biases, (C',).
    """
    left, right, above, below = kernel.margins
    return graph.op(
        "Conv",
        maps,
        graph.weight(weight),
        graph.weight(bias),
        pads=[above, left, below, right],
        strides=list(kernel.stride),
    )


def dense(graph: GraphBuilder, head: DenseHead, values: str) -> str:
    """Adds dense layers with ReLU between them, Sec. V-B.

    Args:
        graph: The graph.
        head: The layers with their weights.
        values: Name of the values, (B, feature).
    """
    hidden = graph.op("Relu", linear(graph, head.hidden, values))
    return linear(graph, head.logits, hidden)


def linear(graph: GraphBuilder, layer: nn.Linear, values: str) -> str:
    """Adds a linear layer.

    Args:
        graph: The graph.
        layer: The layer with its weights.
        values: Name of values whose last axis is the layer's input.
    """
    product = graph.op("MatMul", values, graph.weight(array_of(layer.weight).T))
    return graph.op("Add", product, graph.weight(array_of(layer.bias)))
