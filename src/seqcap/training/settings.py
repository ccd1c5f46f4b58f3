"""Settings of a training: one frozen dataclass, TOML, and overrides; unknown keys are errors.

The defaults are the recipe `default`. Other recipes, in `recipes/`, list only what differs.
"""

import dataclasses
import math
import operator
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqcap.audio.normalisation import NormalisationSettings
from seqcap.errors import SettingsError, suggestion
from seqcap.models.capsules import CapsuleSettings
from seqcap.training.augmentation import Augmentation
from seqcap.training.batches import SEGMENT_S
from seqcap.training.settings_files import KIND_NAMES, find_toml, read_toml
from seqcap.training.settings_history import (
    added_field,
    current_names,
    first_names,
    without_neutral,
)

RECIPES = Path(__file__).parent / "recipes"
DEFAULT_RECIPE = "default"
_EPOCHS = 20
_WORDS = {
    "schedule": ("one_cycle", "paper"),
    "monitor": ("wa", "ua", "loss", "last"),
}
_LEAST = {
    "seed": 0,
    "epochs": 0,
    "min_steps": 1,
    "batch_size": 1,
    "bucket_size_batches": 1,
    "threads": 0,
    "weight_decay": 0.0,
    "clip_grad_norm": 0.0,
    "mixup": 0.0,
    "segment_s": 0.2,  # a syllable
    "normalisation.target_rms": 0.0,
    "normalisation.trim_db": 0.0,
    "normalisation.high_pass_hz": 0.0,
    "temperature": 0.0,
}
_SHARES = (
    "warmup_share",
    "label_smoothing",
    "soft_label_share",
    "ema_decay",
    "sampling_balance",
    "unknown_speaker_share",
    "normalisation.utterance_mean_norm",
    "normalisation.speaker_mean_norm",
    "normalisation.speaker_feature_norm",
)


