"""A system as two ONNX graphs: `encode`, chunk by chunk, and `decide`, over the whole recording.

They compute what `System.forward` computes, in the form that onnxruntime runs fast. Batch and
length are free, masks included. Shapes in comments: B recordings, T frames, C channels, S steps, F
bins, K emotions.
"""

import json
import math
from typing import cast

import numpy as np
import onnx
from torch import nn

from seqcap.errors import SettingsError
from seqcap.models.branch import Branch
from seqcap.models.capsules import OUTPUT_FEATURES, CapsuleBranch
from seqcap.models.graph_names import CHUNKING, FEATURE_MEAN, MEAN_FEATURES
from seqcap.models.onnx_builder import FLOAT, INT, GraphBuilder
from seqcap.models.onnx_capsules import Decided, decide_by_capsules, encode_windows
from seqcap.models.onnx_encoder import map_features, mean_features, speech_features
from seqcap.models.onnx_layers import (
    ceil_div,
    convolve,
    dense,
    pad,
    reshape,
    size_of,
    unsqueeze,
)
from seqcap.models.onnx_recurrent import attend, gates_of, own_gates, run_recurrent
from seqcap.models.recurrent import STEPS_PER_STACK, DenseHead, GRUBranch
from seqcap.models.satt import LSTMBranch, PooledBranch
from seqcap.models.speech_encoder import LAYERS, WIDTH, SpeechEncoder
from seqcap.models.system import BINS, System

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
    RecCap ``previous`` (B, 72). Outputs: ``features_0`` and so on, (B, unit, feature). Systems with
    an encoder have an optional input and an output more, see `make_maps`.

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
    maps, steps = make_maps(graph, system, frames, counts, adapts=True)
    for index, branch in enumerate(branches_of(system)):
        seen = graph.op("Add", kept, graph.ints(branch.overlap_steps))
        end = graph.op("Add", skipped, seen)
        here = graph.op("Slice", maps, skipped, end, graph.ints(2))
        steps_here = graph.op("Min", graph.op("Sub", steps, skipped), seen)
        features = encode(graph, branch, here, steps_here, previous)
        graph.output(f"features_{index}", features, FLOAT, ["batch", f"unit_{index}", "feature"])
    return graph.model("encode", {CHUNKING: json.dumps(_chunking(system))})


def make_maps(
    graph: GraphBuilder, system: System, frames: str, counts: str, adapts: bool = False
) -> tuple[str, str]:
    """Adds the convolutions of Table I, or the encoder in their place.

    Args:
        graph: The graph.
        system: The system with its weights.
        frames: Name of the frames, (B, T, 512).
        counts: Name of the frames that count, (B,).
        adapts: With an encoder, also add the optional input ``feature_mean`` (1, 768), which the
            features lose, and the output ``mean_features`` (B, 768).

    Returns:
        Names of maps (B, C, S, F) and of the steps that count, (B,).
    """
    if isinstance(system.cnn, SpeechEncoder):
        speech = speech_features(graph, system.cnn, frames, counts)
        lost = ""
        if adapts:
            width = LAYERS * WIDTH
            lost = graph.optional_input(FEATURE_MEAN, np.zeros((1, width), np.float32))
            means = mean_features(graph, speech)
            graph.output(MEAN_FEATURES, means, FLOAT, ["batch", width])
        return map_features(graph, system.cnn, speech, lost), speech.steps
    return convolve(graph, system.cnn, frames, counts)


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
    logits = graph.op("Concat", *[unsqueeze(graph, d.logits, 0) for d in decided], axis=0)
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
        "shift_steps": [math.lcm(b.shift_steps, system.cnn.block_steps) for b in branches],
        "overlap_steps": [branch.overlap_steps for branch in branches],
        "branch_shares": system.branch_shares.tolist(),
        "before_steps": system.cnn.before_steps,
    }


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
        return encode_windows(graph, branch, maps, steps, previous)
    if isinstance(branch, PooledBranch):
        sums = graph.op("ReduceSum", maps, graph.ints(2), keepdims=0)
        return reshape(graph, sums, 0, 1, -1)
    by_step = STEPS_PER_STACK if isinstance(branch, GRUBranch) else 1
    stacks = ceil_div(graph, size_of(graph, maps, 2), by_step)
    end = graph.op("Mul", stacks, graph.ints(by_step))
    maps = graph.op("Slice", pad(graph, maps, 2, 4, by_step - 1), graph.ints(0), end, graph.ints(2))
    maps = graph.op("Transpose", maps, perm=[0, 2, 3, 1])  # (B, S, F, C)
    if not isinstance(branch, GRUBranch):
        return reshape(graph, maps, 0, stacks, _lstm(branch).input_size)
    # What the gates take from a step: 384 values in place of 2,048 to keep of long recordings.
    features = reshape(graph, maps, 0, stacks, branch.gru.input_size)
    weight = gates_of(branch.gru, "weight_ih").reshape(-1, branch.gru.input_size)
    return graph.op("MatMul", features, graph.weight(weight.T))


def decide(graph: GraphBuilder, branch: Branch, features: str, steps: str) -> Decided:
    """Adds the second half of a branch, as `Branch.decide`.

    Args:
        graph: The graph.
        branch: The branch with its weights.
        features: Name of the features of whole recordings, (B, unit, feature).
        steps: Name of the steps that count, (B,).
    """
    if isinstance(branch, CapsuleBranch):
        return decide_by_capsules(graph, branch, features, steps)
    if isinstance(branch, PooledBranch):
        sums = graph.op("ReduceSum", features, graph.ints(1), keepdims=0)
        counts = graph.op("Cast", unsqueeze(graph, steps, 1), to=FLOAT)
        return Decided(dense(graph, branch.head, graph.op("Div", sums, counts)))
    if isinstance(branch, GRUBranch):
        counts = ceil_div(graph, steps, STEPS_PER_STACK)
        outputs, last = run_recurrent(
            graph, branch.gru, own_gates(graph, branch.gru), features, counts
        )
        if isinstance(branch.head, DenseHead):
            return Decided(dense(graph, branch.head, last))
        return Decided(attend(graph, branch, outputs, counts))
    layer = _lstm(branch)
    weight = graph.weight(gates_of(layer, "weight_ih"))
    _, last = run_recurrent(graph, layer, weight, features, steps)
    return Decided(dense(graph, cast("LSTMBranch", branch).head, last))


def _lstm(branch: Branch) -> nn.LSTM:
    return cast("LSTMBranch", branch).lstm
