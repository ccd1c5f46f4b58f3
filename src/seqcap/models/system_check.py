"""Tries a system of your own on a little noise, so that its mistakes show before a training."""

import inspect
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from seqcap.errors import SettingsError
from seqcap.models.capsules import CapsuleSettings
from seqcap.models.system import BINS, System
from seqcap.models.systems import build, own_system

_FRAME_COUNTS = (4, 60, 41)  # 40 ms, the least; none padded; some padded
_TOLERANCE = 1e-3  # of the largest logit: padding may change the order of sums
_FORM = "a function that takes the emotion count and the CapsuleSettings and gives a System"

_T = TypeVar("_T")


def check_own_system(
    name: str, emotion_count: int, settings: CapsuleSettings | None = None
) -> None:
    """Builds a system of your own and tries a step of training and an answer.

    Args:
        name: As `build` takes it; the paper's systems are not tried.
        emotion_count: Number of emotions, at least 2.
        settings: Of the capsules; the paper's if None.

    Raises:
        SettingsError: It cannot be imported, built or trained, gives something else than finite
            logits ``(branch, batch, emotion)``, or answers otherwise when padding is added.

    Example:
        >>> check_own_system("math:tau", emotion_count=2)
        Traceback (most recent call last):
        ...
        seqcap.errors.SettingsError: system 'math:tau': a float came; a function that takes \
the emotion count and the CapsuleSettings and gives a System is expected
    """
    if ":" not in name:
        return
    make: object = own_system(name)
    if not callable(make):
        raise SettingsError(f"system '{name}': a {_kind(make)} came; {_FORM} is expected")
    with torch.random.fork_rng(devices=[]):
        made = _tried(
            name, "building it", lambda: make(emotion_count, settings or CapsuleSettings())
        )
        if not isinstance(made, System):
            raise SettingsError(f"system '{name}': it gave a {_kind(made)}; {_FORM} is expected")
        system = build(name, emotion_count, settings, seed=0)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(len(_FRAME_COUNTS), max(_FRAME_COUNTS), BINS, generator=generator)
        _try_training(name, system, noise, emotion_count)
        _try_padding(name, system.eval(), noise)


def _try_training(name: str, system: System, noise: Tensor, emotion_count: int) -> None:
    counts = torch.tensor(_FRAME_COUNTS)
    logits: object = _tried(name, "a step of training", lambda: system(noise, counts))
    shape = (len(system.branches), len(counts), emotion_count)
    if not isinstance(logits, Tensor) or logits.shape != shape:
        came = tuple(logits.shape) if isinstance(logits, Tensor) else f"a {_kind(logits)}"
        raise SettingsError(
            f"system '{name}': it gave {came}; logits (branch, batch, emotion), here {shape}, "
            "are expected"
        )
    if not logits.isfinite().all():
        raise SettingsError(
            f"system '{name}': its logits are not finite; look for divisions by zero and "
            "logarithms of zero"
        )
    if not logits.requires_grad:
        raise SettingsError(
            f"system '{name}': no weight has part in its logits; parameters that training can "
            "change are expected"
        )
    loss = logits.float().logsumexp(-1).sum()
    _tried(name, "a step of training", loss.backward)


def _try_padding(name: str, system: System, noise: Tensor) -> None:
    """Compares the answers in a padded batch with those of each recording alone."""
    counts = torch.tensor(_FRAME_COUNTS)
    with torch.no_grad():
        batch = _tried(name, "an answer", lambda: system(noise, counts))
        for place, count in enumerate(_FRAME_COUNTS):
            one = slice(place, place + 1)
            recording = noise[one, :count]
            alone = _tried(name, "an answer", partial(system, recording, counts[one]))
            difference = float((batch[:, one] - alone).abs().max())
            if difference > _TOLERANCE * max(1.0, float(alone.abs().max())):
                raise SettingsError(
                    f"system '{name}': padding changes its logits by up to {difference:.2g}; "
                    "leave out what lies behind each recording's frame count"
                )


def _tried(name: str, what: str, work: Callable[[], _T]) -> _T:
    """Does some work of your own system; what it raises becomes a line that names the place."""
    try:
        return work()
    except Exception as error:
        told = next(iter(str(error).splitlines()), "")
        own = inspect.getsourcefile(own_system(name))
        frames = traceback.extract_tb(error.__traceback__)[2:]
        frames = [frame for frame in frames if frame.filename == own] or frames
        where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        raise SettingsError(
            f"system '{name}': {what} raised {_kind(error)}: {told}{where}; {_FORM} of "
            "logits from spectrograms and frame counts is expected"
        ) from error


def _kind(value: object) -> str:
    return type(value).__name__
