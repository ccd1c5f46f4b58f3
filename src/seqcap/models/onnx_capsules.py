"""Capsule branches as ONNX graphs: windows, votes, routing and the utterance capsules.

Votes and routing are matrix products over (window, lower, upper x dim). Shapes in comments: B
recordings, S steps, W windows, N windows of all recordings, L lower capsules, J upper capsules of D
values, K emotions.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import Tensor

from seqcap.models.capsules import OUTPUT_FEATURES, PRIMARY_DIM, CapsuleBranch
from seqcap.models.onnx_builder import FLOAT, GraphBuilder
from seqcap.models.onnx_layers import (
    add_convolution,
    array_of,
    ceil_div,
    count_up,
    dense,
    length_mask,
    pad,
    reshape,
    size_of,
    unsqueeze,
)
from seqcap.models.routing import SMALLEST_SQUARED_LENGTH

# Choice: votes of so many windows are kept at once, 2.6 MB.
WINDOWS_AT_ONCE = 8


@dataclass(frozen=True)
class Decided:
    """Names of a branch's results in the graph.

    Attributes:
        logits: Logits, (B, K).
        capsules: Utterance capsules; "" without capsules.
        couplings: Couplings of windows and utterance capsules; "" without capsules.
    """

    logits: str
    capsules: str = ""
    couplings: str = ""


def encode_windows(
    graph: GraphBuilder, branch: CapsuleBranch, maps: str, steps: str, previous: str
) -> str:
    """Adds windows, their primary capsules and their routing, as `CapsuleBranch.encode`.

    Args:
        graph: The graph.
        branch: The branch with its weights.
        maps: Name of the maps, (B, C, S, F).
        steps: Name of the steps that count, (B,).
        previous: RecCap: name of the output vectors of the window before, (B, 72); "" for SeqCap.

    Returns:
        Name of the windows' output vectors, (B, W, 72).
    """
    settings, primary = branch.settings, branch.primary
    size, shift = settings.window_steps, settings.shift_steps
    batch = size_of(graph, maps, 0)
    windows = _window_counts(graph, branch, size_of(graph, maps, 2))  # W
    starts = graph.op("Mul", count_up(graph, windows), graph.ints(shift))
    starts = unsqueeze(graph, starts, 1)  # (W, 1)
    places = graph.op("Add", starts, graph.ints(*range(size)))  # (W, step)
    cut = graph.op("Gather", pad(graph, maps, 2, 4, size), places, axis=2)  # (B, C, W, step, F)
    cut = graph.op("Transpose", cut, perm=[0, 2, 1, 3, 4])
    channels, bins = primary.convolutions.in_channels, primary.per_row // 8
    cut = reshape(graph, cut, -1, channels, size, bins * settings.primary_stride)
    kernel = primary.convolutions
    features = add_convolution(
        graph, kernel, cut, array_of(kernel.weight), array_of(cast("Tensor", kernel.bias))
    )
    features = reshape(graph, features, 0, 8, PRIMARY_DIM, primary.rows * bins)
    rows = graph.ints(*(row * settings.primary_stride for row in range(primary.rows)))
    mask = graph.op("Less", graph.op("Add", starts, rows), unsqueeze(graph, steps, 1, 2))
    counted = length_mask(graph, _window_counts(graph, branch, steps), windows)
    mask = graph.op("And", mask, unsqueeze(graph, counted, 2))  # (B, W, row)
    mask = graph.op("Cast", unsqueeze(graph, mask, 3), to=FLOAT)
    ones = graph.constant(np.ones((1, 1, 1, primary.per_row)))
    mask = reshape(graph, graph.op("Mul", mask, ones), -1, primary.per_window)  # (B x W, L)
    weight = array_of(branch.votes.weight).reshape(primary.per_window, -1, PRIMARY_DIM)
    votes = _Votes(
        graph.weight(weight.transpose(0, 2, 1)),
        graph.weight(array_of(branch.votes.bias)),
        settings.routing_iterations,
        cast("tuple[int, int]", tuple(branch.votes.bias.shape)),
    )
    if branch.recurrent_weight is None:
        outputs = _route_in_blocks(graph, votes, features, mask)
        return reshape(graph, outputs, batch, windows, -1)
    features = graph.op("Transpose", features, perm=[3, 1, 0, 2])
    capsules = reshape(graph, features, primary.per_window, -1, PRIMARY_DIM)
    cast_votes = votes.cast(graph, capsules, mask)
    upper, dim = votes.shape
    context = graph.weight(array_of(branch.recurrent_weight).reshape(upper * dim, -1).T)
    cast_votes = reshape(graph, cast_votes, batch, windows, primary.per_window, upper * dim)
    mask = reshape(graph, mask, batch, windows, primary.per_window)
    return _scan(graph, votes, cast_votes, mask, context, previous)


def decide_by_capsules(
    graph: GraphBuilder, branch: CapsuleBranch, features: str, steps: str
) -> Decided:
    """Adds the routing of windows to the utterance, as `CapsuleBranch.decide`.

    Args:
        graph: The graph.
        branch: The branch with its weights.
        features: Name of the windows' output vectors, (B, W, 72).
        steps: Name of the steps that count, (B,).
    """
    emotions, dim = branch.utterance_bias.shape
    counts = _window_counts(graph, branch, steps)
    mask = length_mask(graph, counts, size_of(graph, features, 1))
    mask = graph.op("Cast", mask, to=FLOAT)
    column = unsqueeze(graph, mask, 2)
    features = graph.op("Mul", features, column)
    weight = array_of(branch.utterance_weight).reshape(emotions * dim, -1).T
    votes = graph.op("MatMul", features, graph.weight(weight))
    bias = graph.weight(array_of(branch.utterance_bias))
    iterations = branch.settings.routing_iterations
    sums, couplings = route(graph, votes, mask, bias, iterations, (emotions, dim))
    capsules = squash(graph, sums)
    logits = dense(graph, branch.head, output_vectors(graph, capsules))
    return Decided(logits, capsules, graph.op("Mul", couplings, column))


def _window_counts(graph: GraphBuilder, branch: CapsuleBranch, steps: str) -> str:
    size, shift = branch.settings.window_steps, branch.settings.shift_steps
    beyond = graph.op("Max", graph.op("Sub", steps, graph.ints(size)), graph.ints(0))
    return graph.op("Add", ceil_div(graph, beyond, shift), graph.ints(1))


@dataclass(frozen=True)
class _Votes:
    """Of a window's primary capsules: weights (L, 8, J x D), bias (J, D), iterations, J and D."""

    weight: str
    bias: str
    iterations: int
    shape: tuple[int, int]

    def cast(self, graph: GraphBuilder, capsules: str, mask: str) -> str:
        """Squashes capsules (L, N, 8), of which (N, L) count, and votes: (N, L, J x D)."""
        counted = unsqueeze(graph, graph.op("Transpose", mask, perm=[1, 0]), 2)
        votes = graph.op("MatMul", squash(graph, capsules, counted), self.weight)
        return graph.op("Transpose", votes, perm=[1, 0, 2])


