"""Untrusted graphs: what could loop forever or fail in the middle is refused in one line."""

import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from seqcap.audio.normalisation import Normalisation
from seqcap.errors import CheckpointError
from seqcap.models.capsules import CapsuleSettings
from seqcap.models.systems import SYSTEMS, build
from seqcap.recognition.checkpoint import Checkpoint
from seqcap.recognition.export import add_graphs
from seqcap.recognition.graph_checks import OPERATIONS, check_graph
from seqcap.recognition.model_folder import (
    DECIDE_FILE,
    ENCODE_FILE,
    PRETRAINED_FOLDER,
    SETTINGS_FILE,
    WEIGHTS_FILE,
)
from seqcap.recognition.recognizer import Recognizer


def kinds_of(graph):
    for node in graph.node:
        yield node.op_type
        for attribute in node.attribute:
            yield from kinds_of(attribute.g)


@pytest.mark.slow
def test_all_systems_pass_and_need_every_operation(tmp_path):
    found = set()
    for name in sorted({*SYSTEMS} - {"LSTM_Cap", "CNN_Cap"}):
        folder = tmp_path / name
        folder.mkdir()
        checkpoint = Checkpoint(
            system=build(name, emotion_count=4, settings=CapsuleSettings(), seed=0).eval(),
            system_name=name,
            capsule_settings=CapsuleSettings(),
            emotions=("neutral", "anger", "happiness", "sadness"),
            normalisation=Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32)),
        )
        add_graphs(checkpoint, folder, half_weights=False)
        for file in (ENCODE_FILE, DECIDE_FILE):
            check_graph(folder / file)
            found |= set(kinds_of(onnx.load(folder / file).graph))
    assert found == OPERATIONS


@pytest.fixture
def untrusted(tmp_path, samples):
    """Makes a model whose first graph begins with other nodes; gives why it is refused."""

    def refused(nodes=(), functions=(), **initializers):
        for file in (SETTINGS_FILE, WEIGHTS_FILE, DECIDE_FILE):
            shutil.copy(PRETRAINED_FOLDER / file, tmp_path)
        model = onnx.load(PRETRAINED_FOLDER / ENCODE_FILE)
        for node in model.graph.node if nodes else ():
            node.input[:] = ["other" if name == "frames" else name for name in node.input]
        for place, node in enumerate(nodes):
            model.graph.node.insert(place, node)
        model.graph.initializer.extend(
            numpy_helper.from_array(array, name) for name, array in initializers.items()
        )
        model.functions.extend(functions)
        onnx.save(model, tmp_path / ENCODE_FILE)
        with pytest.raises(CheckpointError) as caught:
            Recognizer.from_pretrained(tmp_path, engine="onnx").recognize(samples[0])
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refused


def test_an_endless_loop_is_refused(untrusted):
    same = [("again", TensorProto.BOOL, []), ("x", TensorProto.FLOAT, None)]
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_"]) for name, *_ in same],
        "body",
        [helper.make_tensor_value_info(*one) for one in [("i", TensorProto.INT64, []), *same]],
        [helper.make_tensor_value_info(f"{name}_", *rest) for name, *rest in same],
    )
    loop = helper.make_node("Loop", ["most", "yes", "frames"], ["other"], body=body)
    reason = untrusted([loop], most=np.array(2**62), yes=np.array(True))
    assert "operation b'Loop', which no graph here needs" in reason


def test_operations_of_others_and_functions_are_refused(untrusted):
    alien = helper.make_node("Identity", ["frames"], ["other"], domain="com.microsoft")
    assert "operations of b'com.microsoft'" in untrusted([alien])
    body = [helper.make_node("Identity", ["a"], ["b"])]
    opset = helper.make_opsetid("", 20)
    function = helper.make_function("local", "Relu", ["a"], ["b"], body, [opset])
    assert "functions or training" in untrusted(functions=[function])


def test_too_much_memory_and_wrong_shapes_are_one_line(untrusted):
    huge = [
        helper.make_node("Range", ["zero", "end", "one"], ["long"]),
        helper.make_node("ReduceSum", ["long"], ["sum"], keepdims=0),
        helper.make_node("Add", ["frames", "sum"], ["other"]),
    ]
    numbers = {"zero": np.float64(0), "one": np.float64(1), "end": np.float64(2**50)}
    wanted = {name: np.asarray(value, np.float32) for name, value in numbers.items()}
    assert "onnxruntime cannot run it" in untrusted(huge, **wanted)
    narrow = helper.make_node("Slice", ["frames", "first", "last", "axis"], ["other"])
    ends = {"first": np.array([0]), "last": np.array([9]), "axis": np.array([2])}
    assert "encode.onnx: onnxruntime" in untrusted([narrow], **ends)


@pytest.mark.parametrize("content", [b"", b"\xff" * 30, b"\x3a\xff\xff\xff\xff\x0f", b"[]"])
def test_an_invalid_graph_is_refused(tmp_path, content):
    for file in (SETTINGS_FILE, WEIGHTS_FILE, DECIDE_FILE):
        shutil.copy(PRETRAINED_FOLDER / file, tmp_path)
    (tmp_path / ENCODE_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot read it"):
        Recognizer.from_pretrained(tmp_path, engine="onnx")
