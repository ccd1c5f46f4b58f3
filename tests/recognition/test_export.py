import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from seqcap.audio.waveform import load_waveform
from seqcap.errors import CheckpointError, SettingsError
from seqcap.models.systems import build
from seqcap.recognition import export
from seqcap.recognition.checkpoint import load_checkpoint, save_checkpoint
from seqcap.recognition.export import add_graphs, export_model
from seqcap.recognition.model_folder import DECIDE_FILE, ENCODE_FILE, GRAPH_FILE, WEIGHTS_FILE
from seqcap.recognition.recognizer import Recognizer


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "model"
    export_model(None, folder)
    return folder


@pytest.mark.slow
def test_samples_become_probabilities_as_the_recognizer_gives_them(exported, samples):
    session = onnxruntime.InferenceSession(exported / GRAPH_FILE)
    recognizer = Recognizer.from_pretrained(exported, engine="torch")
    normalisation = recognizer.checkpoint.normalisation

    def run(speech):
        return session.run(["probabilities"], {"samples": speech[None]})[0]

    for waveform in map(load_waveform, samples[:3]):
        expected = recognizer.probabilities([normalisation.spectrogram(waveform)])
        np.testing.assert_allclose(
            run(normalisation.cut_to_speech(waveform)), expected, rtol=0, atol=1e-5
        )
    assert run(np.zeros(9000, np.float32)).tolist() == [[0.25] * 4]  # digital silence


@pytest.mark.slow
def test_couplings_and_capsules_come_with_the_probabilities(exported, samples):
    session = onnxruntime.InferenceSession(exported / GRAPH_FILE)
    recognizer = Recognizer.from_pretrained(exported, engine="torch")
    speech = recognizer.checkpoint.normalisation.cut_to_speech(load_waveform(samples[0]))
    couplings, capsules = session.run(["couplings", "capsules"], {"samples": speech[None]})
    np.testing.assert_allclose(couplings.sum(-1), 1, rtol=1e-5)
    expected = recognizer.embed(samples[0])
    np.testing.assert_allclose(capsules[0], expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_the_metadata_of_the_graph_describe_it(exported):
    facts = {
        each.key: json.loads(each.value) for each in onnx.load(exported / GRAPH_FILE).metadata_props
    }
    checkpoint = load_checkpoint()
    assert facts["emotions"] == list(checkpoint.emotions)
    assert facts["sample_rate_hz"] == 16000
    assert facts["temperature"] == checkpoint.temperature
    for name in ("target_rms", "high_pass_hz", "speech_only"):
        assert facts[f"{name}"] == getattr(checkpoint.normalisation.settings, name)


@pytest.mark.slow
def test_weights_are_rounded_once_for_both_engines(exported, tmp_path, model_folder):
    whole, half = tmp_path / "whole", tmp_path / "half"
    export_model(model_folder, whole, half_weights=False)
    export_model(model_folder, half)
    for name in (ENCODE_FILE, WEIGHTS_FILE):
        assert (half / name).stat().st_size < 0.6 * (whole / name).stat().st_size
    original = load_checkpoint(model_folder).system.state_dict()
    kept, rounded = (load_checkpoint(each).system.state_dict() for each in (whole, half))
    for name, weight in original.items():
        assert torch.equal(kept[name], weight)
        assert torch.equal(rounded[name], weight.half().float())


@pytest.mark.slow
def test_a_graph_with_other_answers_is_not_written(model_folder, tmp_path, monkeypatch):
    checkpoint = load_checkpoint(model_folder)
    other = build("CNN_SeqCap", 4, seed=9).eval()
    monkeypatch.setattr(export, "encode_graph", lambda _, half: export_encode(other, half))
    with pytest.raises(CheckpointError, match=r"probabilities of the graphs are .* off"):
        add_graphs(checkpoint, tmp_path)
    with pytest.raises(CheckpointError, match="nothing was written"):
        export_model(model_folder, tmp_path / "new")
    assert not list(tmp_path.iterdir())


export_encode = export.encode_graph


def test_a_system_of_bounded_length_has_no_graph(model_folder, tmp_path):
    system = build("LSTM_Cap", 4, seed=0).eval()
    with pytest.raises(SettingsError, match="InChunks: no ONNX graph"):
        export.check_exportable(system)


def test_a_folder_with_other_files_is_left_alone(model_folder, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear")
    with pytest.raises(CheckpointError, match="holds other files"):
        export_model(model_folder, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.slow
def test_saving_a_model_removes_graphs_of_other_weights(model_folder, tmp_path):
    folder = tmp_path / "model"
    export_model(model_folder, folder)
    save_checkpoint(load_checkpoint(model_folder), folder)
    assert not (folder / DECIDE_FILE).exists()
