"""A system as two ONNX graphs: `encode`, chunk by chunk, and `decide`, over the whole recording.

They compute what `System.forward` computes, in the form that onnxruntime runs fast: votes and
routing as matrix products over (window, lower, upper x dim). Batch and length are free, masks
included. Shapes in comments: B recordings, T frames, S steps, W windows, L lower capsules, J upper
capsules of D values, K emotions.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import Tensor, nn

from seqcap.errors import SettingsError
from seqcap.models.branch import Branch
from seqcap.models.capsules import OUTPUT_FEATURES, PRIMARY_DIM, CapsuleBranch
from seqcap.models.convolution import Convolution
from seqcap.models.onnx_builder import FLOAT, INT, GraphBuilder
from seqcap.models.recurrent import STEPS_PER_STACK, DenseHead, GRUBranch
from seqcap.models.routing import SMALLEST_SQUARED_LENGTH
from seqcap.models.satt import LSTMBranch, PooledBranch
from seqcap.models.system import BINS, System

# Choice: votes of so many windows are kept at once, 2.6 MB.
WINDOWS_AT_ONCE = 8

CHUNKING = "seqcap.chunking"  # metadata: what a program needs to go through a recording in chunks
EXPORTED = (CapsuleBranch, GRUBranch, LSTMBranch, PooledBranch)


def check_exportable(system: System) -> None:
    """Refuses systems without graphs.

    Args:
        system: Any.

    Raises:
        SettingsError: A branch answers in chunks of bounded length, or is your own.
    """
    if not is_exportable(system):
        names = ", ".join(type(branch).__name__ for branch in system.branches)
        raise SettingsError(
            f"{names}: no ONNX graph; systems of CNN, GRU, LSTM, SeqCap and RecCap have one, and "
            "engine='torch' runs all others"
        )


def is_exportable(system: System) -> bool:
    """Whether all parts of a system have graphs.

    Args:
        system: Any.
    """
    return all(type(branch) in EXPORTED for branch in system.branches)


def encode_graph(system: System, half_weights: bool) -> onnx.ModelProto:
    """Makes the graph from normalised frames to every branch's features.

    Inputs: ``frames`` (B, T, 512), ``frame_counts`` (B,), ``skipped_steps`` and ``kept_steps``
    (1,), which cut the map before the branches see it (with their overlap behind it), and for
    RecCap ``previous`` (B, 72). Outputs: ``features_0`` and so on, (B, unit, feature).

    Args:
        system: On the CPU.
        half_weights: As for `GraphBuilder`.
    """
    check_exportable(system)
    graph = GraphBuilder(half_weights)
    frames = graph.input("frames", FLOAT, ["batch", "frame", BINS])
    counts = graph.input("frame_counts", INT, ["batch"])
    skipped = graph.input("skipped_steps", INT, [1])
    kept = graph.input("kept_steps", INT, [1])
    previous = ""
    if _is_recurrent(system):
        previous = graph.input("previous", FLOAT, ["batch", OUTPUT_FEATURES])
    maps, steps = convolve(graph, system, frames, counts)
    for index, branch in enumerate(branches_of(system)):
        seen = graph.op("Add", kept, graph.ints(branch.overlap_steps))
        end = graph.op("Add", skipped, seen)
        here = graph.op("Slice", maps, skipped, end, graph.ints(2))
        steps_here = graph.op("Min", graph.op("Sub", steps, skipped), seen)
        features = encode(graph, branch, here, steps_here, previous)
        graph.output(f"features_{index}", features, FLOAT, ["batch", f"unit_{index}", "feature"])
    return graph.model("encode", {CHUNKING: json.dumps(_chunking(system))})


def decide_graph(system: System, half_weights: bool) -> onnx.ModelProto:
    """Makes the graph from the features of whole recordings to logits.

    Inputs: ``features_0`` and so on, ``step_counts`` (B,). Outputs: ``logits`` (branch, B, K), and
    of systems with capsules ``utterance_capsules`` (B, K, 16) and ``utterance_couplings``
    (B, W, K).

    Args:
        system: With graphs for all its parts.
        half_weights: Store weights in 16 bits.
    """
    check_exportable(system)
    graph = GraphBuilder(half_weights)
    branches = branches_of(system)
    features = [
        graph.input(f"features_{i}", FLOAT, ["batch", f"unit_{i}", "feature"])
        for i in range(len(branches))
    ]
    steps = graph.input("step_counts", INT, ["batch"])
    decided = [decide(graph, b, f, steps) for b, f in zip(branches, features, strict=True)]
    logits = graph.op("Concat", *[_unsqueeze(graph, d.logits, 0) for d in decided], axis=0)
    graph.output("logits", logits, FLOAT, [len(branches), "batch", "emotion"])
    for each in decided:
        if each.capsules:
            graph.output("utterance_capsules", each.capsules, FLOAT, ["batch", "emotion", "dim"])
            graph.output("utterance_couplings", each.couplings, FLOAT, ["batch", "w", "emotion"])
    return graph.model("decide")


def branches_of(system: System) -> list[Branch]:
    """Gives the branches of a system, in their order.

    Args:
        system: Any.
    """
    return [branch for branch in system.branches if isinstance(branch, Branch)]


def _is_recurrent(system: System) -> bool:
    return any(getattr(branch, "recurrent_weight", None) is not None for branch in system.branches)


def _chunking(system: System) -> dict[str, object]:
    branches = branches_of(system)
    return {
        "frames_per_step": system.cnn.frames_per_step,
        "context_steps": system.cnn.context_steps,
        "shift_steps": [branch.shift_steps for branch in branches],
        "overlap_steps": [branch.overlap_steps for branch in branches],
        "branch_shares": system.branch_shares.tolist(),
    }


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().float().numpy()


def _unsqueeze(graph: GraphBuilder, value: str, *axes: int) -> str:
    return graph.op("Unsqueeze", value, graph.ints(*axes))


def _reshape(graph: GraphBuilder, value: str, *sizes: int | str) -> str:
    """Reshapes; 0 keeps a size, -1 is found, a string is a size (a vector of one)."""
    if all(isinstance(size, int) for size in sizes):
        return graph.op("Reshape", value, graph.ints(*cast("tuple[int, ...]", sizes)))
    parts = [graph.ints(size) if isinstance(size, int) else size for size in sizes]
    return graph.op("Reshape", value, graph.op("Concat", *parts, axis=0))


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
    return graph.op("Less", count_up(graph, size), _unsqueeze(graph, counts, 1))


def _pad(graph: GraphBuilder, value: str, axis: int, rank: int, behind: int) -> str:
    pads = [0] * (2 * rank)
    pads[rank + axis] = behind
    return graph.op("Pad", value, graph.ints(*pads))


def convolve(graph: GraphBuilder, system: System, frames: str, counts: str) -> tuple[str, str]:
    """Adds the convolutions of Table I.

    Args:
        graph: The graph.
        system: The system with its weights.
        frames: Name of the frames, (B, T, 512).
        counts: Name of the frames that count, (B,).

    Returns:
        Names of maps (B, C, S, F) and of the steps that count, (B,).
    """
    cnn, per_step = system.cnn, system.cnn.frames_per_step
    size = size_of(graph, frames, 1)
    mask = _unsqueeze(graph, length_mask(graph, counts, size), 2)
    frames = graph.op("Where", mask, frames, graph.constant(0.0))  # padding may be NaN
    step_size = ceil_div(graph, size, per_step)
    frames = _pad(graph, frames, 1, 3, per_step - 1)
    end = graph.op("Mul", step_size, graph.ints(per_step))
    frames = graph.op("Slice", frames, graph.ints(0), end, graph.ints(1))
    steps = ceil_div(graph, counts, per_step)
    maps, rows_per_step = _unsqueeze(graph, frames, 1), per_step
    for layer, stage in zip(cnn.layers, cnn.stages, strict=True):
        frequency, time = stage.pooling
        rows_per_step //= time
        kernels = list(cast("Iterable[Convolution]", layer))
        maps = _side_by_side(graph, kernels, maps, [time, frequency])
        rows = graph.op("Mul", steps, graph.ints(rows_per_step))
        mask = length_mask(graph, rows, size_of(graph, maps, 2))
        mask = graph.op("Cast", _unsqueeze(graph, mask, 1, 3), to=FLOAT)
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
        weight[here], bias[here] = _array(kernel.weight), _array(cast("Tensor", kernel.bias))
        before += kernel.out_channels
        convolved = graph.op("Relu", _convolution(graph, kernel, maps, weight, bias))
        pooled = graph.op("MaxPool", convolved, kernel_shape=window, strides=window)
        added = graph.op("Add", added, pooled) if added else pooled
    return added


def _convolution(
    graph: GraphBuilder,
    kernel: Convolution,
    maps: str,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
) -> str:
    left, right, above, below = kernel.margins
    return graph.op(
        "Conv",
        maps,
        graph.weight(weight),
        graph.weight(bias),
        pads=[above, left, below, right],
        strides=list(kernel.stride),
    )


def encode(graph: GraphBuilder, branch: Branch, maps: str, steps: str, previous: str) -> str:
    """Adds the first half of a branch, as `Branch.encode`.

    Args:
        graph: The graph.
        branch: The branch with its weights.
        maps: Name of the maps, (B, C, S, F).
        steps: Name of the steps that count, (B,).
        previous: RecCap: name of the output vectors of the window before, (B, 72); "" for others.

    Returns:
        Name of the features, (B, unit, feature).
    """
    if isinstance(branch, CapsuleBranch):
        return _encode_windows(graph, branch, maps, steps, previous)
    if isinstance(branch, PooledBranch):
        sums = graph.op("ReduceSum", maps, graph.ints(2), keepdims=0)
        return _reshape(graph, sums, 0, 1, -1)
    by_step = STEPS_PER_STACK if isinstance(branch, GRUBranch) else 1
    stacks = ceil_div(graph, size_of(graph, maps, 2), by_step)
    end = graph.op("Mul", stacks, graph.ints(by_step))
    maps = graph.op(
        "Slice", _pad(graph, maps, 2, 4, by_step - 1), graph.ints(0), end, graph.ints(2)
    )
    maps = graph.op("Transpose", maps, perm=[0, 2, 3, 1])  # (B, S, F, C)
    if not isinstance(branch, GRUBranch):
        return _reshape(graph, maps, 0, stacks, _lstm(branch).input_size)
    # What the gates take from a step: 384 values in place of 2,048 to keep of long recordings.
    features = _reshape(graph, maps, 0, stacks, branch.gru.input_size)
    weight = _gates(branch.gru, "weight_ih").reshape(-1, branch.gru.input_size)
    return graph.op("MatMul", features, graph.weight(weight.T))


def _lstm(branch: Branch) -> nn.LSTM:
    return cast("LSTMBranch", branch).lstm


def _window_counts(graph: GraphBuilder, branch: CapsuleBranch, steps: str) -> str:
    size, shift = branch.settings.window_steps, branch.settings.shift_steps
    beyond = graph.op("Max", graph.op("Sub", steps, graph.ints(size)), graph.ints(0))
    return graph.op("Add", ceil_div(graph, beyond, shift), graph.ints(1))


def _encode_windows(
    graph: GraphBuilder, branch: CapsuleBranch, maps: str, steps: str, previous: str
) -> str:
    settings, primary = branch.settings, branch.primary
    size, shift = settings.window_steps, settings.shift_steps
    batch = size_of(graph, maps, 0)
    windows = _window_counts(graph, branch, size_of(graph, maps, 2))  # W
    starts = graph.op("Mul", count_up(graph, windows), graph.ints(shift))
    starts = _unsqueeze(graph, starts, 1)  # (W, 1)
    places = graph.op("Add", starts, graph.ints(*range(size)))  # (W, step)
    cut = graph.op("Gather", _pad(graph, maps, 2, 4, size), places, axis=2)  # (B, C, W, step, F)
    cut = graph.op("Transpose", cut, perm=[0, 2, 1, 3, 4])
    channels, bins = primary.convolutions.in_channels, primary.per_row // 8
    cut = _reshape(graph, cut, -1, channels, size, bins * settings.primary_stride)
    kernel = primary.convolutions
    features = _convolution(
        graph, kernel, cut, _array(kernel.weight), _array(cast("Tensor", kernel.bias))
    )
    features = _reshape(graph, features, 0, 8, PRIMARY_DIM, primary.rows * bins)
    rows = graph.ints(*(row * settings.primary_stride for row in range(primary.rows)))
    mask = graph.op("Less", graph.op("Add", starts, rows), _unsqueeze(graph, steps, 1, 2))
    counted = length_mask(graph, _window_counts(graph, branch, steps), windows)
    mask = graph.op("And", mask, _unsqueeze(graph, counted, 2))  # (B, W, row)
    mask = graph.op("Cast", _unsqueeze(graph, mask, 3), to=FLOAT)
    ones = graph.constant(np.ones((1, 1, 1, primary.per_row)))
    mask = _reshape(graph, graph.op("Mul", mask, ones), -1, primary.per_window)  # (B x W, L)
    weight = _array(branch.votes.weight).reshape(primary.per_window, -1, PRIMARY_DIM)
    votes = _Votes(
        graph.weight(weight.transpose(0, 2, 1)),
        graph.weight(_array(branch.votes.bias)),
        settings.routing_iterations,
        cast("tuple[int, int]", tuple(branch.votes.bias.shape)),
    )
    if branch.recurrent_weight is None:
        outputs = _route_in_blocks(graph, votes, features, mask)
        return _reshape(graph, outputs, batch, windows, -1)
    features = graph.op("Transpose", features, perm=[3, 1, 0, 2])
    capsules = _reshape(graph, features, primary.per_window, -1, PRIMARY_DIM)
    cast_votes = votes.cast(graph, capsules, mask)
    upper, dim = votes.shape
    context = graph.weight(_array(branch.recurrent_weight).reshape(upper * dim, -1).T)
    cast_votes = _reshape(graph, cast_votes, batch, windows, primary.per_window, upper * dim)
    mask = _reshape(graph, mask, batch, windows, primary.per_window)
    return _scan(graph, votes, cast_votes, mask, context, previous)


@dataclass(frozen=True)
class _Votes:
    """Of a window's primary capsules: weights (L, 8, J x D), bias (J, D), iterations, J and D."""

    weight: str
    bias: str
    iterations: int
    shape: tuple[int, int]

    def cast(self, graph: GraphBuilder, capsules: str, mask: str) -> str:
        """Squashes capsules (L, N, 8), of which (N, L) count, and votes: (N, L, J x D)."""
        counted = _unsqueeze(graph, graph.op("Transpose", mask, perm=[1, 0]), 2)
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
    features = _reshape(graph, features, count, size, eight, graph.ints(PRIMARY_DIM), places)
    # Lower capsules go by row, column, convolution: (block, place, convolution, window, value).
    features = graph.op("Transpose", features, perm=[0, 4, 2, 1, 3])
    features = _reshape(graph, features, count, graph.ints(-1), size, graph.ints(PRIMARY_DIM))
    mask = graph.op("Pad", mask, graph.op("Concat", none, none, missing, none, axis=0))
    mask = _reshape(graph, mask, count, size, graph.ints(-1))

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
    found = _reshape(graph, found, -1, OUTPUT_FEATURES)
    return graph.op("Slice", found, none, total, none)