def _route_in_blocks(graph: GraphBuilder, votes: _Votes, features: str, mask: str) -> str:
    """SeqCap: outputs (N, 72) of windows, some at a time, whose votes stay in a core's cache.

    Args:
        graph: Where the nodes go.
        votes: How they vote.
        features: Of primary capsules, by window, convolution, value and place, (N, 8, 8, place).
        mask: 1 where a primary capsule counts, (N, L).
    """
    total = size_of(graph, mask, 0)
    count = ceil_div(graph, total, WINDOWS_AT_ONCE)
    size = graph.op("Div", graph.op("Add", total, graph.op("Sub", count, graph.ints(1))), count)
    missing = graph.op("Sub", graph.op("Mul", count, size), total)
    none = graph.ints(0)
    pads = graph.op("Concat", *[none] * 4, missing, *[none] * 3, axis=0)
    features = graph.op("Pad", features, pads)
    places = size_of(graph, features, 3)
    eight = graph.ints(8)
    features = reshape(graph, features, count, size, eight, graph.ints(PRIMARY_DIM), places)
    # Lower capsules go by row, column, convolution: (block, place, convolution, window, value).
    features = graph.op("Transpose", features, perm=[0, 4, 2, 1, 3])
    features = reshape(graph, features, count, graph.ints(-1), size, graph.ints(PRIMARY_DIM))
    mask = graph.op("Pad", mask, graph.op("Concat", none, none, missing, none, axis=0))
    mask = reshape(graph, mask, count, size, graph.ints(-1))

    first_node = len(graph.nodes)
    features_here, mask_here = graph.fresh(), graph.fresh()
    cast_votes = votes.cast(graph, features_here, mask_here)
    sums, _ = route(graph, cast_votes, mask_here, votes.bias, votes.iterations, votes.shape)
    outputs = output_vectors(graph, squash(graph, sums))
    body = graph.subgraph(
        first_node,
        [
            (features_here, FLOAT, ["lower", "window", PRIMARY_DIM]),
            (mask_here, FLOAT, ["window", "lower"]),
        ],
        [(outputs, FLOAT, ["window", OUTPUT_FEATURES])],
    )
    (found,) = graph.ops("Scan", 1, features, mask, body=body, num_scan_inputs=2)
    found = reshape(graph, found, -1, OUTPUT_FEATURES)
    return graph.op("Slice", found, none, total, none)


