"""Makes `src/seqcap/models/whisper/encoder.safetensors`, the weights of `SpeechEncoder`.

    pip install onnx pipecat-ai==1.14.0 --no-deps
    python benchmarks/make_speech_encoder.py MODEL TABLE...

The package pipecat-ai (BSD-2-Clause) holds Smart Turn v3.2, which is the encoder of Whisper tiny
(OpenAI, MIT), trained further to hear the end of a turn; no emotions were taught. Its weights are
integers of 8 bits with a scale for each output. Kept are the two convolutions, the positions of the
last 4 s and the first layers. The mean spectrum that the encoder is given back is that of MODEL, a
folder. Features get zero mean and unit variance over every tenth recording of the tables' training
speakers, as `recipes/development.json` names them; labels are not used. The file in the package has
both from EMO-DB, nEMO and RAVDESS.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_torch_file

from seqcap.audio.normalisation import Normalisation
from seqcap.audio.waveform import load_waveform
from seqcap.corpora.fold import part_of
from seqcap.corpora.folds import read_folds
from seqcap.models.speech_encoder import BLOCK_STEPS, LAYERS, WEIGHTS_FILE, WIDTH, SpeechEncoder
from seqcap.recognition.model_description import load_description
from seqcap.training.run import read_tables
from seqcap.training.settings import RECIPES

_GRAPH = "audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
_PREFIX = "inner.encoder."
_NAMES = {
    "self_attn.q_proj": "query",
    "self_attn.v_proj": "value",
    "self_attn.out_proj": "mix",
    "fc1": "widen",
    "fc2": "narrow",
    "self_attn_layer_norm": "attention_norm",
    "final_layer_norm": "dense_norm",
}


def read_weights(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    """Reads the weights that are kept, under the names of `SpeechEncoder`.

    Args:
        graph: Of Smart Turn, with quantised weights.
    """
    stored = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}

    def quantised(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        node = makers[name]
        return stored[node.input[0]], stored[node.input[1]]

    def behind(name: str) -> list[onnx.NodeProto]:
        """What uses a value, through quantisation."""
        users = [node for node in graph.node if name in node.input]
        passing = ("QuantizeLinear", "DequantizeLinear")
        nested = [behind(n.output[0]) if n.op_type in passing else [n] for n in users]
        return [node for nodes in nested for node in nodes]

    found: dict[str, NDArray[Any]] = {}
    layer, convolution = 0, 0
    for node in graph.node:
        if node.op_type == "Conv":
            convolution += 1
            weight, scale = quantised(node.input[1])
            bias, bias_scale = quantised(node.input[2])
            found |= {
                f"convolution_{convolution}.weight": weight,
                f"convolution_{convolution}.scale": scale,
                f"convolution_{convolution}.bias": (bias * bias_scale).astype(np.float32),
            }
        elif node.op_type == "MatMul" and node.input[1] in makers and layer < LAYERS:
            if makers[node.input[1]].input[0] not in stored:
                continue  # of two values
            added = [
                i for each in behind(node.output[0]) if each.op_type == "Add" for i in each.input
            ]
            biases = [name for name in added if name.startswith(_PREFIX)]
            weight, scale = quantised(node.input[1])
            name = "key"
            if biases:
                name = _NAMES[biases[0].removesuffix(".bias").split(".", 4)[4]]
                found[f"layer_{layer}.{name}.bias"] = stored[biases[0]]
            found[f"layer_{layer}.{name}.weight"] = weight
            found[f"layer_{layer}.{name}.scale"] = scale
            layer += name == "narrow"
    for layer in range(LAYERS):
        for theirs in ("self_attn_layer_norm", "final_layer_norm"):
            for part in ("weight", "bias"):
                value = stored[f"{_PREFIX}layers.{layer}.{theirs}.{part}"]
                found[f"layer_{layer}.{_NAMES[theirs]}.{part}"] = value
    found["positions"] = stored[f"{_PREFIX}embed_positions.weight"][-BLOCK_STEPS:]
    return found


def measure_features(table: pd.DataFrame, normalisation: Normalisation) -> None:
    """Gives the features zero mean and unit variance, in the file of weights.

    Args:
        table: Recordings.
        normalisation: What the encoder is used with.
    """
    encoder = SpeechEncoder().eval()
    total, squares, count = torch.zeros(LAYERS * WIDTH), torch.zeros(LAYERS * WIDTH), 0
    for file in table["file"][::10]:
        waveform = load_waveform(file)
        (speech,) = normalisation.find_speech([waveform])
        frames = torch.from_numpy(normalisation(normalisation.spectrogram(waveform, speech)))
        if len(frames):
            with torch.inference_mode():
                found, _ = encoder.features(frames[None], torch.tensor([len(frames)]))
            total += found[0].sum(0)
            squares += found[0].square().sum(0)
            count += found.shape[1]
    mean = total / count
    deviation = (squares / count - mean**2).sqrt()
    weights = load_file(WEIGHTS_FILE)
    for layer in range(LAYERS):
        own = slice(layer * WIDTH, (layer + 1) * WIDTH)
        weights[f"layer_{layer}.output_norm.weight"] = 1 / deviation[own]
        weights[f"layer_{layer}.output_norm.bias"] = -mean[own] / deviation[own]
    save_torch_file(weights, WEIGHTS_FILE)


def main() -> None:
    """Writes the file."""
    model, *tables = sys.argv[1:]
    package = importlib.util.find_spec("pipecat")
    if package is None or package.origin is None:
        raise SystemExit("pipecat-ai is not installed; see the first lines of this program")
    weights = read_weights(onnx.load(Path(package.origin).parent / _GRAPH).graph)
    normalisation = load_description(model).normalisation
    weights |= {"mean": normalisation.mean, "deviation": normalisation.deviation}
    for layer in range(LAYERS):
        weights[f"layer_{layer}.output_norm.weight"] = np.ones(WIDTH, np.float32)
        weights[f"layer_{layer}.output_norm.bias"] = np.zeros(WIDTH, np.float32)
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, WEIGHTS_FILE)
    table = read_tables([Path(each) for each in tables])
    (fold,) = read_folds(RECIPES / "development.json")
    measure_features(table[part_of(table, fold) == "train"], normalisation)
    print(f"{WEIGHTS_FILE}: {WEIGHTS_FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