def _scan(
    graph: GraphBuilder, votes: _Votes, cast_votes: str, mask: str, context: str, previous: str
) -> str:
    """RecCap: windows one after the other, Eqs. (9) and (10)."""
    upper, dim = votes.shape
    first_node = len(graph.nodes)
    output, votes_here, mask_here = graph.fresh(), graph.fresh(), graph.fresh()
    added = _reshape(graph, graph.op("MatMul", output, context), -1, upper, dim)  # W^o o_{t-1}
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
    row = graph.op("Mul", _unsqueeze(graph, mask, 1), graph.constant(1 / upper))  # (N, 1, L)
    sums = _reshape(graph, graph.op("MatMul", row, votes), -1, upper, dim)
    voters = graph.op("ReduceSum", row, graph.ints(2), keepdims=1)  # (N, 1, 1)
    sums = graph.op("Add", sums, graph.op("Mul", voters, bias))
    couplings = ""
    agreed = ""  # the sum of all v_j so far: d_ij is its product with the vote
    for _ in range(iterations - 1):
        capsules = squash(graph, sums)
        agreed = graph.op("Add", agreed, capsules) if agreed else capsules
        blocks = graph.op("Mul", _unsqueeze(graph, agreed, 3), own_values)  # (N, J, D, J)
        logits = graph.op("MatMul", votes, _reshape(graph, blocks, 0, upper * dim, upper))
        common = graph.op("ReduceSum", graph.op("Mul", agreed, bias), graph.ints(2), keepdims=0)
        logits = graph.op("Add", logits, _unsqueeze(graph, common, 1))  # Eq. (7)
        couplings = graph.op("Softmax", logits, axis=2)  # Eq. (4)
        products = graph.op("MatMul", graph.op("Transpose", couplings, perm=[0, 2, 1]), votes)
        products = graph.op("Mul", _reshape(graph, products, 0, upper, upper, dim), own_rows)
        sums = graph.op("ReduceSum", products, graph.ints(1), keepdims=0)  # Eq. (5)
        voters = graph.op("MatMul", _unsqueeze(graph, mask, 1), couplings)  # (N, 1, J)
        voters = graph.op("Transpose", voters, perm=[0, 2, 1])
        sums = graph.op("Add", sums, graph.op("Mul", voters, bias))
    if not couplings:
        equal = graph.constant(np.full((1, 1, upper), 1 / upper))
        couplings = graph.op("Mul", _unsqueeze(graph, mask, 2), equal)
    return sums, couplings


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


