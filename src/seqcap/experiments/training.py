"""Training of one system on one fold, Secs. IV-D and V-E.

The test part is not looked at here: who trains gets training and validation, nothing else.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint, RichProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric

from seqcap.audio.spectrogram import Normalisation
from seqcap.experiments.batches import (
    Batch,
    Order,
    Segments,
    Utterance,
    WholeUtterances,
    by_length,
    collate,
    measure_normalisation,
)
from seqcap.experiments.cost import Cost
from seqcap.experiments.interruption import (
    drop_torn_checkpoints,
    join_metrics,
    keep_earlier_metrics,
)
from seqcap.experiments.learning_rate import LearningRateFall
from seqcap.experiments.metrics import confusion_matrix, unweighted_accuracy, weighted_accuracy
from seqcap.experiments.settings import TrainingSettings
from seqcap.models.memory import keep_freed_memory
from seqcap.models.starting_scale import start_in_the_middle
from seqcap.models.systems import System, build

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
    emotion_count: int,
    settings: TrainingSettings,
    folder: Path,
    accelerator: str = "auto",
    progress: bool = True,
) -> TrainedSystem:
    """Trains a system and keeps the epoch that is best on validation speakers.

    A training that was interrupted goes on where its last epoch ended.

    Args:
        training: Utterances to learn from.
        validation: Utterances of other speakers, to choose the epoch and the temperature by.
        emotion_count: Emotions told apart.
        settings: How.
        folder: Where checkpoints and the logs (`metrics.csv`, `tensorboard/`) go.
        accelerator: As pytorch-lightning names it.
        progress: Show how far it is.

    Returns:
        The system of the best epoch.
    """
    for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    pl.seed_everything(settings.seed, verbose=False)
    normalisation = measure_normalisation(training, settings.normalise_per_bin, settings.level)
    augmentation = settings.augmentation if settings.augment else None
    segments = Segments(training, normalisation, augmentation, settings.seed, settings.segment_s)
    order = Order(
        segments,
        settings.batch_size,
        settings.curriculum,
        settings.balance,
        settings.seed,
        settings.sorted_batches,
    )
    whole = DataLoader(
        WholeUtterances(validation, normalisation),
        batch_sampler=by_length(validation, settings.batch_size),
        collate_fn=collate,
    )
    system = build(settings.system, emotion_count, settings.capsules, settings.seed)
    if settings.start_in_the_middle:
        pieces = np.random.default_rng(settings.seed).permutation(len(segments))[
            :_STARTING_SEGMENTS
        ]
        first = collate([segments[(0, int(piece))] for piece in pieces])
        start_in_the_middle(system, first.spectrograms, first.frame_counts)
    lessons = Lessons(system, settings, emotion_count)
    best = ModelCheckpoint(folder, "best", **_CHOICES[settings.choose])
    latest = ModelCheckpoint(folder, "last", enable_version_counter=False)
    cost = Cost()
    average = [EMAWeightAveraging(decay=settings.averaging)] if settings.averaging else []
    bars = [RichProgressBar(console_kwargs={"stderr": True})] if progress else []
    trainer = pl.Trainer(
        accelerator=accelerator,
        precision=settings.precision,  # type: ignore[arg-type]  # a word; Lightning checks it
        max_epochs=settings.epochs,
        gradient_clip_val=settings.gradient_norm or None,
        callbacks=[best, latest, *average, cost, *bars],
        logger=[
            CSVLogger(folder, name="", version=""),
            TensorBoardLogger(folder, name="tensorboard", version=""),
        ],
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=progress,
    )
    keep_earlier_metrics(folder)
    drop_torn_checkpoints(folder)
    last = folder / "last.ckpt"
    with _quiet_lightning():
        trainer.fit(
            lessons,
            DataLoader(segments, batch_sampler=order, collate_fn=collate),
            whole,
            ckpt_path=last if last.exists() else None,
        )
    join_metrics(folder)
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    lessons.load_state_dict(state)
    system = lessons.system.cpu().eval()
    logits, labels = _answers(system, whole)
    temperature = fit_temperature(logits, labels)
    return TrainedSystem(
        system,
        normalisation,
        temperature,
        steps=trainer.global_step,
        step_ms=cost.step_ms,
        peak_memory_mb=cost.peak_memory_mb,
    )


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Leaves out what pytorch-lightning says that helps no user of this program."""
    with warnings.catch_warnings():
        # It asks torch in a way that torch no longer likes,
        warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
        # would have worker processes where the sound is in memory already,
        warnings.filterwarnings("ignore", ".*does not have many workers")
        # and finds the folder of a training that goes on not empty.
        warnings.filterwarnings("ignore", ".*exists and is not empty")
        yield


@torch.no_grad()
def _answers(system: System, batches: DataLoader[Any]) -> tuple[Tensor, Tensor]:
    answers = [(system(b.spectrograms, b.frame_counts), b.labels) for b in batches]
    return torch.cat([a for a, _ in answers], 1), torch.cat([labels for _, labels in answers])


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Finds what to divide logits by so that probabilities are honest (Guo et al., 2017).

    Args:
        logits: Of utterances that the system was not trained on, ``(branch, batch, emotion)``.
        labels: What they are, ``(batch,)``.

    Returns:
        The temperature of the greatest likelihood, 0.1 to 10; above one: it was too sure.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits.double() / np.exp(log_temperature)
        # Choice: one temperature for both branches, in front of the softmax of each.
        mean = scaled.softmax(-1).mean(0)
        return float(F.nll_loss(mean.log(), labels))

    return float(np.exp(minimize_scalar(loss, bounds=np.log([0.1, 10]), method="bounded").x))


