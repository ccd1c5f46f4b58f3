"""onnxruntime and torch answer alike: all systems with graphs, any length, batch and chunks."""

import dataclasses

import numpy as np
import pytest
import torch

from seqcap.audio.normalisation import Normalisation
from seqcap.errors import CheckpointError, SettingsError
from seqcap.models.capsules import CapsuleSettings
from seqcap.models.systems import SYSTEMS, build
from seqcap.recognition.checkpoint import Checkpoint, save_checkpoint
from seqcap.recognition.engine import merge_branches, run_in_chunks
from seqcap.recognition.export import add_graphs
from seqcap.recognition.model_folder import DECIDE_FILE, ENCODE_FILE, has_graphs
from seqcap.recognition.onnx_engine import OnnxEngine
from seqcap.recognition.recognizer import Recognizer
from seqcap.recognition.torch_engine import TorchEngine

WITHOUT_GRAPHS = ("LSTM_Cap", "CNN_Cap")
WITH_GRAPHS = [name for name in SYSTEMS if name not in WITHOUT_GRAPHS]


def lively_checkpoint(name: str, settings: CapsuleSettings | None = None) -> Checkpoint:
    """A model whose answers differ clearly between recordings; weights as float16 keeps them."""
    settings = settings or CapsuleSettings()
    system = build(name, emotion_count=4, settings=settings, seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in system.parameters():
            if weight.requires_grad and weight.numel() < 10**6:
                noise = torch.empty_like(weight).uniform_(-1, 1, generator=generator)
                weight.add_(noise, alpha=0.1)
            weight.copy_(weight.half())
    return Checkpoint(
        system=system,
        system_name=name,
        capsule_settings=settings,
        emotions=("neutral", "anger", "happiness", "sadness"),
        normalisation=Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32)),
    )


# Writing graphs takes a second a system.
GRAPHS = [
    pytest.param(name, marks=() if name in ("CNN_SeqCap", "CNN_RecCap") else pytest.mark.slow)
    for name in WITH_GRAPHS
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Models with graphs by name of their system, made when needed."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("models") / name
            checkpoint = lively_checkpoint(name)
            save_checkpoint(checkpoint, made[name])
            add_graphs(checkpoint, made[name], half_weights=True)
        return made[name]

    return folder


def utterances(*frame_counts):
    generator = np.random.default_rng(2)
    return [
        (generator.normal(size=(count, 512)) * (1 + 0.3 * i) + 0.2 * i).astype(np.float32)
        for i, count in enumerate(frame_counts)
    ]


def padded(spectrograms):
    counts = np.array([len(s) for s in spectrograms])
    batch = np.full((len(counts), counts.max(), 512), np.nan, np.float32)
    for row, spectrogram in zip(batch, spectrograms, strict=True):
        row[: len(spectrogram)] = spectrogram
    return batch, counts


def probabilities(engine, output):
    return merge_branches(output.logits, engine.chunking.branch_shares, 1.0)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("frame_counts", [
    (4,), (300,), (10, 83, 200, 330), pytest.param((7, 6000), marks=pytest.mark.slow),
])  # fmt: skip
def test_both_engines_give_the_same_probabilities(name, frame_counts, folders):
    engines = TorchEngine(lively_checkpoint(name).system, "cpu"), OnnxEngine(folders(name))
    batch, counts = padded(utterances(*frame_counts))
    expected, found = (each.run(batch, counts) for each in engines)
    scale = np.abs(expected.logits).max() + 1
    np.testing.assert_allclose(found.logits, expected.logits, rtol=0, atol=1e-5 * scale)
    for engine, output in zip(engines, (expected, found), strict=True):
        np.testing.assert_allclose(probabilities(engine, output).sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        probabilities(engines[1], found), probabilities(engines[0], expected), rtol=0, atol=1e-5
    )
    if expected.capsules is None:
        assert found.capsules is None
    else:
        np.testing.assert_allclose(found.capsules, expected.capsules, rtol=0, atol=1e-5)
        np.testing.assert_allclose(found.couplings, expected.couplings, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", GRAPHS)
def test_an_answer_by_onnx_is_the_same_alone_and_in_any_batch(name, folders):
    engine = OnnxEngine(folders(name))
    spectrograms = utterances(10, 83, 200, 330)
    alone = np.concatenate([engine.run(*padded([s])).logits for s in spectrograms], axis=1)
    assert alone.std(1).max() > 1e-3  # else the comparison would show nothing
    together = engine.run(*padded(spectrograms)).logits
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5 * max(1, np.abs(alone).max()))


@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("torch", name) for name in SYSTEMS), *(("onnx", name) for name in WITH_GRAPHS)],
)
@pytest.mark.parametrize("frame_count", [3, 1000, 1041, 1063, 2777])
@pytest.mark.slow
def test_chunks_give_the_answer_of_the_whole(kind, name, frame_count, folders):
    torch_engine = TorchEngine(_kept_checkpoint(name).system, "cpu")
    engine = torch_engine if kind == "torch" else OnnxEngine(folders(name))
    (spectrogram,) = utterances(frame_count)
    chunks = np.split(spectrogram, [1, *range(578, frame_count, 577)])
    whole = torch_engine.run(*padded([spectrogram]))
    found = run_in_chunks(engine, chunks)
    scale = max(1, np.abs(whole.logits).max())
    np.testing.assert_allclose(found.logits, whole.logits, rtol=0, atol=1e-5 * scale)
    if whole.capsules is not None and name not in WITHOUT_GRAPHS:
        np.testing.assert_allclose(found.capsules, whole.capsules, rtol=0, atol=1e-5)


