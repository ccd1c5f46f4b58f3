import dataclasses

import numpy as np
import pytest
import torch

from seqcap import Recognizer
from seqcap.errors import AudioError, SettingsError
from seqcap.models.capsules import output_vectors
from seqcap.models.systems import build
from seqcap.recognition.explanation import (
    INTEGRATION_STEPS,
    gradient_of_logit,
    integrated_gradient,
    logit_of_answer,
    window_evidence,
)


@pytest.fixture(scope="module")
def recognizer(model_folder):
    return Recognizer.from_pretrained(model_folder, device="cpu")


@pytest.fixture(scope="module")
def spectrogram():
    return np.random.default_rng(0).normal(0, 1, (173, 512)).astype(np.float32)


def system_named(name):
    return build(name, 4, seed=1).eval()


def assert_close(found, expected, difference=1e-4):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found / scale, expected / scale, atol=difference)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CNN_SeqCap", "CNN_GRU-RecCap", "CNN_GRU"])
def test_gradients_are_those_of_captum(name, spectrogram):
    from captum.attr import IntegratedGradients, Saliency

    system = system_named(name)

    def answer(batch):
        return logit_of_answer(system, batch)

    inputs = torch.from_numpy(spectrogram)[None].requires_grad_()
    expected = Saliency(answer).attribute(inputs, target=2, abs=False)[0].detach().numpy()
    assert_close(gradient_of_logit(system, spectrogram, 2), expected)
    expected = IntegratedGradients(answer).attribute(
        inputs, target=2, n_steps=INTEGRATION_STEPS, method="riemann_middle", internal_batch_size=8
    )
    assert_close(integrated_gradient(system, spectrogram, 2), expected[0].detach().numpy())


@pytest.mark.parametrize("name", ["CNN_SeqCap", "CNN_GRU-RecCap"])
def test_what_windows_add_is_what_the_capsules_say(name, spectrogram):
    system = system_named(name)
    frames, couplings, evidence = window_evidence(system, spectrogram)
    assert frames[:, 0].tolist() == [20 * window for window in range(len(frames))]
    assert frames[-1, 1] == 173
    np.testing.assert_allclose(couplings.sum(1), 1, atol=1e-5)
    branch = system.branches[-1]
    trace = {}
    with torch.inference_mode():
        batch = torch.from_numpy(spectrogram)[None]
        system(batch, torch.tensor([173]), trace)
        capsules = trace["utterance_capsules"]
        ends = branch.head(output_vectors(torch.cat((capsules, torch.zeros_like(capsules)))))
        ends = ends - ends.mean(-1, keepdim=True)
    assert_close(evidence.sum(0), (ends[0] - ends[1]).numpy(), 3e-3)


def test_systems_without_windows_have_no_evidence(spectrogram):
    frames, couplings, evidence = window_evidence(system_named("CNN_GRU"), spectrogram)
    assert (frames.shape, couplings.shape, evidence.shape) == ((0, 2), (0, 4), (0, 4))


@pytest.mark.slow
def test_an_explanation_belongs_to_its_answer(recognizer, samples):
    explanation = recognizer.explain(samples[0])
    answer = recognizer.recognize(samples[0], timeline=False)
    assert explanation.answer == answer
    assert explanation.emotion == answer.predicted
    frame_count = len(explanation.spectrogram)
    assert explanation.gradient.shape == explanation.integrated.shape == (frame_count, 512)
    assert explanation.times_s.shape == (frame_count,)
    assert explanation.window_frames[-1, 1] == frame_count
    assert len(explanation.waveform) == pytest.approx(answer.end * 16000, abs=8)
    other = recognizer.explain(samples[0], emotion="sadness", start_s=0.5, end_s=1.5)
    assert other.emotion == "sadness"
    assert (other.answer.start, other.answer.end) == (0.5, 1.5)
    assert other.times_s[0] == pytest.approx(0.5)


@pytest.mark.slow
def test_trimmed_frames_are_not_explained(recognizer):
    trimming = dataclasses.replace(
        recognizer.checkpoint,
        normalisation=recognizer.checkpoint.normalisation.changed(trim_db=30.0),
    )
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000).astype(np.float32)
    waveform = np.concatenate((np.zeros(16000, np.float32), noise))
    explanation = Recognizer(trimming).explain((waveform, 16000))
    assert explanation.times_s[0] == pytest.approx(0.9)
    assert len(explanation.times_s) == 110


def test_what_cannot_be_explained_is_refused(recognizer, samples):
    with pytest.raises(SettingsError, match=r"^emotion 'envy' is unknown to this model; one of "):
        recognizer.explain(samples[0], emotion="envy")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 61 * 16000).astype(np.float32)
    with pytest.raises(AudioError, match="61 s; at most 60 s can be explained"):
        recognizer.explain((noise, 16000))
