"""Builds ONNX graphs: nodes in order, weights and constants stored once."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
IR_VERSION = 10  # what onnxruntime 1.18 reads
FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


class GraphBuilder:
    """Collects the nodes of a graph; every value goes by its name.

    Args:
        half_weights: Store weights as float16, with a cast to float32 behind each.

    Example:
        >>> graph = GraphBuilder()
        >>> doubled = graph.op("Mul", graph.input("x", FLOAT, ["n"]), graph.constant(2.0))
        >>> graph.output("y", doubled, FLOAT, ["n"])
        >>> [node.op_type for node in graph.model("doubling").graph.node]
        ['Mul', 'Identity']
    """

    def __init__(self, half_weights: bool = False) -> None:
        self.half_weights = half_weights
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._names = 0
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def fresh(self) -> str:
        """Gives a name that is not yet used."""
        self._names += 1
        return f"v{self._names}"

    def input(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        """Declares an input.

        Args:
            name: Its name.
            kind: `FLOAT` or `INT`.
            shape: Sizes; a name stands for a size that is known when the graph runs.

        Returns:
            The name.
        """
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def optional_input(self, name: str, value: NDArray[np.float32]) -> str:
        """Declares an input that need not be given.

        Args:
            name: Its name.
            value: What it is if it is not given; its shape is the input's.

        Returns:
            The name.
        """
        self.tensors[name] = numpy_helper.from_array(value, name)
        return self.input(name, FLOAT, value.shape)

    def output(self, name: str, value: str, kind: int, shape: Sequence[int | str]) -> None:
        """Declares an output.

        Args:
            name: Its name.
            value: Name of the value that it outputs.
            kind: `FLOAT` or `INT`.
            shape: Sizes; a name stands for a size that is known when the graph runs.
        """
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind, list(shape)))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output.

        Args:
            kind: Name of an ONNX operator.
            *inputs: Names of its inputs.
            **attributes: Its attributes.

        Returns:
            Name of the output.
        """
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Adds a node with several outputs.

        Args:
            kind: Name of an ONNX operator.
            count: Number of outputs.
            *inputs: Names of its inputs.
            **attributes: Its attributes.

        Returns:
            Names of the outputs.
        """
        outputs = [self.fresh() for _ in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, **attributes))
        return outputs

    def constant(self, value: ArrayLike, dtype: type = np.float32) -> str:
        """Stores a small constant; equal ones are stored once.

        Args:
            value: Scalar or array.
            dtype: Its type.

        Returns:
            Its name.
        """
        array: NDArray[Any] = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._store(array)
        return self._constants[key]

    def ints(self, *values: int) -> str:
        """Stores a vector of integers, such as shapes and axes."""
        return self.constant(values, np.int64)

    def weight(self, array: NDArray[np.float32]) -> str:
        """Stores a weight; its value is float32 also where it is stored as float16.

        Args:
            array: Any shape.

        Returns:
            Name of the float32 value.
        """
        if not self.half_weights:
            return self._store(array.astype(np.float32))
        return self.op("Cast", self._store(array.astype(np.float16)), to=FLOAT)

    def _store(self, array: NDArray[Any]) -> str:
        name = self.fresh()
        self.tensors[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def subgraph(
        self,
        first_node: int,
        inputs: Sequence[tuple[str, int, Sequence[int | str]]],
        outputs: Sequence[tuple[str, int, Sequence[int | str]]],
    ) -> onnx.GraphProto:
        """Moves the last nodes of this graph into the body of a loop.

        Args:
            first_node: Index of the first node to move.
            inputs: Name, kind and shape of each input of the body.
            outputs: Name, kind and shape of each output of the body.

        Returns:
            The body.
        """
        body, self.nodes = self.nodes[first_node:], self.nodes[:first_node]
        return helper.make_graph(
            body,
            self.fresh(),
            [helper.make_tensor_value_info(n, k, list(s)) for n, k, s in inputs],
            [helper.make_tensor_value_info(n, k, list(s)) for n, k, s in outputs],
        )

    def model(self, name: str, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
        """Gives the finished graph, checked.

        Args:
            name: Name of the graph.
            metadata: Texts by key, stored with it.
        """
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, list(self.tensors.values())
        )
        model = helper.make_model(
            graph,
            producer_name="seqcap",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, dict(metadata or {}))
        onnx.checker.check_model(model)
        return model