def decide(graph: GraphBuilder, branch: Branch, features: str, steps: str) -> Decided:
    """Adds the second half of a branch, as `Branch.decide`.

    Args:
        graph: The graph.
        branch: The branch with its weights.
        features: Name of the features of whole recordings, (B, unit, feature).
        steps: Name of the steps that count, (B,).
    """
    if isinstance(branch, CapsuleBranch):
        return _decide_by_capsules(graph, branch, features, steps)
    if isinstance(branch, PooledBranch):
        sums = graph.op("ReduceSum", features, graph.ints(1), keepdims=0)
        counts = graph.op("Cast", _unsqueeze(graph, steps, 1), to=FLOAT)
        return Decided(_dense(graph, branch.head, graph.op("Div", sums, counts)))
    if isinstance(branch, GRUBranch):
        counts = ceil_div(graph, steps, STEPS_PER_STACK)
        outputs, last = _recurrent(
            graph, branch.gru, _own_gates(graph, branch.gru), features, counts
        )
        if isinstance(branch.head, DenseHead):
            return Decided(_dense(graph, branch.head, last))
        return Decided(_attend(graph, branch, outputs, counts))
    layer = _lstm(branch)
    weight = graph.weight(_gates(layer, "weight_ih"))
    _, last = _recurrent(graph, layer, weight, features, steps)
    return Decided(_dense(graph, cast("LSTMBranch", branch).head, last))


