"""Training of one system on one fold, Secs. IV-D and V-E.

This module never sees the test part: `train` takes the training and the validation part only.
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
from seqcap.models.speech_encoder import SpeechEncoder
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
    with_possible_emotions,
)
from seqcap.training.callbacks import (
    ResourceUsage,
    TrainingProgress,
    WorkerLogFilter,
    filter_lightning_warnings,
)
from seqcap.training.fine_tuning import load_init_model, load_pretrained_weights
from seqcap.training.lightning_module import LitModule
from seqcap.training.resume import (
    join_metrics,
    keep_earlier_metrics,
    remove_corrupt_checkpoints,
)
from seqcap.training.sampler import SegmentBatchSampler
from seqcap.training.settings import TrainingSettings
from seqcap.training.speaker_features import subtract_speaker_features

_LSUV_SEGMENTS = 48
_LAST = "last.ckpt"
_MONITORS: dict[str, dict[str, Any]] = {
    "wa": {"monitor": "validation_wa", "mode": "max"},
    "ua": {"monitor": "validation_ua", "mode": "max"},
    "loss": {"monitor": "validation_loss", "mode": "min"},
    # Lightning tells callbacks apart by their settings; one without a mode keeps the latest epoch.
    "last": {"monitor": None, "mode": "max"},
}


@dataclass(frozen=True)
class TrainedSystem:
    """A trained system with the weights of the chosen epoch, and what the training cost.

    Attributes:
        system: In evaluation mode, on the CPU.
        normalisation: Measured on the training part.
        temperature: Fitted on the validation part.
        steps: Number of training steps.
        step_ms: Median time of a step, ms.
        peak_memory_mb: Largest memory of the process after a step, MB.
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
    """Trains a system and keeps the epoch that `settings.monitor` chooses.

    An interrupted training resumes after its last completed epoch.

    Args:
        training: Utterances to learn from.
        validation: Utterances of other speakers, which choose the epoch and the temperature.
        emotions: The emotions to be learned; a label is an index of this list.
        settings: Settings of the training.
        folder: Folder of the checkpoints and the logs (`metrics.csv`, `tensorboard/`).
        accelerator: As pytorch-lightning names it.
        devices: Number of devices that share each batch, with a process each.
        progress: Show the progress.

    Returns:
        The system of the chosen epoch.

    Raises:
        SettingsError: Lightning has no such accelerator or precision here, the initial model is
            another system, or the training has diverged.
    """
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    pl.seed_everything(settings.seed, verbose=False)
    if settings.soft_label_share and all(each.soft is None for each in training):
        raise SettingsError(
            "setting 'soft_label_share': the table of the training part has no soft labels; the "
            f"columns {', '.join(f'soft_{emotion}' for emotion in emotions)} were expected"
        )
    if settings.normalisation.speaker_feature_norm:
        _check_encoder(settings, len(emotions))
    if settings.masked_loss:
        training = with_possible_emotions(training, len(emotions))
    data = _prepare_data(training, validation, settings)
    system = _initial_system(data.segments, emotions, settings)
    module = LitModule(system, settings, len(emotions))
    best = ModelCheckpoint(folder, "best", **_MONITORS[settings.monitor])
    usage = ResourceUsage()
    keep_earlier_metrics(folder)
    remove_corrupt_checkpoints(folder)
    with filter_lightning_warnings():
        trainer = _trainer(
            settings,
            folder,
            max_epochs=settings.count_epochs(len(data.sampler)),
            accelerator=accelerator,
            devices=devices,
            callbacks=[best, *_callbacks(settings, folder, usage, progress)],
        )
        _fit(trainer, module, data, folder / _LAST)
    join_metrics(folder)
    module.load_state_dict(_read(best.best_model_path)["state_dict"])
    # Other processes may have trained: their measurements are in the checkpoint.
    last = _read(folder / _LAST)
    usage.load_state_dict(last["callbacks"][usage.state_key])
    system = module.system.cpu().eval()
    return TrainedSystem(
        system,
        data.normalisation,
        settings.temperature or _temperature(system, data),
        steps=last["global_step"],
        step_ms=usage.step_ms,
        peak_memory_mb=usage.peak_memory_mb,
    )


@dataclass(frozen=True)
class _Data:
    """Data of a training.

    Attributes:
        segments: Segments of the training part.
        sampler: Batches of these segments.
        validation: Batches of whole utterances.
        normalisation: Measured on the training part.
        speaker_count: Number of validation speakers.
    """

    segments: Segments
    sampler: SegmentBatchSampler
    validation: DataLoader[Any]
    normalisation: Normalisation
    speaker_count: int


