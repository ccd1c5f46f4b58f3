"""Settings of a training: one frozen dataclass, TOML, and overrides; unknown keys are errors.

Its defaults are the recipe `default`; other recipes, in `recipes/`, say what they do otherwise.
"""

import dataclasses
import difflib
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqcap.errors import SettingsError
from seqcap.models.capsules import CapsuleSettings
from seqcap.training.augmentation import Augmentation
from seqcap.training.batches import SEGMENT_S
from seqcap.training.settings_files import find_toml, read_toml
from seqcap.training.settings_history import later, leave_out_neutral

RECIPES = Path(__file__).parent / "recipes"
DEFAULT_RECIPE = "default"
_EPOCHS = 20
_WORDS = {
    "schedule": ("one_cycle", "paper"),
    "loss": ("cross_entropy", "margin"),
    "choose": ("wa", "ua", "loss", "last"),
}
_LEAST = {
    "seed": 0,
    "epochs": 0,
    "least_steps": 1,
    "batch_size": 1,
    "sorted_batches": 1,
    "threads": 0,
    "weight_decay": 0.0,
    "gradient_norm": 0.0,
    "mixup": 0.0,
    "level": 0.0,
    "trim_db": 0.0,
    "segment_s": 0.2,  # a syllable
}
_SHARES = (
    "warmup_share",
    "label_smoothing",
    "averaging",
    "balance",
    "own_mean",
    "speaker_mean",
    "strangers",
)