def _decide_by_capsules(
    graph: GraphBuilder, branch: CapsuleBranch, features: str, steps: str
) -> Decided:
    emotions, dim = branch.utterance_bias.shape
    counts = _window_counts(graph, branch, steps)
    mask = length_mask(graph, counts, size_of(graph, features, 1))
    mask = graph.op("Cast", mask, to=FLOAT)
    column = _unsqueeze(graph, mask, 2)
    features = graph.op("Mul", features, column)
    weight = _array(branch.utterance_weight).reshape(emotions * dim, -1).T
    votes = graph.op("MatMul", features, graph.weight(weight))
    bias = graph.weight(_array(branch.utterance_bias))
    iterations = branch.settings.routing_iterations
    sums, couplings = route(graph, votes, mask, bias, iterations, (emotions, dim))
    capsules = squash(graph, sums)
    logits = _dense(graph, branch.head, output_vectors(graph, capsules))
    return Decided(logits, capsules, graph.op("Mul", couplings, column))


def _dense(graph: GraphBuilder, head: DenseHead, values: str) -> str:
    hidden = graph.op("Relu", _linear(graph, head.hidden, values))
    return _linear(graph, head.logits, hidden)


def _linear(graph: GraphBuilder, layer: nn.Linear, values: str) -> str:
    product = graph.op("MatMul", values, graph.weight(_array(layer.weight).T))
    return graph.op("Add", product, graph.weight(_array(layer.bias)))


