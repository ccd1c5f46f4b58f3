"""Writes a model as ONNX graphs, and refuses to where they answer otherwise than torch."""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import load_file, save_file

from seqcap.audio.spectrogram import BIN_COUNT, FloatArray
from seqcap.errors import CheckpointError
from seqcap.models.onnx_graphs import check_exportable, decide_graph, encode_graph
from seqcap.recognition.checkpoint import Checkpoint, load_checkpoint
from seqcap.recognition.engine import Engine, Output, merge_branches, run_in_chunks
from seqcap.recognition.model_description import DEVIATION, MEAN
from seqcap.recognition.model_folder import (
    DECIDE_FILE,
    ENCODE_FILE,
    GRAPH_FILE,
    WEIGHTS_FILE,
    check_model_folder,
)
from seqcap.recognition.onnx_engine import OnnxEngine
from seqcap.recognition.recognizer import Recognizer
from seqcap.recognition.samples_graph import samples_graph
from seqcap.recognition.torch_engine import TorchEngine

TOLERANCE = 1e-5  # of a probability
_TESTED_FRAMES = (4, 83, 300)
_TESTED_LONG_FRAMES = 2300
_TESTED_SAMPLES = (640, 8000, 40000)


def export_model(
    model: str | os.PathLike[str] | None,
    folder: Path,
    *,
    half_weights: bool = True,
    licence: str = "see card",
) -> list[str]:
    """Writes a model's folder once more, with graphs.

    Args:
        model: Its folder; None or "-" for the included one.
        folder: Where; it gets all that `model` holds, `encode.onnx` and `decide.onnx`, which
            `Recognizer` runs, and `samples.onnx`, from samples to probabilities.
        half_weights: Round the weights to float16 once, for torch as well: files half as large.
            Arithmetic is in float32 in any case.
        licence: Of the weights, for the metadata of `samples.onnx`, beside the model's card.

    Returns:
        Names of the graphs that were written.

    Raises:
        CheckpointError: `model` is none, `folder` holds something else, or a graph answers
            otherwise than torch with the same weights.
        SettingsError: The system has no graphs.
    """
    source = check_model_folder(model)
    if folder.exists() and any(folder.iterdir()) and not (folder / WEIGHTS_FILE).exists():
        raise CheckpointError(
            f"{folder}: holds other files; an empty or new folder, or a model's, is expected"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fresh = Path(scratch) / "model"
        shutil.copytree(source, fresh)
        if half_weights:
            _round_weights(fresh / WEIGHTS_FILE)
        checkpoint = load_checkpoint(fresh)
        add_graphs(checkpoint, fresh, half_weights=half_weights)
        graph = samples_graph(checkpoint, half_weights, licence)
        _check_samples(checkpoint, graph)
        onnx.save(graph, fresh / GRAPH_FILE)
        if folder.exists():
            folder.rename(Path(scratch) / "replaced")
        fresh.rename(folder)
    return [ENCODE_FILE, DECIDE_FILE, GRAPH_FILE]


def add_graphs(checkpoint: Checkpoint, folder: Path, *, half_weights: bool = False) -> None:
    """Writes the graphs that `Recognizer` runs into a model's folder.

    Args:
        checkpoint: What the folder holds.
        folder: Where.
        half_weights: Store weights as float16; they should be rounded already.

    Raises:
        CheckpointError: The graphs answer otherwise than torch; nothing is written.
        SettingsError: The system has no graphs.
    """
    check_exportable(checkpoint.system)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        written = Path(scratch)
        onnx.save(encode_graph(checkpoint.system, half_weights), written / ENCODE_FILE)
        onnx.save(decide_graph(checkpoint.system, half_weights), written / DECIDE_FILE)
        _check_graphs(checkpoint, written)
        for name in (ENCODE_FILE, DECIDE_FILE):
            (written / name).replace(folder / name)


def _round_weights(file: Path) -> None:
    tensors = load_file(file)
    rounded = {
        name: tensor if name in (MEAN, DEVIATION) else tensor.to(torch.float16)
        for name, tensor in tensors.items()
    }
    save_file(rounded, file)
    file.chmod(0o644)  # safetensors lets only its owner read it


def _check_graphs(checkpoint: Checkpoint, folder: Path) -> None:
    generator = np.random.default_rng(0)

    def frames(count: int) -> FloatArray:
        return generator.normal(size=(count, BIN_COUNT)).astype(np.float32)

    padded = np.full((len(_TESTED_FRAMES), max(_TESTED_FRAMES), BIN_COUNT), np.nan, np.float32)
    for row, count in zip(padded, _TESTED_FRAMES, strict=True):
        row[:count] = frames(count)
    long = frames(_TESTED_LONG_FRAMES)
    counts = np.array(_TESTED_FRAMES)
    engines: list[Engine] = [TorchEngine(checkpoint.system, "cpu"), OnnxEngine(folder)]
    expected, found = (
        np.concatenate(
            [
                _probabilities(checkpoint, engine, engine.run(padded, counts)),
                _probabilities(checkpoint, engine, run_in_chunks(engine, np.split(long, [900]))),
            ]
        )
        for engine in engines
    )
    _refuse_differences(checkpoint, expected, found)


def _probabilities(checkpoint: Checkpoint, engine: Engine, output: Output) -> FloatArray:
    shares = engine.chunking.branch_shares
    return merge_branches(output.logits, shares, checkpoint.temperature)


def _check_samples(checkpoint: Checkpoint, graph: onnx.ModelProto) -> None:
    generator = np.random.default_rng(0)
    # Sound that is not the same all the time, with quiet around it.
    waveforms = [
        (np.hanning(count) ** 4 * generator.normal(0, 0.1, count)).astype(np.float32)
        for count in _TESTED_SAMPLES
    ]
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    found = np.concatenate(
        [session.run(["probabilities"], {"samples": each[None]})[0] for each in waveforms]
    )
    recognizer = Recognizer(replace(checkpoint), "cpu")
    # The graph gets what is left of sound: of noise, no speech would be.
    normalisation = checkpoint.normalisation.changed(high_pass_hz=0.0, speech_only=False)
    expected = recognizer.probabilities([normalisation.spectrogram(each) for each in waveforms])
    _refuse_differences(checkpoint, expected, found)


def _refuse_differences(checkpoint: Checkpoint, expected: FloatArray, found: FloatArray) -> None:
    difference = float(np.abs(expected - found).max())
    if not difference <= TOLERANCE:
        raise CheckpointError(
            f"{checkpoint.name}: probabilities of the graphs are {difference:.1g} off, "
            f"{TOLERANCE:.0e} is allowed; nothing was written"
        )
