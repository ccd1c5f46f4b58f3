"""One ONNX graph from samples to probabilities, for other programs and for browsers.

It does what `Recognizer` does with a recording of up to a minute: level, trimming, spectrogram,
normalisation, network, temperature. Of models that remove an offset or use speech only, it wants
what `Normalisation.cut_to_speech` gives; its metadata says so.

Shapes in comments: B recordings, N samples, T frames.
"""

import json
from pathlib import Path

import numpy as np
import onnx

from seqcap.audio.normalisation import MARGIN_FRAMES, NormalisationSettings
from seqcap.audio.spectrogram import (
    BIN_COUNT,
    DFT_SAMPLES,
    FLOOR,
    HANN,
    REACH_FRAMES,
    SHIFT_SAMPLES,
    SILENT,
    WINDOW_SAMPLES,
)
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.models import onnx_graphs as network
from seqcap.models.capsules import OUTPUT_FEATURES
from seqcap.models.onnx_builder import FLOAT, GraphBuilder
from seqcap.models.onnx_capsules import Decided
from seqcap.models.onnx_layers import ceil_div, count_up, length_mask, size_of
from seqcap.recognition.checkpoint import Checkpoint
from seqcap.recognition.model_folder import CARD_FILE

_DOUBLE = onnx.TensorProto.DOUBLE


def samples_graph(
    checkpoint: Checkpoint, half_weights: bool, licence: str = "see card"
) -> onnx.ModelProto:
    """Makes the graph from samples to probabilities.

    Input: ``samples`` (B, N), 16 kHz mono within [-1, 1]. Outputs: ``probabilities`` (B, emotion),
    all alike for digital silence, and of systems with capsules ``couplings`` (B, window, emotion)
    and ``capsules`` (B, emotion, 16). Metadata: emotions, sample rate, temperature, target RMS,
    name, licence and card, as JSON.

    Args:
        checkpoint: A model whose system has graphs.
        half_weights: Store the network's weights as float16.
        licence: Of the weights, for the metadata.

    Raises:
        SettingsError: The system has no graphs.
    """
    system, normalisation = checkpoint.system, checkpoint.normalisation
    network.check_exportable(system)
    graph = GraphBuilder(half_weights)
    samples = graph.input("samples", FLOAT, ["batch", "sample"])
    size = ceil_div(graph, size_of(graph, samples, 1), SHIFT_SAMPLES)  # T
    end = graph.ints(0, WINDOW_SAMPLES)
    samples = graph.op("Pad", samples, graph.op("Concat", graph.ints(0, 0), end, axis=0))
    frame_counts = graph.op("Expand", size, size_of(graph, samples, 0))
    shape = graph.op("Concat", graph.ints(0, -1, SHIFT_SAMPLES), axis=0)
    behind = graph.op("Mul", graph.op("Add", size, graph.ints(REACH_FRAMES)), graph.ints(160))
    blocks = graph.op("Slice", samples, graph.ints(0), behind, graph.ints(1))
    blocks = graph.op("Reshape", blocks, shape)  # (B, T + 3, 160)

    first, last, gain = _measure(graph, blocks, size, frame_counts, normalisation.settings)
    blocks = graph.op("Mul", blocks, graph.op("Unsqueeze", gain, graph.ints(2)))
    spectrogram = _log_spectrogram(graph, blocks, size)
    frame_counts = graph.op("Sub", last, first)
    places = graph.op("Add", count_up(graph, size), _column(graph, first))
    places = graph.op("Min", places, graph.op("Sub", size, graph.ints(1)))
    places = graph.op("Unsqueeze", places, graph.ints(2))
    places = graph.op("Expand", places, graph.ints(1, 1, BIN_COUNT))
    spectrogram = graph.op("GatherElements", spectrogram, places, axis=1)
    size = graph.op("ReduceMax", frame_counts, graph.ints(0), keepdims=1)
    spectrogram = graph.op("Slice", spectrogram, graph.ints(0), size, graph.ints(1))
    silent = _silent(graph, spectrogram, size, frame_counts)
    if normalisation.settings.utterance_mean_norm:
        spectrogram = _subtract_mean(
            graph, spectrogram, size, frame_counts, normalisation.settings.utterance_mean_norm
        )
    spectrogram = graph.op("Sub", spectrogram, graph.constant(normalisation.mean))
    spectrogram = graph.op("Div", spectrogram, graph.constant(normalisation.deviation))

    probabilities, decided = _answer(graph, checkpoint, spectrogram, frame_counts)
    alike = graph.constant(1 / len(checkpoint.emotions))
    probabilities = graph.op("Where", silent, alike, probabilities)
    graph.output("probabilities", probabilities, FLOAT, ["batch", len(checkpoint.emotions)])
    for each in decided:
        if each.capsules:
            graph.output("couplings", each.couplings, FLOAT, ["batch", "window", "emotion"])
            graph.output("capsules", each.capsules, FLOAT, ["batch", "emotion", "dim"])
    return graph.model("seqcap", _metadata(checkpoint, licence))