def _attend(graph: GraphBuilder, branch: GRUBranch, outputs: str, counts: str) -> str:
    head = branch.head
    hidden = graph.op("Relu", _linear(graph, head.hidden, outputs))
    scores = graph.op("MatMul", hidden, graph.weight(_array(cast("Tensor", head.bottom_up)).T))
    mask = length_mask(graph, counts, size_of(graph, outputs, 1))
    scores = graph.op("Where", _unsqueeze(graph, mask, 2), scores, graph.constant(-np.inf))
    attention = graph.op("Softmax", scores, axis=1)  # Eq. (1), (B, stack, 1)
    pooled = graph.op(
        "ReduceSum", graph.op("Mul", hidden, attention), graph.ints(1), keepdims=0
    )  # Eq. (2)
    return graph.op("MatMul", pooled, graph.weight(_array(cast("Tensor", head.top_down)).T))


def _gates(layer: nn.RNNBase, name: str) -> NDArray[np.float32]:
    """A parameter of both directions, (2, gates x cells, ...)."""
    cells = layer.hidden_size
    # PyTorch's gates are r, z, n and i, f, g, o; ONNX's are z, r, h and i, o, f, c.
    order = [1, 0, 2] if isinstance(layer, nn.GRU) else [0, 3, 1, 2]
    ways = []
    for suffix in ("_l0", "_l0_reverse"):
        parameter = _array(cast("Tensor", getattr(layer, name + suffix)))
        ways.append(np.concatenate([parameter[g * cells : (g + 1) * cells] for g in order]))
    return np.stack(ways)


