"""Training of one system on one fold, Secs. IV-D and V-E.

The test part is not looked at here: who trains gets training and validation, nothing else.
"""

import functools
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, WeightAveraging
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.utilities.exceptions import (  # type: ignore[attr-defined]
    MisconfigurationException,
)
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.utils.data import DataLoader

from seqcap.audio.normalisation import Normalisation
from seqcap.errors import SettingsError
from seqcap.memory import keep_freed_memory
from seqcap.models.initialisation import lsuv_init
from seqcap.models.systems import System, build
from seqcap.scoring.calibration import fit_temperature
from seqcap.training.batches import (
    Segments,
    Utterance,
    WholeUtterances,
    by_length,
    collate,
    find_speech,
    measure_normalisation,
)
from seqcap.training.callbacks import TrainingProgress
from seqcap.training.cost import ResourceUsage
from seqcap.training.fine_tuning import load_init_model, load_pretrained_weights
from seqcap.training.lightning_module import LitModule
from seqcap.training.quiet import WorkerLogFilter, filter_lightning_warnings
from seqcap.training.resume import (
    join_metrics,
    keep_earlier_metrics,
    remove_corrupt_checkpoints,
)
from seqcap.training.sampler import SegmentBatchSampler
from seqcap.training.settings import TrainingSettings

_STARTING_SEGMENTS = 48
_CHOICES: dict[str, dict[str, Any]] = {
    "wa": {"monitor": "validation_wa", "mode": "max"},
    "ua": {"monitor": "validation_ua", "mode": "max"},
    "loss": {"monitor": "validation_loss", "mode": "min"},
    # Lightning tells callbacks apart by their settings; one without a mode keeps the latest epoch.
    "last": {"monitor": None, "mode": "max"},
}


@dataclass(frozen=True)
class TrainedSystem:
    """What training gives: the weights of the best epoch, ready for use, and what it cost.

    Attributes:
        system: In evaluation mode, on the CPU.
        normalisation: Measured on the training part.
        temperature: Fitted on the validation part.
        steps: Of training, all of them.
        step_ms: Median time from one step to the next.
        peak_memory_mb: Most memory that the process held after a step.
    """

    system: System
    normalisation: Normalisation
    temperature: float
    steps: int
    step_ms: float
    peak_memory_mb: float