@dataclass(frozen=True)
class TrainingSettings:
    """How a system is trained.

    Attributes:
        system: One of ``SYSTEMS``.
        seed: Random seed of initialisation, shuffling, cropping and dropout.
        epochs: Passes over the training part; 0: 20, or more to reach `min_steps`.
        min_steps: Least number of steps on a small corpus where `epochs` is 0.
        batch_size: Segments a step.
        schedule: "one_cycle", a learning rate that rises and falls, or "paper", one that falls
            with the training loss (Sec. V-E).
        learning_rate: Greatest one.
        warmup_share: Share of all steps in which the learning rate rises (one cycle only).
        weight_decay: Weight decay of AdamW; 0 makes it Adam.
        clip_grad_norm: Largest norm of the gradient of all parameters; 0: no clipping.
        label_smoothing: Share of the target spread over all emotions.
        soft_label_share: Share of the target that comes from the columns `soft_EMOTION` of the
            table, which are what listeners or a teacher gave each emotion; the rest is the label.
            Rows where they are empty have their label alone.
        masked_loss: The loss of a segment leaves out emotions that its corpus lacks, so that an
            emotion of few corpora is not learned as a sign of them. Not together with `mixup`.
        mixup: Parameter of the Beta distribution of the shares in which two segments of a batch
            are mixed; 0: no mixing.
        ema_decay: Decay of the exponential moving average (EMA) of the weights, which is used
            instead of the weights; 0: no average.
        monitor: The validation metric that picks the checkpoint: "wa", "ua" or "loss"; "last"
            keeps the last epoch.
        temperature: Logits are divided by it in use; 0: fitted on the validation speakers.
        curriculum: First epoch by increasing length, Sec. IV-D.
        sampling_balance: 0 draws each segment once; 1 all corpora and emotions equally often.
        bucket_size_batches: Bucketing: shuffled segments of this many batches are sorted by length
            before they are cut into batches, which saves padding; 1: no sorting.
        segment_s: Longest segment of an utterance in a batch, s, Sec. VI-A.
        lsuv_init: Scale Xavier's weights by a batch of training data (LSUV), see
            `seqcap.models.initialisation`.
        init_from: Folder of the initial model, of the same system or one with it as a part (such
            as `CNN_GRU-SeqCap` for `CNN_SeqCap`), see `seqcap.training.fine_tuning`; "-" is the
            included one. Its training speakers cannot validate or test.
        precision: As pytorch-lightning names it; "bf16-mixed" is faster on processors with
            bfloat16.
        threads: Number of processor threads; 0: one per core. On a shared machine 1 is faster,
            because all threads wait for the slowest.
        augment: Random crops, changed as `augmentation` says, instead of fixed segments.
        unknown_speaker_share: Speaker dropout: share of crops, 0 to 1, normalised without their
            speaker's mean, so that a speaker-adaptive system also works on unknown speakers.
        normalisation: Level, trimming, mean and deviation.
        augmentation: How far crops are changed.
        capsules: Windows and routing.

    Raises:
        SettingsError: An unknown value, or a number out of range.

    Example:
        >>> TrainingSettings(system="CNN_RecCap", epochs=30).batch_size
        16
    """

    system: str = "CNN_SeqCap"
    seed: int = 0
    epochs: int = 0
    min_steps: int = added_field(1000, neutral=1000)
    batch_size: int = 16
    schedule: str = "one_cycle"
    learning_rate: float = 2e-3
    warmup_share: float = 0.1
    weight_decay: float = 1e-2
    clip_grad_norm: float = 5.0
    label_smoothing: float = 0.0
    soft_label_share: float = added_field(0.0, neutral=0.0)
    masked_loss: bool = added_field(False, neutral=False)
    mixup: float = 0.0
    ema_decay: float = 0.99
    monitor: str = "last"
    temperature: float = added_field(0.0, neutral=0.0)
    curriculum: bool = False
    sampling_balance: float = 0.5
    bucket_size_batches: int = 1
    segment_s: float = SEGMENT_S
    lsuv_init: bool = True
    init_from: str = added_field("", neutral="")
    precision: str = "32-true"
    threads: int = 0
    augment: bool = True
    unknown_speaker_share: float = added_field(0.0, neutral=0.0)
    normalisation: NormalisationSettings = field(
        default_factory=lambda: NormalisationSettings(target_rms=0.01, trim_db=30.0)
    )
    augmentation: Augmentation = field(default_factory=Augmentation)
    capsules: CapsuleSettings = field(default_factory=lambda: CapsuleSettings(dropout=0.3))

    def __post_init__(self) -> None:
        """Refuses unknown words, and numbers out of range."""
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                raise SettingsError(
                    f"setting '{name}': '{getattr(self, name)}' came, "
                    f"one of {', '.join(words)} is expected"
                )
        for name, least in _LEAST.items():
            value = operator.attrgetter(name)(self)
            if not least <= value < math.inf:
                raise SettingsError(f"setting '{name}': {value} came, {least} is the least")
        if self.ema_decay == 1.0:
            raise SettingsError("setting 'ema_decay': 1.0 came, which keeps the first weights")
        if not 0.0 < self.learning_rate < math.inf:
            raise SettingsError(
                f"setting 'learning_rate': {self.learning_rate} came, a number above 0 is expected"
            )
        for name in _SHARES:
            value = operator.attrgetter(name)(self)
            if not 0.0 <= value <= 1.0:
                raise SettingsError(f"setting '{name}': {value} came, 0 to 1 is expected")
        if self.masked_loss and (self.mixup or self.soft_label_share):
            raise SettingsError(
                "settings 'masked_loss' and 'mixup' or 'soft_label_share': their targets may hold "
                "emotions that a corpus lacks; set 'masked_loss' to false, or the others to 0"
            )
        adaptive = self.normalisation.speaker_mean_norm
        by_features = self.normalisation.speaker_feature_norm
        if self.unknown_speaker_share and not ((adaptive or by_features) and self.augment):
            raise SettingsError(
                "setting 'unknown_speaker_share' is a share of the crops of systems that adapt to "
                "speakers: 'normalisation.speaker_mean_norm' above 0 and 'augment = true' are "
                "expected"
            )
        if adaptive and by_features:
            raise SettingsError(
                "settings 'normalisation.speaker_mean_norm' and 'speaker_feature_norm': one of "
                "them is expected to be 0, since a system adapts by its spectrum or its features"
            )
        if adaptive and not self.normalisation.per_bin:
            raise SettingsError(
                "setting 'normalisation.speaker_mean_norm' compares bins: "
                "'normalisation.per_bin = true' is expected"
            )

    def count_epochs(self, steps: int) -> int:
        """Gives the number of epochs.

        Args:
            steps: Number of steps in one epoch.

        Returns:
            `epochs`, or what 0 stands for.

        Example:
            >>> TrainingSettings().count_epochs(steps=40)
            25
            >>> TrainingSettings(epochs=3).count_epochs(steps=40)
            3
        """
        return self.epochs or max(_EPOCHS, -(-self.min_steps // steps))


def hashed_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the settings that a run is hashed with: those with an effect, under their first names.

    The path of the initial model is left out; the record of a run has its hash.

    Args:
        settings: All of them, by name, of any version of the program.

    Returns:
        By first name, without settings at a value that changes nothing.

    Example:
        >>> hashed = hashed_settings(dataclasses.asdict(TrainingSettings()))
        >>> hashed["averaging"], "min_steps" in hashed  # the first name of ema_decay
        (0.99, False)
    """
    hashed = without_neutral(current_names(settings), TrainingSettings())
    if hashed.pop("init_from", ""):
        hashed.pop("lsuv_init")  # pretrained weights are not scaled
    if hashed["epochs"]:
        hashed.pop("min_steps", None)  # without effect
    return first_names(hashed)


def recipe_file(recipe: str | os.PathLike[str]) -> Path:
    """Finds a recipe: a built-in one by its name, or a TOML file.

    Args:
        recipe: A built-in one, such as `default`, `paper` or `stream`, or a path.

    Returns:
        Path of the TOML file.

    Raises:
        SettingsError: No such recipe.

    Example:
        >>> recipe_file("paper").name
        'paper.toml'
    """
    return find_toml("recipe", recipe, RECIPES)


def read_settings(
    recipe: str | os.PathLike[str] = DEFAULT_RECIPE, overrides: Iterable[str] = (), **fixed: Any
) -> TrainingSettings:
    """Reads settings from TOML; others keep their defaults.

    Args:
        recipe: A recipe's name, or a TOML file.
        overrides: More settings, each `key=value` or `table.key=value`, values as in TOML.
        **fixed: Settings that override both, if not None.

    Returns:
        The settings, checked.

    Raises:
        SettingsError: No such recipe or file, not TOML, an unknown key, or a value of the wrong
            type.

    Example:
        >>> read_settings(overrides=["epochs=3", "augmentation.masks=1"]).epochs
        3
        >>> read_settings(overrides=["epoch=3"])
        Traceback (most recent call last):
            ...
        seqcap.errors.SettingsError: setting 'epoch' is unknown; did you mean 'epochs'?
    """
    _, values = read_toml("settings", recipe_file(recipe))
    values = current_names(values)
    for override in overrides:
        _merge(values, current_names(_parse_override(override)))
    _merge(values, {key: value for key, value in fixed.items() if value is not None})
    settings: TrainingSettings = _settings(TrainingSettings(), values, "")
    return settings


def _parse_override(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"setting '{text}': key=value is expected") from None
        try:
            return tomllib.loads(f"{key} = {value!r}")  # a word without quotes
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"setting '{text}': {error}") from error


def _merge(values: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _settings(defaults: Any, values: Mapping[str, Any], prefix: str) -> Any:
    fields = {f.name: getattr(defaults, f.name) for f in dataclasses.fields(defaults)}
    chosen = {}
    for key, value in values.items():
        if key not in fields:
            way_out = suggestion(key, fields, prefix)
            raise SettingsError(f"setting '{prefix}{key}' is unknown; {way_out}")
        default = fields[key]
        if dataclasses.is_dataclass(default):
            if not isinstance(value, Mapping):
                raise SettingsError(f"setting '{prefix}{key}': a table of settings is expected")
            chosen[key] = _settings(default, value, f"{prefix}{key}.")
            continue
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if isinstance(default, tuple) and isinstance(value, list):
            value = tuple(value)
        if type(value) is not type(default):
            raise SettingsError(
                f"setting '{prefix}{key}': {value!r} came, {KIND_NAMES[type(default)]} is expected"
            )
        chosen[key] = value
    return dataclasses.replace(defaults, **chosen)