def _own_gates(graph: GraphBuilder, layer: nn.GRU) -> str:
    """Takes what was multiplied with the weights already: ones at each direction's own gates."""
    count = 6 * layer.hidden_size
    places = graph.ints(*range(count))
    same = graph.op("Equal", _unsqueeze(graph, places, 0), _unsqueeze(graph, places, 1))
    return _reshape(graph, graph.op("Cast", same, to=FLOAT), 2, count // 2, count)


def _recurrent(
    graph: GraphBuilder, layer: nn.RNNBase, weight: str, steps: str, counts: str
) -> tuple[str, str]:
    """A bidirectional layer over (B, step, feature), each to its own end, as `run_padded`."""
    cells = layer.hidden_size
    biases = np.concatenate((_gates(layer, "bias_ih"), _gates(layer, "bias_hh")), axis=1)
    kind = "GRU" if isinstance(layer, nn.GRU) else "LSTM"
    attributes = {"linear_before_reset": 1} if kind == "GRU" else {}
    outputs, last = graph.ops(
        kind,
        2,
        graph.op("Transpose", steps, perm=[1, 0, 2]),
        weight,
        graph.weight(_gates(layer, "weight_hh")),
        graph.weight(biases),
        graph.op("Cast", counts, to=onnx.TensorProto.INT32),
        direction="bidirectional",
        hidden_size=cells,
        **attributes,
    )
    outputs = graph.op("Transpose", outputs, perm=[2, 0, 1, 3])  # (B, step, 2, cells)
    last = graph.op("Transpose", last, perm=[1, 0, 2])  # (B, 2, cells)
    return _reshape(graph, outputs, 0, 0, -1), graph.op("Flatten", last, axis=1)