def _prepare_data(
    training: Sequence[Utterance], validation: Sequence[Utterance], settings: TrainingSettings
) -> _Data:
    training = find_speech(training, settings.normalisation)
    validation = find_speech(validation, settings.normalisation)
    normalisation = measure_normalisation(training, settings.normalisation)
    training = subtract_speaker_features(training, normalisation)
    validation = subtract_speaker_features(validation, normalisation)
    segments = Segments(
        training,
        normalisation,
        settings.augmentation if settings.augment else None,
        settings.seed,
        settings.segment_s,
        settings.unknown_speaker_share,
    )
    sampler = SegmentBatchSampler(
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
    speaker_count = len({each.speaker for each in validation})
    return _Data(segments, sampler, whole, normalisation, speaker_count)


def _check_encoder(settings: TrainingSettings, emotion_count: int) -> None:
    system = build(settings.system, emotion_count, settings.capsules)
    if not isinstance(system.cnn, SpeechEncoder):
        raise SettingsError(
            "setting 'normalisation.speaker_feature_norm' is for systems with a speech encoder, "
            f"such as Whisper-SeqCap; {settings.system} has none, and "
            "'normalisation.speaker_mean_norm' is its setting"
        )


def _initial_system(
    segments: Segments, emotions: Sequence[str], settings: TrainingSettings
) -> System:
    """Builds the system with random weights (LSUV where set) or with pretrained ones."""
    system = build(settings.system, len(emotions), settings.capsules, settings.seed)
    if settings.init_from:
        load_pretrained_weights(system, emotions, load_init_model(settings), settings.seed)
    elif settings.lsuv_init:
        places = np.random.default_rng(settings.seed).permutation(len(segments))
        first = collate([segments[(0, int(place))] for place in places[:_LSUV_SEGMENTS]])
        lsuv_init(system, first.spectrograms, first.frame_counts)
    return system


def _callbacks(
    settings: TrainingSettings, folder: Path, usage: ResourceUsage, progress: bool
) -> list[pl.Callback]:
    latest = ModelCheckpoint(folder, "last", enable_version_counter=False)
    moving = functools.partial(_moving_average, decay=settings.ema_decay)
    average = [WeightAveraging(avg_fn=moving)] if settings.ema_decay else []
    bars = [TrainingProgress()] if progress else []
    return [latest, *average, usage, WorkerLogFilter(), *bars]


def _fit(trainer: pl.Trainer, module: LitModule, data: _Data, last: Path) -> None:
    """Runs Lightning, after the last completed epoch if there is one."""
    try:
        trainer.fit(
            module,
            DataLoader(data.segments, batch_sampler=data.sampler, collate_fn=collate),
            data.validation,
            ckpt_path=last if last.exists() else None,
        )
    except SystemExit as end:  # Lightning makes one of Ctrl-C and SIGTERM, and ignores the next
        interruption = end.__context__
        if not isinstance(interruption, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise interruption from None
    except ProcessRaisedException as error:  # one of several processes
        diverged = re.search(r"SettingsError: (.*)", str(error))
        if diverged:
            raise SettingsError(diverged[1]) from None
        raise


def _temperature(system: System, data: _Data) -> float:
    """Fits the temperature on the validation part.

    Raises:
        SettingsError: Logits are not finite.
    """
    logits, labels = answer_batches(system, data.validation)
    if not logits.isfinite().all():
        raise SettingsError(
            "the logits of the trained system are not finite: the training has diverged; give a "
            "lower learning_rate, and another folder"
        )
    return fit_temperature(logits, labels, data.speaker_count)


def _trainer(settings: TrainingSettings, folder: Path, **options: Any) -> pl.Trainer:
    try:
        return pl.Trainer(
            **options,
            strategy="ddp_spawn" if options["devices"] > 1 else "auto",
            use_distributed_sampler=False,  # SegmentBatchSampler splits its batches itself
            precision=settings.precision,  # type: ignore[arg-type]
            gradient_clip_val=settings.clip_grad_norm or None,
            logger=[
                CSVLogger(folder, name="", version=""),
                TensorBoardLogger(folder, name="tensorboard", version=""),
            ],
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
    except (MisconfigurationException, ValueError) as error:
        raise SettingsError(
            f"device '{options['accelerator']}' with precision '{settings.precision}' cannot be "
            f"used: {str(error).splitlines()[0]}; 'cpu' with '32-true' always can"
        ) from error


def _moving_average(average: Tensor, weights: Tensor, _: Tensor, decay: float) -> Tensor:
    return decay * average + (1 - decay) * weights


def _read(file: str | Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    return checkpoint


@torch.no_grad()
def answer_batches(system: System, batches: DataLoader[Any]) -> tuple[Tensor, Tensor]:
    """Computes the logits of all batches.

    Args:
        system: In evaluation mode.
        batches: Batches as `collate` gives them.

    Returns:
        Logits ``(branch, utterance, emotion)`` and labels ``(utterance,)``.
    """
    answers = []
    for batch in batches:
        means = batch.feature_means
        adapted = {} if means is None else {"feature_means": means}
        answers.append((system(batch.spectrograms, batch.frame_counts, **adapted), batch.labels))
    return torch.cat([a for a, _ in answers], 1), torch.cat([labels for _, labels in answers])
