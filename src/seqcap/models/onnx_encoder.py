"""The frozen speech encoder as part of an ONNX graph, its weights as integers of 8 bits.

Shapes in comments: B recordings, T frames, N blocks, S steps.
"""

import math
from typing import NamedTuple

import numpy as np

from seqcap.models.onnx_builder import FLOAT, GraphBuilder
from seqcap.models.onnx_layers import (
    array_of,
    ceil_div,
    length_mask,
    linear,
    pad,
    reshape,
    size_of,
    unsqueeze,
)
from seqcap.models.speech_encoder import (
    BANDS,
    BINS_OF_MAP,
    BLOCK_FRAMES,
    CHANNELS,
    FRAMES_PER_STEP,
    HEADS,
    LAYERS,
    LEAST,
    LEVEL,
    WIDTH,
    SpeechEncoder,
    read_integers,
)

_EPSILON = 1e-5  # of layer normalisation


class _Weights:
    """The frozen weights as values of a graph."""

    def __init__(self, graph: GraphBuilder) -> None:
        self.graph = graph
        self.stored = {name: value.numpy() for name, value in read_integers().items()}

    def __call__(self, name: str) -> str:
        value = self.stored[name]
        if value.dtype != np.int8:
            return self.graph.constant(value)
        scale = self.stored[f"{name.removesuffix('.weight')}.scale"]
        # Runtimes multiply once, when they load the graph.
        whole = self.graph.op("Cast", self.graph.constant(value, np.int8), to=FLOAT)
        shaped = scale if value.ndim == 2 else scale[:, None, None]
        return self.graph.op("Mul", whole, self.graph.constant(shaped))


class SpeechFeatures(NamedTuple):
    """Names of the frozen layers' features, (B, S, 768), and of what counts.

    `mask` is 1 for steps that count, (B, S, 1), and `steps` their number, (B,).
    """

    features: str
    mask: str
    steps: str


def speech_features(
    graph: GraphBuilder, encoder: SpeechEncoder, frames: str, counts: str
) -> SpeechFeatures:
    """Adds the frozen layers, as `SpeechEncoder.features`.

    Args:
        graph: The graph.
        encoder: The encoder.
        frames: Name of the frames, (B, T, 512).
        counts: Name of the frames that count, (B,).
    """
    weights = _Weights(graph)
    steps = ceil_div(graph, counts, FRAMES_PER_STEP)
    size = size_of(graph, frames, 1)
    mask = unsqueeze(graph, length_mask(graph, counts, size), 2)
    frames = graph.op("Where", mask, frames, graph.constant(0.0))  # padding may be NaN
    bands = graph.op(
        "Where", mask, _mel_bands(graph, encoder, weights, frames), graph.constant(0.0)
    )
    by_four = graph.ints(FRAMES_PER_STEP)
    length = graph.op("Mul", ceil_div(graph, size, FRAMES_PER_STEP), by_four)
    block = graph.op("Min", length, graph.ints(BLOCK_FRAMES))
    before = graph.op("Sub", graph.op("Add", length, block), graph.ints(1))
    whole = graph.op("Mul", graph.op("Div", before, block), block)
    bands = pad(graph, bands, 1, 3, BLOCK_FRAMES)
    bands = graph.op("Slice", bands, graph.ints(0), whole, graph.ints(1))
    counted = length_mask(graph, graph.op("Mul", steps, by_four), whole)
    bands = reshape(graph, bands, -1, block, BANDS)
    counted = reshape(graph, graph.op("Cast", counted, to=FLOAT), -1, block)  # (N, T)
    features = _encode(graph, weights, bands, counted)  # (N, T / 2, 768)
    halves = reshape(graph, features, -1, 2, LAYERS * WIDTH)
    means = graph.op("ReduceSum", halves, graph.ints(1), keepdims=0)
    means = graph.op("Mul", means, graph.constant(0.5))
    step_size = ceil_div(graph, size, FRAMES_PER_STEP)
    all_steps = ceil_div(graph, whole, FRAMES_PER_STEP)
    batch = size_of(graph, frames, 0)
    means = reshape(graph, means, batch, all_steps, LAYERS * WIDTH)
    means = graph.op("Slice", means, graph.ints(0), step_size, graph.ints(1))
    mask = graph.op("Cast", length_mask(graph, steps, step_size), to=FLOAT)
    return SpeechFeatures(means, unsqueeze(graph, mask, 2), steps)


def mean_features(graph: GraphBuilder, speech: SpeechFeatures) -> str:
    """Adds the mean over each recording's steps, as `SpeechEncoder.mean_features`.

    Args:
        graph: The graph.
        speech: As `speech_features` gives it.

    Returns:
        Name of the means, (B, 768).
    """
    counted = graph.op("Mul", speech.features, speech.mask)
    sums = graph.op("ReduceSum", counted, graph.ints(1), keepdims=0)
    counts = graph.op("Cast", unsqueeze(graph, speech.steps, 1), to=FLOAT)
    return graph.op("Div", sums, counts)