@dataclass(frozen=True)
class TrainingSettings:
    """How a system is trained.

    Attributes:
        system: One of ``SYSTEMS``.
        seed: Of weights, order, crops and dropout.
        epochs: Times through the training part; 0: 20 times, or as often as it takes to make
            `least_steps`.
        least_steps: Of a small corpus, where the number of epochs is not given.
        batch_size: Segments of a step.
        schedule: "one_cycle", a learning rate that rises and falls, or "paper", one that falls
            with the training loss (Sec. V-E).
        learning_rate: Greatest one.
        warmup_share: Of one cycle: share of all steps in which the learning rate rises.
        weight_decay: Of AdamW; 0 makes it Adam.
        gradient_norm: Longest gradient, all parameters together; 0 leaves gradients as they are.
        loss: "cross_entropy", Sec. V-C, or "margin", that of capsule networks (Sabour et al.,
            2017), of the probabilities; each branch's by itself.
        label_smoothing: Share of the target spread over all emotions.
        mixup: How much two segments of a batch are mixed, the first parameter of the Beta
            distribution that draws their shares; 0 mixes none.
        averaging: Decay of the moving average of the weights that is kept; 0 keeps the weights.
        choose: What the kept epoch is best in on validation speakers: "wa", "ua" or "loss";
            "last" keeps the last one.
        curriculum: First epoch by increasing length, Sec. IV-D.
        balance: 0 as the corpus is, 1 all corpora and emotions alike often.
        sorted_batches: So many batches' worth of shuffled segments are sorted by length before
            they are cut into batches, so that less is computed on padding; 1 sorts none.
        segment_s: Longest piece of an utterance that a batch holds, Sec. VI-A.
        normalise_per_bin: Each bin by its own mean and deviation.
        level: Loudness that every recording is brought to; 0 leaves it. With the spectrogram's
            floor it decides how far below the loudest speech is still looked at: 0.01, 60 dB.
        trim_db: The quiet before and after a recording, so far below its loudest 10 ms, is cut
            off, in training and in use; 0 keeps it.
        own_mean: Share of its own mean, bin by bin, that each piece loses, 0 to 1: of what
            microphone, room and voice add, and of how loud somebody speaks.
        speaker_mean: Share of what a speaker's mean over all their recordings differs from that
            of all, bin by bin, that each of them loses, 0 to 1. Of those who are recognised,
            too, several recordings have to be known, without labels.
        strangers: Share of crops heard as if nothing else of their speaker were known, so that
            a system that adapts to speakers can also do without, 0 to 1.
        start_in_the_middle: Scale Xavier's weights by a batch of training data, see
            `seqcap.models.starting_scale`.
        start_from: Folder of a model of the same system whose weights the training begins with,
            see `seqcap.training.fine_tuning`; "-" is the shipped one. Nobody whom it has
            heard may validate or test.
        precision: As pytorch-lightning names it; "bf16-mixed" is faster where the processor
            knows bfloat16.
        threads: Of the processor; 0 takes all cores. One is better when others use them too: a
            thread that waits for its turn holds up all.
        augment: Random crops, changed as `augmentation` says, instead of fixed segments.
        augmentation: How far crops are changed.
        capsules: Windows and routing.
    """

    system: str = "CNN_SeqCap"
    seed: int = 0
    epochs: int = 0
    least_steps: int = later(1000, neutral=1000)
    batch_size: int = 16
    schedule: str = "one_cycle"
    learning_rate: float = 2e-3
    warmup_share: float = 0.1
    weight_decay: float = 1e-2
    gradient_norm: float = 5.0
    loss: str = later("cross_entropy", neutral="cross_entropy")
    label_smoothing: float = 0.0
    mixup: float = 0.0
    averaging: float = 0.99
    choose: str = "last"
    curriculum: bool = False
    balance: float = 0.5
    sorted_batches: int = 1
    segment_s: float = SEGMENT_S
    normalise_per_bin: bool = True
    level: float = 0.01
    trim_db: float = later(30.0, neutral=0.0)
    own_mean: float = later(0.0, neutral=0.0)
    speaker_mean: float = later(0.0, neutral=0.0)
    strangers: float = later(0.0, neutral=0.0)
    start_in_the_middle: bool = True
    start_from: str = later("", neutral="")
    precision: str = "32-true"
    threads: int = 0
    augment: bool = True
    augmentation: Augmentation = field(default_factory=Augmentation)
    capsules: CapsuleSettings = field(default_factory=lambda: CapsuleSettings(dropout=0.3))

    def __post_init__(self) -> None:
        """Refuses words that mean nothing, and numbers out of range."""
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                raise SettingsError(
                    f"setting '{name}': '{getattr(self, name)}' came, "
                    f"one of {', '.join(words)} is expected"
                )
        for name, least in _LEAST.items():
            if not least <= getattr(self, name) < math.inf:
                raise SettingsError(
                    f"setting '{name}': {getattr(self, name)} came, {least} is the least"
                )
        if self.averaging == 1.0:
            raise SettingsError("setting 'averaging': 1.0 came, which keeps the first weights")
        if not 0.0 < self.learning_rate < math.inf:
            raise SettingsError(
                f"setting 'learning_rate': {self.learning_rate} came, a number above 0 is expected"
            )
        for name in _SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingsError(
                    f"setting '{name}': {getattr(self, name)} came, 0 to 1 is expected"
                )
        if self.strangers and not (self.speaker_mean and self.augment):
            raise SettingsError(
                "setting 'strangers' is a share of the crops of systems that adapt to speakers: "
                "'speaker_mean' above 0 and 'augment = true' are expected"
            )
        if self.speaker_mean and not self.normalise_per_bin:
            raise SettingsError(
                "setting 'speaker_mean' compares bins: 'normalise_per_bin = true' is expected"
            )

    def count_epochs(self, steps: int) -> int:
        """How many epochs there are.

        Args:
            steps: Of one of them.

        Example:
            >>> TrainingSettings().count_epochs(steps=40)
            25
            >>> TrainingSettings(epochs=3).count_epochs(steps=40)
            3
        """
        return self.epochs or max(_EPOCHS, -(-self.least_steps // steps))


def telling(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out settings that change nothing, so that runs keep their names.

    Where a model lies changes nothing: what it is stands beside the settings of a run.

    Args:
        settings: All of them, by name.
    """
    told = leave_out_neutral(settings, TrainingSettings())
    if told.pop("start_from", ""):
        told.pop("start_in_the_middle")  # there is no start to be scaled
    if told["epochs"]:
        told.pop("least_steps", None)  # it has no say
    return told


def recipe_file(recipe: str | os.PathLike[str]) -> Path:
    """Finds a recipe: one of the program's by its name, or a TOML file.

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
    """Reads settings from TOML; what is not said stays as it is by default.

    Args:
        recipe: A recipe's name, or a TOML file.
        overrides: More settings, each `key=value` or `table.key=value`, values as in TOML.
        **fixed: Settings that win over both, where not None.

    Raises:
        SettingsError: No such recipe or file, not TOML, an unknown key, or a value of the
            wrong kind.

    Example:
        >>> read_settings(overrides=["epochs=3", "augmentation.masks=1"]).epochs
        3
        >>> read_settings(overrides=["epoch=3"])
        Traceback (most recent call last):
            ...
        seqcap.errors.SettingsError: setting 'epoch' is unknown; did you mean 'epochs'?
    """
    _, values = read_toml("settings", recipe_file(recipe))
    for override in overrides:
        _merge(values, _parse_override(override))
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
            return tomllib.loads(f"{key} = {value!r}")  # a word without its quotes
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
            near = difflib.get_close_matches(key, fields, n=1)
            way_out = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(fields)}"
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
                f"setting '{prefix}{key}': {value!r} came, {type(default).__name__} is expected"
            )
        chosen[key] = value
    return dataclasses.replace(defaults, **chosen)
