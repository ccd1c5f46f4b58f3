"""Checks of untrusted graphs: only the operations of our own graphs, which always come to an end.

A graph runs no code of its own, but it could loop forever. It is read as protocol buffers are
written (https://protobuf.dev/programming-guides/encoding), without the package `onnx`.
"""

from collections.abc import Iterator
from pathlib import Path

OPERATIONS = frozenset(
    (
        *("Add", "And", "Cast", "Concat", "Conv", "Div", "Equal", "Erf", "Exp", "Flatten", "GRU"),
        *("Gather", "Identity", "LSTM", "LayerNormalization", "Less", "Log", "MatMul", "Max"),
        *("MaxPool", "Min", "Mul", "Pad", "Range"),
        *("ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Scan", "Shape", "Slice", "Softmax"),
        *("Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where"),
    )
)
_MOST_BYTES = 2**31 - 1  # of a protocol buffer
_MOST_DEPTH = 4  # graphs within graphs
# Fields of onnx.proto.
_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 20, 25
_GRAPH_NODE, _NODE_KIND, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 4, 5, 7
_ATTRIBUTE_GRAPHS = (6, 11)
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def check_graph(file: Path) -> None:
    """Looks at a graph before it is run.

    Args:
        file: An ONNX model.

    Raises:
        ValueError: It is no ONNX model, or has operations that our graphs do not have.
        OSError: It cannot be read.

    Example:
        >>> from seqcap.recognition.model_folder import ENCODE_FILE, PRETRAINED_FOLDER
        >>> check_graph(PRETRAINED_FOLDER / ENCODE_FILE)
    """
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{file.stat().st_size:,} bytes; at most {_MOST_BYTES:,} are expected")
    for field, content in _fields(memoryview(file.read_bytes())):
        if field in (_MODEL_TRAINING, _MODEL_FUNCTIONS):
            raise ValueError("functions or training; a plain graph is expected")
        if field == _MODEL_GRAPH:
            _check_nodes(content, _MOST_DEPTH)


def _check_nodes(graph: memoryview, depth: int) -> None:
    if not depth:
        raise ValueError(f"more than {_MOST_DEPTH} graphs within one another")
    for field, node in _fields(graph):
        if field != _GRAPH_NODE:
            continue
        for part, content in _fields(node):
            if part == _NODE_KIND and bytes(content).decode("ascii") not in OPERATIONS:
                raise ValueError(f"operation {bytes(content)[:40]!r}, which no graph here needs")
            if part == _NODE_DOMAIN and bytes(content):
                raise ValueError(f"operations of {bytes(content)[:40]!r}; ONNX's own are expected")
            if part == _NODE_ATTRIBUTE:
                for inner, body in _fields(content):
                    if inner in _ATTRIBUTE_GRAPHS:
                        _check_nodes(body, depth - 1)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field; numbers have no content."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        content = message[:0]
        if key & 7 == _VARINT:
            _, at = _varint(message, at)
        elif key & 7 == _BYTES:
            size, at = _varint(message, at)
            content, at = message[at : at + size], at + size
        elif key & 7 in (_FIXED_32, _FIXED_64):
            at += 4 if key & 7 == _FIXED_32 else 8
        else:
            raise ValueError("no ONNX model")
        if at > len(message):
            raise ValueError("no ONNX model, or cut off")
        yield key >> 3, content


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, least first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        value |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            return value, at
    raise ValueError("no ONNX model, or cut off")