def map_features(
    graph: GraphBuilder, encoder: SpeechEncoder, speech: SpeechFeatures, feature_mean: str = ""
) -> str:
    """Adds the trained linear layer, as the end of `SpeechEncoder.forward`.

    Args:
        graph: The graph.
        encoder: With its trained linear layer.
        speech: As `speech_features` gives it.
        feature_mean: Name of what the features lose, (1, 768); "": nothing.

    Returns:
        Name of the maps, (B, C, S, F).
    """
    features = speech.features
    if feature_mean:
        features = graph.op("Sub", features, unsqueeze(graph, feature_mean, 1))
    maps = graph.op("Relu", linear(graph, encoder.to_map, features))
    maps = reshape(graph, graph.op("Mul", maps, speech.mask), 0, 0, CHANNELS, BINS_OF_MAP)
    return graph.op("Transpose", maps, perm=[0, 2, 1, 3])


def _mel_bands(graph: GraphBuilder, encoder: SpeechEncoder, weights: _Weights, frames: str) -> str:
    scaled = graph.op("Mul", frames, weights("deviation"))
    logs = graph.op("Add", scaled, weights("mean"))
    powers = graph.op("Exp", graph.op("Mul", logs, graph.constant(2.0)))
    powers = graph.op("MatMul", powers, graph.constant(array_of(encoder.filters)))
    powers = graph.op("Add", powers, graph.constant(array_of(encoder.above)))
    logs = graph.op("Log", graph.op("Mul", powers, graph.constant(LEVEL)))
    logs = graph.op("Mul", logs, graph.constant(1 / math.log(10)))
    logs = graph.op("Max", logs, graph.constant(LEAST))
    return graph.op("Mul", graph.op("Add", logs, graph.constant(4.0)), graph.constant(0.25))


def _encode(graph: GraphBuilder, weights: _Weights, bands: str, counted: str) -> str:
    values = graph.op("Transpose", bands, perm=[0, 2, 1])
    values = _gelu(graph, _convolve(graph, weights, "convolution_1", values, stride=1))
    values = graph.op("Mul", values, unsqueeze(graph, counted, 1))
    values = _gelu(graph, _convolve(graph, weights, "convolution_2", values, stride=2))
    steps = graph.op("Transpose", values, perm=[0, 2, 1])
    size = size_of(graph, steps, 1)
    here = graph.op("Slice", weights("positions"), graph.ints(0), size, graph.ints(0))
    steps = graph.op("Add", steps, here)
    # 0 where a step counts, -10,000 elsewhere, (N, 1, 1, S).
    keys = reshape(graph, counted, 0, -1, 2)
    keys = graph.op("Slice", keys, graph.ints(0), graph.ints(1), graph.ints(2))
    keys = graph.op("Sub", reshape(graph, keys, 0, 1, 1, -1), graph.constant(1.0))
    keys = graph.op("Mul", keys, graph.constant(1e4))
    layers = []
    for layer in range(LAYERS):
        name = f"layer_{layer}"
        steps = _attend(graph, weights, name, steps, keys)
        normed = _norm(graph, weights, f"{name}.dense_norm", steps)
        widened = _gelu(graph, _linear(graph, weights, f"{name}.widen", normed))
        steps = graph.op("Add", steps, _linear(graph, weights, f"{name}.narrow", widened))
        layers.append(_norm(graph, weights, f"{name}.output_norm", steps))
    return graph.op("Concat", *layers, axis=2)


def _attend(graph: GraphBuilder, weights: _Weights, name: str, steps: str, mask: str) -> str:
    normed = _norm(graph, weights, f"{name}.attention_norm", steps)
    size = WIDTH // HEADS
    query, key, value = (
        reshape(graph, _linear(graph, weights, f"{name}.{part}", normed), 0, 0, HEADS, size)
        for part in ("query", "key", "value")
    )
    query = graph.op("Transpose", query, perm=[0, 2, 1, 3])
    query = graph.op("Mul", query, graph.constant(size**-0.5))
    scores = graph.op("MatMul", query, graph.op("Transpose", key, perm=[0, 2, 3, 1]))
    shares = graph.op("Softmax", graph.op("Add", scores, mask), axis=3)
    mixed = graph.op("MatMul", shares, graph.op("Transpose", value, perm=[0, 2, 1, 3]))
    mixed = reshape(graph, graph.op("Transpose", mixed, perm=[0, 2, 1, 3]), 0, 0, WIDTH)
    return graph.op("Add", steps, _linear(graph, weights, f"{name}.mix", mixed))


def _norm(graph: GraphBuilder, weights: _Weights, name: str, steps: str) -> str:
    scale, bias = weights(f"{name}.weight"), weights(f"{name}.bias")
    return graph.op("LayerNormalization", steps, scale, bias, epsilon=_EPSILON)


def _linear(graph: GraphBuilder, weights: _Weights, name: str, values: str) -> str:
    product = graph.op("MatMul", values, weights(f"{name}.weight"))
    if f"{name}.bias" not in weights.stored:
        return product
    return graph.op("Add", product, weights(f"{name}.bias"))


def _convolve(graph: GraphBuilder, weights: _Weights, name: str, values: str, stride: int) -> str:
    kernel, bias = weights(f"{name}.weight"), weights(f"{name}.bias")
    return graph.op("Conv", values, kernel, bias, pads=[1, 1], strides=[stride])


def _gelu(graph: GraphBuilder, values: str) -> str:
    inner = graph.op("Erf", graph.op("Mul", values, graph.constant(2**-0.5)))
    half = graph.op("Mul", values, graph.constant(0.5))
    return graph.op("Mul", half, graph.op("Add", inner, graph.constant(1.0)))
