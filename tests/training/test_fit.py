import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seqcap.errors import SettingsError
from seqcap.models.systems import build
from seqcap.training.batches import Utterance
from seqcap.training.fit import TrainedSystem, train
from seqcap.training.sampler import SegmentBatchSampler
from seqcap.training.settings import TrainingSettings, read_settings


def tones(count: int, seed: int) -> list[Utterance]:
    """Two "emotions" that a microphone cannot miss: a low tone and a high one."""
    generator = np.random.default_rng(seed)
    result = []
    for place in range(count):
        time_s = np.arange(int(16000 * generator.uniform(0.2, 0.4))) / 16000
        pitch_hz = generator.uniform(200, 400) * (1 if place % 2 else 8)
        tone = 0.3 * np.sin(2 * np.pi * pitch_hz * time_s)
        noise = 0.01 * generator.standard_normal(len(time_s))
        result.append(Utterance((tone + noise).astype(np.float32), place % 2, "tones"))
    return result


def small(**changes: object) -> TrainingSettings:
    overrides = [f"{key}={value}" for key, value in changes.items()]
    return read_settings(overrides=["batch_size=4", "ema_decay=0.5", *overrides])


def run(folder: Path, settings: TrainingSettings, devices: int = 1) -> TrainedSystem:
    folder.mkdir(exist_ok=True)
    return train(tones(8, seed=0), tones(6, seed=0), ("a", "b"), settings, folder, "cpu", devices)


@pytest.mark.slow
def test_a_tiny_corpus_is_overfitted(tmp_path: Path) -> None:
    trained = run(tmp_path, small(epochs=20, learning_rate="2e-3", augment="false"))
    assert pd.read_csv(tmp_path / "metrics.csv")["validation_ua"].max() == 1.0
    assert (trained.steps, trained.step_ms > 0, trained.peak_memory_mb > 0) == (40, True, True)
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))


@pytest.mark.slow
def test_soft_labels_teach_what_they_say(tmp_path: Path) -> None:
    swapped = [one._replace(soft=np.eye(2, dtype=np.float32)[1 - one.label]) for one in tones(8, 0)]
    settings = small(epochs=20, learning_rate="2e-3", augment="false", soft_label_share=1)
    train(swapped, tones(6, seed=0), ("a", "b"), settings, tmp_path, "cpu")
    assert pd.read_csv(tmp_path / "metrics.csv")["validation_ua"].min() == 0.0


def test_soft_labels_that_are_missing_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="soft_a, soft_b"):
        run(tmp_path, small(soft_label_share=0.5))


def test_more_validation_speakers_move_the_temperature_further(tmp_path: Path) -> None:
    logarithms = []
    for people in (1, 2):
        folder = tmp_path / str(people)
        folder.mkdir()
        validation = [
            one._replace(speaker=f"{place % people}") for place, one in enumerate(tones(6, seed=0))
        ]
        settings = small(epochs=1)
        trained = train(tones(8, seed=0), validation, ("a", "b"), settings, folder, "cpu")
        logarithms.append(np.log(trained.temperature / 1.5))
    # With four more speakers of the usual one, by a fifth and by a third.
    assert logarithms[0] != 0
    assert logarithms[1] / logarithms[0] == pytest.approx(5 / 3, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "mixup", "monitor"), [("paper", 0.0, "wa"), ("one_cycle", 0.3, "last")]
)
def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    schedule: str, mixup: float, monitor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small(epochs=3, schedule=schedule, mixup=mixup, monitor=monitor)
    whole = run(tmp_path / "whole", settings)

    set_epoch = SegmentBatchSampler.set_epoch

    def stop_at_two(self: SegmentBatchSampler, epoch: int) -> None:
        if epoch == 2:
            raise RuntimeError("power cut")
        set_epoch(self, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(SegmentBatchSampler, "set_epoch", stop_at_two)
        with pytest.raises(RuntimeError, match="power cut"):
            run(tmp_path / "cut", settings)
    resumed = run(tmp_path / "cut", settings)

    last = [
        torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("whole", "cut")
    ]
    assert last[0]["state_dict"].keys() == last[1]["state_dict"].keys()
    for key, value in last[0]["state_dict"].items():
        torch.testing.assert_close(value, last[1]["state_dict"][key], rtol=0, atol=0)
    epochs = pd.read_csv(tmp_path / "cut" / "metrics.csv")["epoch"]
    assert sorted(set(epochs)) == [0, 1, 2]
    for key, value in whole.system.state_dict().items():
        torch.testing.assert_close(value, resumed.system.state_dict()[key], rtol=0, atol=0)
    assert resumed.temperature == whole.temperature


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes do not find each other there")
def test_two_devices_share_the_batches_and_train_the_same_weights(tmp_path: Path) -> None:
    settings = small(epochs=2, schedule="paper", **{"capsules.dropout": 0.0})
    alone = run(tmp_path / "alone", settings)
    together = run(tmp_path / "together", settings, devices=2)
    assert (together.steps, together.step_ms > 0, together.peak_memory_mb > 0) == (4, True, True)
    for key, value in alone.system.state_dict().items():
        torch.testing.assert_close(value, together.system.state_dict()[key], rtol=1e-3, atol=1e-4)
    losses = [
        pd.read_csv(tmp_path / name / "metrics.csv")["loss"] for name in ("alone", "together")
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, 5])
def test_very_short_trainings_work(epochs: int, tmp_path: Path) -> None:
    settings = small(epochs=epochs, warmup_share=0.1)
    assert run(tmp_path, settings).steps == 2 * epochs  # 0.1 x 10 steps is one step of warm-up


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_clipped_in_every_precision(precision: str, tmp_path: Path) -> None:
    settings = small(precision=precision, epochs=1, weight_decay=0.0, lsuv_init="false")
    free = run(tmp_path / "free", replace(settings, clip_grad_norm=0.0))
    short = run(tmp_path / "short", replace(settings, clip_grad_norm=1e-9))
    before = build(settings.system, 2, settings.capsules, settings.seed).state_dict()

    def moved(trained: TrainedSystem) -> float:
        after = trained.system.state_dict()
        return max(float((after[key] - before[key]).abs().max()) for key in before)

    assert moved(short) < moved(free) / 2


def test_a_small_corpus_is_trained_for_more_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TrainingSettings.__module__}._EPOCHS", 1)
    settings = small(min_steps=5, label_smoothing=0.1)
    assert run(tmp_path, settings).steps == 6  # three epochs of two


def test_adapting_by_features_needs_an_encoder(tmp_path: Path) -> None:
    overrides = ["normalisation.speaker_feature_norm=1"]
    with pytest.raises(SettingsError, match="CNN_SeqCap has none"):
        run(tmp_path, read_settings(overrides=overrides))
    assert not list(tmp_path.iterdir())