def mix(batch: Batch, targets: Tensor, amount: float) -> tuple[Tensor, Tensor, Tensor]:
    """Lays each spectrogram over another one of the batch, with its share of the target.

    Zhang et al., "mixup: Beyond empirical risk minimization", 2018.

    Args:
        batch: Segments.
        targets: Probabilities of the emotions, ``(batch, emotion)``.
        amount: Of the Beta distribution that draws one share for each pair.

    Returns:
        Spectrograms, frame counts (the longer one's) and targets.
    """
    count = len(targets)
    other = torch.randperm(count, device=targets.device)
    share = torch.distributions.Beta(amount, amount).sample((count,)).to(targets)
    share = torch.maximum(share, 1 - share)  # the first stays the greater part
    spectrograms = torch.lerp(batch.spectrograms[other], batch.spectrograms, share[:, None, None])
    return (
        spectrograms,
        torch.maximum(batch.frame_counts, batch.frame_counts[other]),
        torch.lerp(targets[other], targets, share[:, None]),
    )


class Lessons(pl.LightningModule):
    """Losses, scores and the optimiser of a training, for pytorch-lightning."""

    def __init__(self, system: System, settings: TrainingSettings, emotion_count: int) -> None:
        super().__init__()
        self.system = system
        self.settings = settings
        self.emotion_count = emotion_count
        self.confusion = np.zeros((emotion_count, emotion_count), np.int64)
        self.fall = LearningRateFall()
        self.mean_loss = MeanMetric()

    def forward(self, spectrograms: Tensor, frame_counts: Tensor) -> Tensor:
        """Gives each branch's logits ``(branch, batch, emotion)``."""
        logits: Tensor = self.system(spectrograms, frame_counts)
        return logits

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The sum of the branches' cross entropies, Sec. V-C."""
        targets = F.one_hot(batch.labels, self.emotion_count).float()
        spectrograms, frame_counts = batch.spectrograms, batch.frame_counts
        if self.settings.mixup:
            spectrograms, frame_counts, targets = mix(batch, targets, self.settings.mixup)
        logits = self(spectrograms, frame_counts)
        loss = torch.stack(
            [
                F.cross_entropy(one, targets, label_smoothing=self.settings.label_smoothing)
                for one in logits
            ]
        ).sum()
        self.mean_loss.update(loss.detach(), len(targets))
        return loss

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        """Makes dropout a function of seed and step, so that a resumed training is the same."""
        torch.manual_seed(self.settings.seed * 1_000_003 + self.global_step)

    def on_train_batch_end(self, outputs: Any, batch: Batch, index: int) -> None:
        """Lowers the learning rate, where the schedule is the paper's."""
        if self.settings.schedule != "paper":
            return
        self.fall.see(float(outputs["loss"]), self.current_epoch)
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            group["lr"] = self.settings.learning_rate * self.fall.share

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps what the learning rate depends on."""
        checkpoint["fall"] = self.fall.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes up what the learning rate depends on."""
        self.fall = LearningRateFall(**checkpoint["fall"])

    def on_validation_epoch_start(self) -> None:
        """Starts a new confusion matrix."""
        self.confusion[:] = 0

    def validation_step(self, batch: Batch, index: int) -> None:
        """Counts right and wrong answers for whole utterances."""
        logits = self(batch.spectrograms, batch.frame_counts)
        probabilities = self.system.probabilities(logits)
        loss = F.nll_loss(probabilities.clamp(min=1e-9).log(), batch.labels)
        self.log("validation_loss", loss, batch_size=len(batch.labels))
        self.confusion += confusion_matrix(
            batch.labels.cpu().numpy(), probabilities.argmax(1).cpu().numpy(), self.emotion_count
        )

    def on_validation_epoch_end(self) -> None:
        """Logs the epoch's loss, WA and UA.

        All in one row, which is written before the epoch's checkpoint: a training that is killed
        between the two repeats the epoch, and no row is ever missing.
        """
        self.log("loss", self.mean_loss.compute(), prog_bar=True)
        self.mean_loss.reset()
        self.log("validation_wa", weighted_accuracy(self.confusion), prog_bar=True)
        self.log("validation_ua", unweighted_accuracy(self.confusion), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW with a learning rate that rises, then falls."""
        settings = self.settings
        optimizer = torch.optim.AdamW(
            self.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            # One pass over all weights; but Lightning cannot clip what it scales itself.
            fused=settings.precision not in ("16-mixed", "16"),
        )
        if settings.schedule == "paper":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        warmup_steps = settings.warmup_share * steps
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            settings.learning_rate,
            total_steps=steps,
            # A rise of exactly one step would divide by zero; up to one step, there is none.
            pct_start=settings.warmup_share if warmup_steps > 1 else 0.5 / steps,
            cycle_momentum=False,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
