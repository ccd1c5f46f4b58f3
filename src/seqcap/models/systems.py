"""The paper's systems, Secs. III to V, under its names and in its order.

Every system is called alike: spectrograms ``(batch, frame, bin)`` and their frame counts go in,
logits ``(branch, batch, emotion)`` come out.
"""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from seqcap.errors import SettingsError, suggestion
from seqcap.models.branch import Branch
from seqcap.models.capsule_baselines import FrameCapsuleBranch, InChunks, WholeCapsuleBranch
from seqcap.models.capsules import CapsuleBranch, CapsuleSettings
from seqcap.models.cnn import CNN_COMPONENT
from seqcap.models.initialisation import initialise
from seqcap.models.recurrent import GRUBranch
from seqcap.models.satt import SATT_CNN, SATT_CNN_LSTM, LSTMBranch, PooledBranch
from seqcap.models.speech_encoder import SpeechEncoder
from seqcap.models.system import System

__all__ = [
    "SYSTEMS",
    "CapsuleSettings",
    "System",
    "SystemSpec",
    "build",
    "count_parameters",
    "own_system",
    "part_of",
    "source_hash",
]

CAPSULE_SHARE = 0.6  # lambda, Sec. V-C


def _gru(emotion_count: int, attention: bool = False) -> Callable[[int, int], Branch]:
    return lambda channels, bins: GRUBranch(channels, bins, emotion_count, attention)


def _capsules(
    emotion_count: int, recurrent: bool, settings: CapsuleSettings
) -> Callable[[int, int], Branch]:
    return lambda channels, bins: CapsuleBranch(channels, bins, emotion_count, recurrent, settings)