def _metadata(checkpoint: Checkpoint, licence: str) -> dict[str, str]:
    file = (checkpoint.folder or Path()) / CARD_FILE
    card = file.read_text("utf-8") if file.is_file() else ""
    facts = {
        "name": checkpoint.name,
        "system": checkpoint.system_name,
        "emotions": list(checkpoint.emotions),
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "temperature": checkpoint.temperature,
        "target_rms": checkpoint.normalisation.settings.target_rms,
        "high_pass_hz": checkpoint.normalisation.settings.high_pass_hz,
        "speech_only": checkpoint.normalisation.settings.speech_only,
        "licence": licence,
        "card": card,
    }
    return {name: json.dumps(value) for name, value in facts.items()}


def _column(graph: GraphBuilder, value: str) -> str:
    return graph.op("Unsqueeze", value, graph.ints(1))


def _measure(
    graph: GraphBuilder,
    blocks: str,
    size: str,
    frame_counts: str,
    settings: NormalisationSettings,
) -> tuple[str, str, str]:
    """First frame and the frame behind the last one, (B,), and gain (B, 1), as `measure`."""
    inside = length_mask(graph, frame_counts, size)
    blocks = graph.op("Slice", blocks, graph.ints(0), size, graph.ints(1))
    blocks = graph.op("Cast", blocks, to=_DOUBLE)
    powers = graph.op("ReduceMean", graph.op("Mul", blocks, blocks), graph.ints(2), keepdims=0)
    none = graph.constant(-1.0, np.float64)
    powers = graph.op("Where", inside, powers, none)  # (B, T)
    first = graph.op("Sub", frame_counts, frame_counts)
    last = frame_counts
    if settings.trim_db:
        first, last = _trim(graph, powers, size, frame_counts, settings.trim_db)
    if not settings.target_rms:
        ones = graph.op("Cast", _column(graph, graph.op("Div", last, last)), to=FLOAT)
        return first, last, ones
    places = count_up(graph, size)
    voiced = graph.op("GreaterOrEqual", places, _column(graph, first))
    voiced = graph.op("And", voiced, graph.op("Less", places, _column(graph, last)))
    voiced_powers = graph.op("Where", voiced, powers, none)
    descending, _ = graph.ops("TopK", 2, voiced_powers, size, axis=1)
    count = graph.op("Sub", last, first)
    half = graph.op("Sub", count, graph.op("Div", count, graph.ints(2)))
    louder = length_mask(graph, half, size)
    zero = graph.constant(0.0, np.float64)
    total = graph.op(
        "ReduceSum", graph.op("Where", louder, descending, zero), graph.ints(1), keepdims=1
    )
    mean = graph.op("Div", total, graph.op("Cast", _column(graph, half), to=_DOUBLE))
    rms = graph.op("Sqrt", mean)  # (B, 1)
    target = graph.constant(settings.target_rms, np.float64)
    gain = graph.op("Div", target, graph.op("Max", rms, graph.constant(1e-300, np.float64)))
    has_voice = graph.op("Greater", rms, zero)
    gain = graph.op("Where", has_voice, gain, graph.constant(1.0, np.float64))
    return first, last, graph.op("Cast", gain, to=FLOAT)


def _trim(
    graph: GraphBuilder, powers: str, size: str, frame_counts: str, trim_db: float
) -> tuple[str, str]:
    """As `trim_bounds`."""
    loudest = graph.op("ReduceMax", powers, graph.ints(1), keepdims=1)
    quiet = graph.op("Mul", loudest, graph.constant(10 ** (-trim_db / 10), np.float64))
    loud = graph.op("Greater", powers, quiet)
    places = count_up(graph, size)
    first = graph.op("ReduceMin", graph.op("Where", loud, places, size), graph.ints(1), keepdims=0)
    none = graph.ints(-1)
    last = graph.op("ReduceMax", graph.op("Where", loud, places, none), graph.ints(1), keepdims=0)
    any_loud = graph.op("GreaterOrEqual", last, graph.ints(0))
    zero = graph.ints(0)
    first = graph.op("Max", graph.op("Sub", first, graph.ints(MARGIN_FRAMES)), zero)
    last = graph.op("Min", graph.op("Add", last, graph.ints(MARGIN_FRAMES + 1)), frame_counts)
    return (
        graph.op("Where", any_loud, first, zero),
        graph.op("Where", any_loud, last, frame_counts),
    )