_kept = {}


def _kept_checkpoint(name):
    if name not in _kept:
        _kept.clear()  # one of them has 131 million weights
        _kept[name] = lively_checkpoint(name)
    return _kept[name]


@pytest.mark.slow
def test_windows_of_other_sizes_have_graphs_as_well(tmp_path):
    settings = CapsuleSettings(window_steps=12, shift_steps=5, primary_stride=2)
    checkpoint = lively_checkpoint("CNN_RecCap", settings)
    add_graphs(checkpoint, tmp_path)  # compares with torch
    assert has_graphs(tmp_path)


def test_no_frames_at_all_are_an_error(folders):
    with pytest.raises(ValueError, match="0 frames came; at least 1 is needed"):
        run_in_chunks(OnnxEngine(folders("CNN_SeqCap")), [])


def test_a_model_with_graphs_runs_by_onnxruntime_and_by_torch_on_request(folders, samples):
    folder = folders("CNN_GRU-RecCap")
    by_default = Recognizer.from_pretrained(folder)
    by_torch = Recognizer.from_pretrained(folder, engine="torch")
    assert (by_default.engine.name, by_torch.engine.name) == ("onnx", "torch")
    for sample in samples:
        found, expected = by_default.recognize(sample), by_torch.recognize(sample)
        assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
        assert len(found.timeline) == len(expected.timeline)
    embedded = by_default.embed(samples[0])
    assert embedded.shape == (4, 16)
    np.testing.assert_allclose(embedded, by_torch.embed(samples[0]), rtol=0, atol=1e-5)


def test_a_model_without_graphs_runs_by_torch(model_folder):
    assert Recognizer.from_pretrained(model_folder).engine.name == "torch"
    with pytest.raises(CheckpointError, match="no graphs here; 'seqcap export' writes"):
        Recognizer.from_pretrained(model_folder, engine="onnx")


def test_onnx_runs_on_no_other_device(folders):
    with pytest.raises(SettingsError, match="device 'cuda' came; engine 'onnx' runs on 'cpu'"):
        Recognizer.from_pretrained(folders("CNN_SeqCap"), "cuda", engine="onnx")
    with pytest.raises(SettingsError, match="engine 'tpu'; auto, onnx or torch is expected"):
        Recognizer.from_pretrained(folders("CNN_SeqCap"), engine="tpu")


def test_a_system_without_capsules_has_no_embedding(folders, samples):
    recognizer = Recognizer.from_pretrained(folders("CNN_GRU"))
    with pytest.raises(SettingsError, match="is a CNN_GRU, which has no capsules"):
        recognizer.embed(samples[0])


@pytest.mark.parametrize("file", [ENCODE_FILE, DECIDE_FILE])
def test_a_damaged_graph_is_named(file, folders, tmp_path):
    for name in (ENCODE_FILE, DECIDE_FILE):
        (tmp_path / name).write_bytes((folders("CNN_SeqCap") / name).read_bytes())
    (tmp_path / file).write_bytes(b"no graph")
    with pytest.raises(CheckpointError, match=rf"{file}: onnxruntime cannot read it"):
        OnnxEngine(tmp_path)


@pytest.mark.slow
def test_engines_adapt_alike_and_stay_as_they_are(folders):
    folder = folders("Whisper-SeqCap")
    engines = (
        Recognizer.from_pretrained(folder, device="cpu", engine="torch").engine,
        Recognizer.from_pretrained(folder, engine="onnx").engine,
    )
    frames = np.random.default_rng(0).normal(size=(2, 700, 512)).astype(np.float32)
    counts = np.array([700, 150])
    means = [engine.mean_features(frames, counts) for engine in engines]
    assert means[0].shape == (2, 768)
    np.testing.assert_allclose(means[1], means[0], atol=1e-4)
    before = [engine.run(frames, counts).logits for engine in engines]
    adapted = [engine.adapted(means[0].mean(0)) for engine in engines]
    found = [engine.run(frames, counts).logits for engine in adapted]
    np.testing.assert_allclose(found[1], found[0], atol=1e-4)
    assert np.abs(found[0] - before[0]).max() > 0.1
    long = np.split(np.concatenate([frames[0]] * 3), [900])
    chunks = [run_in_chunks(engine, long).logits for engine in (*adapted, adapted[1].worker())]
    np.testing.assert_allclose(chunks[1:], [chunks[0]] * 2, atol=1e-4)
    for engine, logits in zip(engines, before, strict=True):
        np.testing.assert_array_equal(engine.run(frames, counts).logits, logits)


@pytest.mark.slow
def test_a_known_speaker_loses_the_mean_features_of_the_own_recordings():
    checkpoint = lively_checkpoint("Whisper-SeqCap")
    adapting = checkpoint.normalisation.changed(speaker_feature_norm=1.0)
    recognizer = Recognizer(dataclasses.replace(checkpoint, normalisation=adapting), "cpu")
    plain = Recognizer(checkpoint, "cpu")
    generator = np.random.default_rng(0)
    recordings = [(generator.normal(0, 0.1, 16000 * s), 16000) for s in (65, 5)]
    expected = list(plain.recognize_many(recordings))
    assert list(recognizer.recognize_many(recordings)) == expected
    adapted = recognizer.adapt_to_speaker([*recordings, b""])
    for one, other in zip(adapted.recognize_many(recordings), expected, strict=True):
        moved = [abs(one.probabilities[e] - other.probabilities[e]) for e in plain.emotions]
        assert max(moved) > 0.01
    unheard = recognizer.adapt_to_speaker([])
    assert list(unheard.recognize_many(recordings)) == expected