def _cnn(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(SATT_CNN, [lambda c, b: PooledBranch(c, b, emotion_count)])


def _cnn_lstm(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(SATT_CNN_LSTM, [lambda c, b: LSTMBranch(c, b, emotion_count)])


def _cnn_gru(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(CNN_COMPONENT, [_gru(emotion_count)])


def _cnn_gru_att(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(CNN_COMPONENT, [_gru(emotion_count, attention=True)])


def _lstm_cap(emotion_count: int, settings: CapsuleSettings) -> System:
    def make(channels: int, bins: int) -> Branch:
        return InChunks(
            FrameCapsuleBranch(bins, emotion_count, settings), FrameCapsuleBranch.greatest_frames
        )

    return System((), [make])


def _cnn_cap(emotion_count: int, settings: CapsuleSettings) -> System:
    def make(channels: int, bins: int) -> Branch:
        branch = WholeCapsuleBranch(channels, bins, emotion_count, settings)
        return InChunks(branch, branch.greatest_steps)

    return System(CNN_COMPONENT, [make])


def _cnn_seqcap(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(CNN_COMPONENT, [_capsules(emotion_count, False, settings)])


def _cnn_reccap(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(CNN_COMPONENT, [_capsules(emotion_count, True, settings)])


def _cnn_gru_seqcap(emotion_count: int, settings: CapsuleSettings) -> System:
    return _two_branches(emotion_count, False, settings)


def _cnn_gru_reccap(emotion_count: int, settings: CapsuleSettings) -> System:
    return _two_branches(emotion_count, True, settings)


def _two_branches(emotion_count: int, recurrent: bool, settings: CapsuleSettings) -> System:
    branches = [_gru(emotion_count), _capsules(emotion_count, recurrent, settings)]
    return System(CNN_COMPONENT, branches, shares=(1 - CAPSULE_SHARE, CAPSULE_SHARE))


def _whisper(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(SpeechEncoder(), [lambda c, b: PooledBranch(c, b, emotion_count)])


def _whisper_seqcap(emotion_count: int, settings: CapsuleSettings) -> System:
    def pooled(channels: int, bins: int) -> Branch:
        return PooledBranch(channels, bins, emotion_count)

    branches = [pooled, _capsules(emotion_count, False, settings)]
    return System(SpeechEncoder(), branches, shares=(1 - CAPSULE_SHARE, CAPSULE_SHARE))


@dataclass(frozen=True)
class SystemSpec:
    """One row of ``SYSTEMS``.

    Attributes:
        build: Builds it from the number of emotions and the capsules' settings.
        paper_count: Parameters in Table II; None where the paper counts none.
        section: Where the paper describes it.
        streams: Its answer can be carried on as sound comes, without looking back.
        any_length: Its weights know no greatest length (others answer in chunks).
        parts: The systems that have one of its branches alone, in the branches' order.

    Example:
        >>> SYSTEMS["CNN_SeqCap"].paper_count, SYSTEMS["CNN_SeqCap"].section
        (703540, 'IV-B')
    """

    build: Callable[[int, CapsuleSettings], System] = field(repr=False)
    paper_count: int | None
    section: str
    streams: bool
    any_length: bool
    parts: tuple[str, ...] = ()


SYSTEMS: dict[str, SystemSpec] = {
    "CNN": SystemSpec(_cnn, None, "V-B [15]", streams=True, any_length=True),
    "CNN_LSTM": SystemSpec(_cnn_lstm, None, "V-B [15]", streams=False, any_length=True),
    "CNN_GRU": SystemSpec(_cnn_gru, 833_012, "V-B", streams=False, any_length=True),
    "CNN_GRU_Att": SystemSpec(_cnn_gru_att, None, "V-B", streams=False, any_length=True),
    "LSTM_Cap": SystemSpec(_lstm_cap, 17_607_492, "V-B [43]", streams=False, any_length=False),
    "CNN_Cap": SystemSpec(_cnn_cap, 131_110_832, "V-D", streams=False, any_length=False),
    "CNN_SeqCap": SystemSpec(_cnn_seqcap, 703_540, "IV-B", streams=True, any_length=True),
    "CNN_RecCap": SystemSpec(_cnn_reccap, 708_148, "IV-C", streams=True, any_length=True),
    "CNN_GRU-SeqCap": SystemSpec(
        _cnn_gru_seqcap,
        1_523_448,
        "V-C",
        streams=False,
        any_length=True,
        parts=("CNN_GRU", "CNN_SeqCap"),
    ),
    "CNN_GRU-RecCap": SystemSpec(
        _cnn_gru_reccap,
        1_528_056,
        "V-C",
        streams=False,
        any_length=True,
        parts=("CNN_GRU", "CNN_RecCap"),
    ),
    # Not the paper's: a frozen encoder of speech in the place of the convolutions.
    "Whisper": SystemSpec(_whisper, None, "-", streams=False, any_length=True),
    "Whisper-SeqCap": SystemSpec(
        _whisper_seqcap, None, "-", streams=False, any_length=True, parts=("Whisper",)
    ),
}


def build(
    name: str, emotion_count: int, settings: CapsuleSettings | None = None, seed: int | None = None
) -> System:
    """Builds a system and initialises it as Sec. V-E.

    Args:
        name: One of ``SYSTEMS``, or your own system, ``module:function``.
        emotion_count: Number of emotions, at least 2.
        settings: Windows and routing of the capsules; the paper's if None.
        seed: Makes the weights reproducible; torch's global state decides if None.

    Returns:
        The system, on the CPU, in training mode.

    Raises:
        SettingsError: An unknown name, or fewer than two emotions.

    Example:
        >>> count_parameters(build("CNN_SeqCap", emotion_count=4))
        703540
    """
    if name not in SYSTEMS and ":" not in name:
        way_out = suggestion(name, SYSTEMS)
        raise SettingsError(f"system '{name}' is unknown; {way_out} (your own is module:function)")
    make = SYSTEMS[name].build if name in SYSTEMS else own_system(name)
    if emotion_count < 2:
        raise SettingsError(f"{emotion_count} emotions came; at least 2 are needed")
    generator = torch.Generator()
    generator.manual_seed(torch.initial_seed() if seed is None else seed)
    # Modules draw weights when they are made; these are replaced.
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        system = make(emotion_count, settings or CapsuleSettings())
    initialise(system, generator)
    # Convolutions with channels last run about twice as fast on the CPU and on tensor cores.
    for module in system.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return system


def part_of(name: str, whole: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Picks the weights of a system out of those of a larger one that has it as a part.

    Args:
        name: The system.
        whole: The system of the weights; `name` itself, or one with `name` among its `parts`.
        weights: As ``state_dict`` of `whole` gives them.

    Raises:
        SettingsError: `whole` does not have this part.

    Example:
        >>> whole = build("CNN_GRU-SeqCap", 4)
        >>> weights = part_of("CNN_SeqCap", "CNN_GRU-SeqCap", whole.state_dict())
        >>> build("CNN_SeqCap", 4).load_state_dict(weights)
        <All keys matched successfully>
    """
    if name == whole:
        return dict(weights)
    parts = SYSTEMS[whole].parts if whole in SYSTEMS else ()
    if name not in parts:
        raise SettingsError(f"{name} is not a part of {whole}")
    branch = f"branches.{parts.index(name)}."
    return {
        key.replace(branch, "branches.0."): value
        for key, value in weights.items()
        if key.startswith(branch) or not key.startswith("branches.")
    }


def count_parameters(system: nn.Module) -> int:
    """Counts trainable parameters, as Table II does.

    Args:
        system: Any network.

    Example:
        >>> count_parameters(nn.Linear(3, 2))
        8
    """
    return sum(p.numel() for p in system.parameters() if p.requires_grad)


def own_system(name: str) -> Callable[[int, CapsuleSettings], System]:
    """Finds the function that builds your own system.

    Args:
        name: ``module:function``; Python finds the module where it finds others, and in the
            working directory. The function takes the number of emotions and the capsules'
            settings and gives a `System`.

    Raises:
        SettingsError: No such module or function, or the module raises an error.

    Example:
        >>> own_system("seqcap.models.system:System").__name__
        'System'
    """
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        make: Callable[[int, CapsuleSettings], System] = getattr(
            importlib.import_module(module), function
        )
    except Exception as error:  # a module of your own may raise anything
        told = f"{error}" if isinstance(error, (ImportError, AttributeError)) else repr(error)
        raise SettingsError(
            f"system '{name}': {told}; a function that Python can import is expected"
        ) from error
    return make


def source_hash(name: str) -> str:
    """Gives the SHA-256 of the file with your own system; "" for those of the paper.

    Args:
        name: As `build` takes it.
    """
    if ":" not in name:
        return ""
    file = inspect.getsourcefile(own_system(name))
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
