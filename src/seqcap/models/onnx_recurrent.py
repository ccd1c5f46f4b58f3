"""Recurrent branches as ONNX graphs: bidirectional layers and attention over them.

Shapes in comments: B recordings, K emotions.
"""

from typing import cast

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import Tensor, nn

from seqcap.models.onnx_builder import FLOAT, GraphBuilder
from seqcap.models.onnx_layers import array_of, length_mask, linear, reshape, size_of, unsqueeze
from seqcap.models.recurrent import GRUBranch


def run_recurrent(
    graph: GraphBuilder, layer: nn.RNNBase, weight: str, steps: str, counts: str
) -> tuple[str, str]:
    """Adds a bidirectional layer that stops at each recording's end, as `run_padded`.

    Args:
        graph: The graph.
        layer: The layer with its weights.
        weight: Name of the input weights, (2, gates x cells, feature).
        steps: Name of the steps, (B, step, feature).
        counts: Name of the steps that count, (B,).

    Returns:
        Names of the outputs (B, step, 2 x cells) and of the last states (B, 2 x cells).
    """
    cells = layer.hidden_size
    biases = np.concatenate((gates_of(layer, "bias_ih"), gates_of(layer, "bias_hh")), axis=1)
    kind = "GRU" if isinstance(layer, nn.GRU) else "LSTM"
    attributes = {"linear_before_reset": 1} if kind == "GRU" else {}
    outputs, last = graph.ops(
        kind,
        2,
        graph.op("Transpose", steps, perm=[1, 0, 2]),
        weight,
        graph.weight(gates_of(layer, "weight_hh")),
        graph.weight(biases),
        graph.op("Cast", counts, to=onnx.TensorProto.INT32),
        direction="bidirectional",
        hidden_size=cells,
        **attributes,
    )
    outputs = graph.op("Transpose", outputs, perm=[2, 0, 1, 3])  # (B, step, 2, cells)
    last = graph.op("Transpose", last, perm=[1, 0, 2])  # (B, 2, cells)
    return reshape(graph, outputs, 0, 0, -1), graph.op("Flatten", last, axis=1)


def own_gates(graph: GraphBuilder, layer: nn.GRU) -> str:
    """Gives input weights for features that were multiplied with the layer's weights before.

    Args:
        graph: The graph.
        layer: The layer.

    Returns:
        Name of (2, gates x cells, 2 x gates x cells): one at each direction's own gates, else zero.
    """
    count = 6 * layer.hidden_size
    places = graph.ints(*range(count))
    same = graph.op("Equal", unsqueeze(graph, places, 0), unsqueeze(graph, places, 1))
    return reshape(graph, graph.op("Cast", same, to=FLOAT), 2, count // 2, count)


def gates_of(layer: nn.RNNBase, name: str) -> NDArray[np.float32]:
    """Gives a parameter of both directions in ONNX's order of gates.

    Args:
        layer: A bidirectional layer.
        name: Name of the parameter: "weight_ih", "bias_hh" ...

    Returns:
        Shape ``(2, gates x cells, ...)``.
    """
    cells = layer.hidden_size
    # PyTorch's gates are r, z, n and i, f, g, o; ONNX's are z, r, h and i, o, f, c.
    order = [1, 0, 2] if isinstance(layer, nn.GRU) else [0, 3, 1, 2]
    ways = []
    for suffix in ("_l0", "_l0_reverse"):
        parameter = array_of(cast("Tensor", getattr(layer, name + suffix)))
        ways.append(np.concatenate([parameter[g * cells : (g + 1) * cells] for g in order]))
    return np.stack(ways)


def attend(graph: GraphBuilder, branch: GRUBranch, outputs: str, counts: str) -> str:
    """Adds attention over stacks of steps, Eqs. (1) and (2).

    Args:
        graph: The graph.
        branch: A branch with an attention head.
        outputs: Name of the GRU's outputs, (B, stack, 128).
        counts: Name of the stacks that count, (B,).

    Returns:
        Name of the logits, (B, K).
    """
    head = branch.head
    hidden = graph.op("Relu", linear(graph, head.hidden, outputs))
    scores = graph.op("MatMul", hidden, graph.weight(array_of(cast("Tensor", head.bottom_up)).T))
    mask = length_mask(graph, counts, size_of(graph, outputs, 1))
    scores = graph.op("Where", unsqueeze(graph, mask, 2), scores, graph.constant(-np.inf))
    attention = graph.op("Softmax", scores, axis=1)  # Eq. (1), (B, stack, 1)
    pooled = graph.op(
        "ReduceSum", graph.op("Mul", hidden, attention), graph.ints(1), keepdims=0
    )  # Eq. (2)
    return graph.op("MatMul", pooled, graph.weight(array_of(cast("Tensor", head.top_down)).T))