def train(
    training: Sequence[Utterance],
    validation: Sequence[Utterance],
    emotions: Sequence[str],
    settings: TrainingSettings,
    folder: Path,
    accelerator: str = "auto",
    devices: int = 1,
    progress: bool = True,
) -> TrainedSystem:
    """Trains a system and keeps the epoch that is best on validation speakers.

    A training that was interrupted goes on where its last epoch ended.

    Args:
        training: Utterances to learn from.
        validation: Utterances of other speakers, to choose the epoch and the temperature by.
        emotions: Those told apart; labels are places in this list.
        settings: How.
        folder: Where checkpoints and the logs (`metrics.csv`, `tensorboard/`) go.
        accelerator: As pytorch-lightning names it.
        devices: So many of them share each batch, in a process each.
        progress: Show how far it is.

    Returns:
        The system of the best epoch.

    Raises:
        SettingsError: Lightning knows no such accelerator or precision here, the starting model
            is another system, or the training has diverged.
    """
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    pl.seed_everything(settings.seed, verbose=False)
    training = find_speech(training, settings.normalisation)
    validation = find_speech(validation, settings.normalisation)
    normalisation = measure_normalisation(training, settings.normalisation)
    augmentation = settings.augmentation if settings.augment else None
    segments = Segments(
        training,
        normalisation,
        augmentation,
        settings.seed,
        settings.segment_s,
        settings.unknown_speaker_share,
    )
    order = SegmentBatchSampler(
        segments,
        settings.batch_size,
        settings.curriculum,
        settings.sampling_balance,
        settings.seed,
        settings.bucket_size_batches,
    )
    whole = DataLoader(
        WholeUtterances(validation, normalisation),
        batch_sampler=by_length(validation, settings.batch_size),
        collate_fn=collate,
    )
    system = build(settings.system, len(emotions), settings.capsules, settings.seed)
    if settings.init_from:
        load_pretrained_weights(system, emotions, load_init_model(settings), settings.seed)
    elif settings.lsuv_init:
        pieces = np.random.default_rng(settings.seed).permutation(len(segments))[
            :_STARTING_SEGMENTS
        ]
        first = collate([segments[(0, int(piece))] for piece in pieces])
        lsuv_init(system, first.spectrograms, first.frame_counts)
    module = LitModule(system, settings, len(emotions))
    best = ModelCheckpoint(folder, "best", **_CHOICES[settings.monitor])
    latest = ModelCheckpoint(folder, "last", enable_version_counter=False)
    cost = ResourceUsage()
    moving = functools.partial(_moving_average, decay=settings.ema_decay)
    average = [WeightAveraging(avg_fn=moving)] if settings.ema_decay else []
    bars = [TrainingProgress()] if progress else []
    keep_earlier_metrics(folder)
    remove_corrupt_checkpoints(folder)
    last = folder / "last.ckpt"
    with filter_lightning_warnings():
        trainer = _trainer(
            accelerator=accelerator,
            devices=devices,
            strategy="ddp_spawn" if devices > 1 else "auto",
            use_distributed_sampler=False,  # the order shares out its batches itself
            precision=settings.precision,
            max_epochs=settings.count_epochs(len(order)),
            gradient_clip_val=settings.clip_grad_norm or None,
            callbacks=[best, latest, *average, cost, WorkerLogFilter(), *bars],
            logger=[
                CSVLogger(folder, name="", version=""),
                TensorBoardLogger(folder, name="tensorboard", version=""),
            ],
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
        try:
            trainer.fit(
                module,
                DataLoader(segments, batch_sampler=order, collate_fn=collate),
                whole,
                ckpt_path=last if last.exists() else None,
            )
        except SystemExit as end:
            if isinstance(end.__context__, KeyboardInterrupt):  # Lightning makes one of the other
                signal.signal(signal.SIGINT, signal.default_int_handler)  # which it has taken away
                raise KeyboardInterrupt from None
            raise
        except ProcessRaisedException as error:  # one of several processes
            diverged = re.search(r"SettingsError: (.*)", str(error))
            if diverged:
                raise SettingsError(diverged[1]) from None
            raise
    join_metrics(folder)
    module.load_state_dict(_read(best.best_model_path)["state_dict"])
    # Other processes may have trained: what they know is in the checkpoint.
    ended = _read(last)
    cost.load_state_dict(ended["callbacks"][cost.state_key])
    system = module.system.cpu().eval()
    logits, labels = answer_batches(system, whole)
    if not logits.isfinite().all():
        raise SettingsError(
            "the trained system's answers are no numbers: the training has diverged; give a lower "
            "learning_rate, and another folder"
        )
    temperature = settings.temperature or fit_temperature(
        logits, labels, len({each.speaker for each in validation})
    )
    return TrainedSystem(
        system,
        normalisation,
        temperature,
        steps=ended["global_step"],
        step_ms=cost.step_ms,
        peak_memory_mb=cost.peak_memory_mb,
    )


def _trainer(**settings: Any) -> pl.Trainer:
    try:
        return pl.Trainer(**settings)
    except (MisconfigurationException, ValueError) as error:
        raise SettingsError(
            f"device '{settings['accelerator']}' with precision '{settings['precision']}' cannot "
            f"be used: {str(error).splitlines()[0]}; 'cpu' with '32-true' always can"
        ) from error


def _moving_average(average: Tensor, weights: Tensor, _: Tensor, decay: float) -> Tensor:
    return decay * average + (1 - decay) * weights


def _read(file: str | Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    return checkpoint


@torch.no_grad()
def answer_batches(system: System, batches: DataLoader[Any]) -> tuple[Tensor, Tensor]:
    """Gives logits ``(branch, utterance, emotion)`` and labels of all batches."""
    answers = [(system(b.spectrograms, b.frame_counts), b.labels) for b in batches]
    return torch.cat([a for a, _ in answers], 1), torch.cat([labels for _, labels in answers])