def _log_spectrogram(graph: GraphBuilder, blocks: str, size: str) -> str:
    """Log magnitudes (B, T, 512): the DFT as a matrix product over four blocks of 10 ms."""
    shifted = []
    for shift in range(WINDOW_SAMPLES // SHIFT_SAMPLES):
        end = graph.op("Add", size, graph.ints(shift))
        shifted.append(graph.op("Slice", blocks, graph.ints(shift), end, graph.ints(1)))
    frames = graph.op("Concat", *shifted, axis=2)  # (B, T, 640)
    spectra = graph.op("MatMul", frames, _dft(graph))
    squares = graph.op("Mul", spectra, spectra)
    real, imaginary = graph.ops("Split", 2, squares, graph.ints(BIN_COUNT, BIN_COUNT), axis=2)
    powers = graph.op("Add", graph.op("Add", real, imaginary), graph.constant(FLOOR**2))
    return graph.op("Mul", graph.op("Log", powers), graph.constant(0.5))


def _dft(graph: GraphBuilder) -> str:
    """Cosines and sines under the window, (640, 1024); a runtime computes them when it loads."""
    rows = graph.constant(np.arange(WINDOW_SAMPLES)[:, None], np.int64)
    columns = graph.constant(np.arange(BIN_COUNT)[None], np.int64)
    turns = graph.op("Mod", graph.op("Mul", rows, columns), graph.ints(DFT_SAMPLES))
    step = graph.constant(2 * np.pi / DFT_SAMPLES, np.float64)
    phase = graph.op("Mul", graph.op("Cast", turns, to=_DOUBLE), step)
    waves = graph.op("Concat", graph.op("Cos", phase), graph.op("Sin", phase), axis=1)
    window = graph.constant(HANN[:, None])
    return graph.op("Mul", graph.op("Cast", waves, to=FLOAT), window)


def _silent(graph: GraphBuilder, spectrogram: str, size: str, frame_counts: str) -> str:
    """True for digital silence, (B, 1), as `is_silent`."""
    reach = graph.ints(REACH_FRAMES)
    long = graph.op("Greater", frame_counts, reach)
    inner = graph.op("Where", long, graph.op("Sub", frame_counts, reach), frame_counts)
    mask = length_mask(graph, inner, size)
    loudest = graph.op("ReduceMax", spectrogram, graph.ints(2), keepdims=0)
    loudest = graph.op("Where", mask, loudest, graph.constant(-1e30))
    loudest = graph.op("ReduceMax", loudest, graph.ints(1), keepdims=1)
    return graph.op("LessOrEqual", loudest, graph.constant(SILENT))


def _subtract_mean(
    graph: GraphBuilder, spectrogram: str, size: str, frame_counts: str, share: float
) -> str:
    """As `subtract_utterance_mean`."""
    mask = length_mask(graph, frame_counts, size)
    mask = graph.op("Cast", graph.op("Unsqueeze", mask, graph.ints(2)), to=FLOAT)
    total = graph.op("ReduceSum", graph.op("Mul", spectrogram, mask), graph.ints(1), keepdims=1)
    count = graph.op("Unsqueeze", frame_counts, graph.ints(1, 2))
    mean = graph.op("Div", total, graph.op("Cast", count, to=FLOAT))
    return graph.op("Sub", spectrogram, graph.op("Mul", mean, graph.constant(share)))


def _answer(
    graph: GraphBuilder, checkpoint: Checkpoint, spectrogram: str, frame_counts: str
) -> tuple[str, list[Decided]]:
    system = checkpoint.system
    maps, steps = network.make_maps(graph, system, spectrogram, frame_counts)
    merged, all_decided = "", []
    for branch, share in zip(
        network.branches_of(system), system.branch_shares.tolist(), strict=True
    ):
        outputs = graph.op("Shape", maps, start=0, end=1)
        previous = graph.op("Concat", outputs, graph.ints(OUTPUT_FEATURES), axis=0)
        nothing = graph.op("ConstantOfShape", previous)
        features = network.encode(graph, branch, maps, steps, nothing)
        decided = network.decide(graph, branch, features, steps)
        all_decided.append(decided)
        logits = graph.op("Div", decided.logits, graph.constant(checkpoint.temperature))
        part = graph.op("Mul", graph.op("Softmax", logits, axis=1), graph.constant(share))
        merged = graph.op("Add", merged, part) if merged else part
    return merged, all_decided
