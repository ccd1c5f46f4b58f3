from pathlib import Path

import pytest

from seqcap.errors import SettingsError
from seqcap.training.settings import TrainingSettings, read_settings


def test_without_overrides_settings_are_the_defaults() -> None:
    assert read_settings() == TrainingSettings()


def test_the_recipe_of_the_paper_is_what_the_paper_says() -> None:
    settings = read_settings("paper")
    assert (settings.batch_size, settings.epochs, settings.learning_rate) == (16, 20, 1e-3)
    assert (settings.curriculum, settings.schedule, settings.monitor) == (True, "paper", "wa")
    assert not settings.augment
    assert settings.capsules.routing_iterations == 3


def test_a_recipe_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(
        SettingsError, match=r"^recipe 'mine' is unknown; there are default, five-corpora, paper"
    ):
        read_settings("mine")
    with pytest.raises(SettingsError, match=r"'papers' is unknown; did you mean 'paper'\?$"):
        read_settings("papers")


def test_a_file_then_overrides_then_fixed_settings_win(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("epochs = 3\nseed = 1\n[augmentation]\nmasks = 5\nspeed = 0\n")
    settings = read_settings(path, ["seed=2", "augmentation.masks=6", "system=CNN_GRU"], seed=7)
    assert (settings.epochs, settings.seed, settings.system) == (3, 7, "CNN_GRU")
    assert (settings.augmentation.masks, settings.augmentation.speed) == (6, 0.0)


def test_a_fixed_setting_of_none_is_ignored() -> None:
    assert read_settings(overrides=["seed=4"], seed=None).seed == 4


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("epoch=3", "setting 'epoch' is unknown; did you mean 'epochs'?"),
        (
            "augmentation.maks=3",
            "setting 'augmentation.maks' is unknown; did you mean 'augmentation.masks'?",
        ),
        ("epochs=-1", "setting 'epochs': -1 came, 0 is the least"),
        ("monitor=best", "setting 'monitor': 'best' came, one of wa, ua, loss, last is expected"),
        (
            "normalisation.speaker_mean_norm=-1.0",
            "setting 'normalisation.speaker_mean_norm': -1.0 came, 0 to 1 is expected",
        ),
        (
            "normalisation.speaker_feature_norm=2.0",
            "setting 'normalisation.speaker_feature_norm': 2.0 came, 0 to 1 is expected",
        ),
        (
            "unknown_speaker_share=0.5",
            "setting 'unknown_speaker_share' is a share of the crops of systems that adapt",
        ),
        (
            "normalisation.utterance_mean_norm=1.5",
            "setting 'normalisation.utterance_mean_norm': 1.5 came, 0 to 1 is expected",
        ),
        ("epochs=many", "setting 'epochs': 'many' came, a whole number is expected"),
        ("epochs=true", "setting 'epochs': True came, a whole number is expected"),
        ("epochs", "setting 'epochs': key=value is expected"),
        ("capsules=3", "setting 'capsules': a table of settings is expected"),
        ("capsules.window_steps=0", "setting 'capsules.window_steps': 0 came, 5 is the least"),
        ("seed=-1", "setting 'seed': -1 came, 0 is the least"),
        ("segment_s=0.05", "setting 'segment_s': 0.05 came, 0.2 is the least"),
        ("ema_decay=1.5", "setting 'ema_decay': 1.5 came, 0 to 1 is expected"),
        ("ema_decay=1", "setting 'ema_decay': 1.0 came, which keeps the first weights"),
        ("segment_s=inf", "setting 'segment_s': inf came, 0.2 is the least"),
        ("learning_rate=0", "setting 'learning_rate': 0.0 came, a number above 0 is expected"),
        ("augmentation.speed=2", "setting 'augmentation.speed': 2.0 came, 0 to 1 is expected"),
        (
            "augmentation.speaker_mixing=3",
            "setting 'augmentation.speaker_mixing': 3.0 came, 0 to 2 is expected",
        ),
        ("augmentation.masks=-1", "setting 'augmentation.masks': -1 came, 0 is the least"),
        ("augmentation.noise_snr_db=[9, 1]", "setting 'augmentation.noise_snr_db': .9, 1. came"),
        ("capsules.dropout=1.0", "setting 'capsules.dropout': 1.0 came, 0 or more and less"),
    ],
)
def test_a_setting_that_cannot_be_understood_is_named(override: str, text: str) -> None:
    with pytest.raises(SettingsError, match="^" + text.replace("?", r"\?")):
        read_settings(overrides=[override])


def test_a_system_adapts_in_one_way() -> None:
    both = ["normalisation.speaker_mean_norm=1", "normalisation.speaker_feature_norm=1"]
    with pytest.raises(SettingsError, match="one of them is expected to be 0"):
        read_settings(overrides=both)


def test_a_file_that_is_missing_or_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: no settings here"):
        read_settings(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("epochs: 3")
    with pytest.raises(SettingsError, match=r"bad\.toml: not TOML"):
        read_settings(tmp_path / "bad.toml")
