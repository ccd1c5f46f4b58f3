"""The frozen encoder: what it hears, in blocks of 4 s, and that only its last layer learns."""

import numpy as np
import pytest
import torch

from seqcap.audio.spectrogram import log_spectrogram
from seqcap.models.speech_encoder import (
    BLOCK_FRAMES,
    LAYERS,
    LEAST,
    SpeechEncoder,
    mel_filters,
    read_integers,
    read_weights,
)
from seqcap.models.systems import build


@pytest.fixture(scope="module")
def encoder():
    return SpeechEncoder().eval()


def normalised(encoder, waveform):
    """As a recording would come whose corpus has the mean spectrum that the encoder knows."""
    logs = torch.from_numpy(log_spectrogram(waveform))
    return ((logs - encoder.weight("mean")) / encoder.weight("deviation"))[None]


def noise(frame_count, seed=0):
    return torch.randn(1, frame_count, 512, generator=torch.Generator().manual_seed(seed))


def test_mel_filters_are_those_of_slaney():
    filters = mel_filters()
    peaks = filters.argmax(0) * 10  # Hz
    assert np.diff(peaks).min() > 0
    # 1 kHz is 15 mel of 45.25 at 8 kHz, on a grid of 81 steps: linear below, logarithmic above.
    assert np.diff(peaks[:25]).std() < 5
    assert np.diff(np.log(peaks[40:])).std() < 0.01
    areas = filters.sum(0) * 10  # Hz
    np.testing.assert_allclose(areas, 1, atol=0.05)


def test_a_tone_stands_in_its_band(encoder):
    tone = 0.005 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)
    bands = encoder.mel_bands(normalised(encoder, tone))[0, 20:80].mean(0)
    assert bands.argmax() == mel_filters()[44].argmax()


def test_silence_is_the_least_that_the_encoder_hears(encoder):
    bands = encoder.mel_bands(torch.full((1, 1, 512), -1e3))
    assert bands.min() >= (LEAST + 4) / 4
    assert bands.isfinite().all()


def test_padding_is_not_looked_at(encoder):
    recording = noise(181)
    padded = torch.cat([recording, torch.full((1, 700, 512), torch.nan)], 1)
    alone, steps = encoder(recording, torch.tensor([181]))
    found, same = encoder(padded, torch.tensor([181]))
    assert steps.tolist() == same.tolist() == [46]
    torch.testing.assert_close(found[:, :, :46], alone, rtol=0, atol=1e-4)
    assert not found[:, :, 46:].any()


def test_blocks_of_four_seconds_are_encoded_by_themselves(encoder):
    first, second = noise(BLOCK_FRAMES), noise(BLOCK_FRAMES, seed=1)
    counts = torch.tensor([BLOCK_FRAMES])
    together, _ = encoder(torch.cat([first, second], 1), 2 * counts)
    apart = torch.cat([encoder(first, counts)[0], encoder(second, counts)[0]], 2)
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-4)


def test_only_the_last_layer_of_the_encoder_is_trained_and_stored():
    system = build("Whisper-SeqCap", emotion_count=4, seed=0)
    names = [name for name in system.state_dict() if name.startswith("cnn.")]
    assert names == ["cnn.to_map.weight", "cnn.to_map.bias"]
    trained = {name for name, weight in system.named_parameters() if weight.requires_grad}
    assert {name for name in trained if name.startswith("cnn.")} == set(names)


def test_weights_are_integers_with_a_scale_for_each_output():
    stored, weights = read_integers(), read_weights()
    matrices = [name for name, value in stored.items() if value.dtype == torch.int8]
    assert len(matrices) == 2 + LAYERS * 6
    for name in matrices:
        scale = stored[f"{name.removesuffix('.weight')}.scale"]
        steps = weights[name] / scale.reshape(-1, *[1] * (weights[name].ndim - 1))
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)
        assert steps.abs().max() <= 128


def test_a_gradient_reaches_the_spectrogram_for_explanations(encoder):
    frames = noise(100).requires_grad_()
    encoder(frames, torch.tensor([100]))[0].sum().backward()
    assert frames.grad.abs().max() > 0


def test_mean_features_count_no_padding(encoder):
    recording = noise(181)
    padded = torch.cat([recording, torch.full((1, 300, 512), torch.nan)], 1)
    (alone,), (found,) = (
        encoder.mean_features(x, torch.tensor([181])) for x in (recording, padded)
    )
    torch.testing.assert_close(found, alone, rtol=0, atol=1e-4)


def test_features_lose_what_they_are_told_to(encoder):
    recordings, counts = torch.cat([noise(80), noise(80, seed=1)]), torch.tensor([80, 60])
    means = encoder.mean_features(recordings, counts)
    found, _ = encoder(recordings, counts, means)
    expected = []
    for place in range(2):
        alone = SpeechEncoder().eval()
        alone.load_state_dict(encoder.state_dict())
        alone.feature_mean = means[place]
        expected.append(alone(recordings[place : place + 1], counts[place : place + 1])[0])
    torch.testing.assert_close(found, torch.cat(expected), rtol=0, atol=1e-4)
    assert (found - encoder(recordings, counts)[0]).abs().max() > 0.1