def _scan(
    graph: GraphBuilder, votes: _Votes, cast_votes: str, mask: str, context: str, previous: str
) -> str:
    """RecCap: windows one after the other, Eqs. (9) and (10)."""
    upper, dim = votes.shape
    first_node = len(graph.nodes)
    output, votes_here, mask_here = graph.fresh(), graph.fresh(), graph.fresh()
    added = reshape(graph, graph.op("MatMul", output, context), -1, upper, dim)  # W^o o_{t-1}
    here = graph.op("Add", added, votes.bias)
    sums, _ = route(graph, votes_here, mask_here, here, votes.iterations, votes.shape)
    following = output_vectors(graph, squash(graph, sums))
    scanned = graph.op("Identity", following)
    size = upper * (dim + 1)
    body = graph.subgraph(
        first_node,
        [
            (output, FLOAT, ["batch", size]),
            (votes_here, FLOAT, ["batch", "lower", upper * dim]),
            (mask_here, FLOAT, ["batch", "lower"]),
        ],
        [(following, FLOAT, ["batch", size]), (scanned, FLOAT, ["batch", size])],
    )
    _, outputs = graph.ops(
        "Scan",
        2,
        previous,
        cast_votes,
        mask,
        body=body,
        num_scan_inputs=2,
        scan_input_axes=[1, 1],
        scan_output_axes=[1],
    )
    return outputs  # (B, W, 72)


def squash(graph: GraphBuilder, vectors: str, counted: str = "") -> str:
    """Squashes vectors on the last axis, Eq. (6).

    Args:
        graph: The graph.
        vectors: Name of vectors of any shape.
        counted: Name of a mask; vectors where it is 0 become zero. "" for none.
    """
    squared = graph.op("ReduceSumSquare", vectors, graph.ints(-1), keepdims=1)
    squared = graph.op("Max", squared, graph.constant(SMALLEST_SQUARED_LENGTH))
    divisor = graph.op("Add", squared, graph.constant(1.0))
    scale = graph.op("Div", graph.op("Sqrt", squared), divisor)
    return graph.op("Mul", vectors, graph.op("Mul", scale, counted) if counted else scale)


def output_vectors(graph: GraphBuilder, capsules: str) -> str:
    """Joins capsules and their lengths, Eqs. (8) and (10).

    Args:
        graph: The graph.
        capsules: Name of capsules, (B, J, D).

    Returns:
        Name of (B, J x (D + 1)): all vectors, then all lengths.
    """
    squared = graph.op("ReduceSumSquare", capsules, graph.ints(-1), keepdims=0)
    lengths = graph.op("Sqrt", graph.op("Max", squared, graph.constant(SMALLEST_SQUARED_LENGTH)))
    return graph.op("Concat", graph.op("Flatten", capsules, axis=1), lengths, axis=1)


def route(
    graph: GraphBuilder,
    votes: str,
    mask: str,
    bias: str,
    iterations: int,
    shape: tuple[int, int],
) -> tuple[str, str]:
    """Eqs. (4), (5) and (7) as matrix products.

    Args:
        graph: Where the nodes go.
        votes: Without bias, zero where a lower capsule does not count, (N, L, J x D).
        mask: 1 where a lower capsule counts, else 0, (N, L).
        bias: What is added to every vote, (J, D) or (N, J, D).
        iterations: As for `seqcap.models.routing.route`.
        shape: J and D.

    Returns:
        Sums s_j (N, J, D) and couplings (N, L, J), also of lower capsules that do not count.
    """
    upper, dim = shape
    eye = np.eye(upper, dtype=np.float32)
    own_values = graph.constant(eye[:, None, :])  # (J, 1, J): each capsule's values, one column
    own_rows = graph.constant(eye[:, :, None])  # (J, J, 1)
    row = graph.op("Mul", unsqueeze(graph, mask, 1), graph.constant(1 / upper))  # (N, 1, L)
    sums = reshape(graph, graph.op("MatMul", row, votes), -1, upper, dim)
    voters = graph.op("ReduceSum", row, graph.ints(2), keepdims=1)  # (N, 1, 1)
    sums = graph.op("Add", sums, graph.op("Mul", voters, bias))
    couplings = ""
    agreed = ""  # the sum of all v_j so far: d_ij is its product with the vote
    for _ in range(iterations - 1):
        capsules = squash(graph, sums)
        agreed = graph.op("Add", agreed, capsules) if agreed else capsules
        blocks = graph.op("Mul", unsqueeze(graph, agreed, 3), own_values)  # (N, J, D, J)
        logits = graph.op("MatMul", votes, reshape(graph, blocks, 0, upper * dim, upper))
        common = graph.op("ReduceSum", graph.op("Mul", agreed, bias), graph.ints(2), keepdims=0)
        logits = graph.op("Add", logits, unsqueeze(graph, common, 1))  # Eq. (7)
        couplings = graph.op("Softmax", logits, axis=2)  # Eq. (4)
        products = graph.op("MatMul", graph.op("Transpose", couplings, perm=[0, 2, 1]), votes)
        products = graph.op("Mul", reshape(graph, products, 0, upper, upper, dim), own_rows)
        sums = graph.op("ReduceSum", products, graph.ints(1), keepdims=0)  # Eq. (5)
        voters = graph.op("MatMul", unsqueeze(graph, mask, 1), couplings)  # (N, 1, J)
        voters = graph.op("Transpose", voters, perm=[0, 2, 1])
        sums = graph.op("Add", sums, graph.op("Mul", voters, bias))
    if not couplings:
        equal = graph.constant(np.full((1, 1, upper), 1 / upper))
        couplings = graph.op("Mul", unsqueeze(graph, mask, 2), equal)
    return sums, couplings
