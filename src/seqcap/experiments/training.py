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
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.utils.data import DataLoader

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
from seqcap.experiments.metrics import confusion_matrix, unweighted_accuracy, weighted_accuracy
from seqcap.experiments.settings import TrainingSettings
from seqcap.models.memory import keep_freed_memory
from seqcap.models.starting_scale import start_in_the_middle
from seqcap.models.systems import System, build

_STARTING_SEGMENTS = 48


@dataclass(frozen=True)
class TrainedSystem:
    """What training gives: the weights of the best epoch, ready for use."""

    system: System
    normalisation: Normalisation
    temperature: float
    validation_scores: dict[str, float]


def train(
    training: Sequence[Utterance],
    validation: Sequence[Utterance],
    emotion_count: int,
    settings: TrainingSettings,
    folder: Path,
) -> TrainedSystem:
    """Trains a system and keeps the epoch with the best UA on validation speakers.

    A training that was interrupted goes on where its last epoch ended.

    Args:
        training: Utterances to learn from.
        validation: Utterances of other speakers, to choose the epoch and the temperature by.
        emotion_count: Emotions told apart.
        settings: How.
        folder: Where checkpoints and the log (`log.csv`) go.

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
    segments = Segments(training, normalisation, augmentation, settings.seed)
    order = Order(
        segments, settings.batch_size, settings.curriculum, settings.balance, settings.seed
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
    best = ModelCheckpoint(folder, "best", monitor="validation_ua", mode="max")
    latest = ModelCheckpoint(folder, "last", enable_version_counter=False)
    trainer = pl.Trainer(
        accelerator="auto",
        precision=settings.precision,  # type: ignore[arg-type]  # a word; Lightning checks it
        max_epochs=settings.epochs,
        gradient_clip_val=settings.gradient_norm,
        callbacks=[best, latest, EMAWeightAveraging(decay=settings.averaging)],
        logger=CSVLogger(folder, name="", version=""),
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_model_summary=False,
    )
    last = folder / "last.ckpt"
    with _quiet_lightning():
        trainer.fit(
            lessons,
            DataLoader(segments, batch_sampler=order, collate_fn=collate),
            whole,
            ckpt_path=last if last.exists() else None,
        )
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    lessons.load_state_dict(state)
    system = lessons.system.cpu().eval()
    logits, labels = _answers(system, whole)
    temperature = fit_temperature(logits, labels)
    confusion = confusion_matrix(
        labels.numpy(), system.probabilities(logits).argmax(1).numpy(), emotion_count
    )
    scores = {"wa": weighted_accuracy(confusion), "ua": unweighted_accuracy(confusion)}
    return TrainedSystem(system, normalisation, temperature, scores)


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


class Lessons(pl.LightningModule):
    """Losses, scores and the optimiser of a training, for pytorch-lightning."""

    def __init__(self, system: System, settings: TrainingSettings, emotion_count: int) -> None:
        super().__init__()
        self.system = system
        self.settings = settings
        self.emotion_count = emotion_count
        self.confusion = np.zeros((emotion_count, emotion_count), np.int64)

    def forward(self, spectrograms: Tensor, frame_counts: Tensor) -> Tensor:
        """Gives each branch's logits ``(branch, batch, emotion)``."""
        logits: Tensor = self.system(spectrograms, frame_counts)
        return logits

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The sum of the branches' cross entropies, Sec. V-C."""
        logits = self(batch.spectrograms, batch.frame_counts)
        loss = torch.stack(
            [
                F.cross_entropy(one, batch.labels, label_smoothing=self.settings.label_smoothing)
                for one in logits
            ]
        ).sum()
        self.log("loss", loss, prog_bar=True, on_step=False, on_epoch=True)
        return loss

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        """Makes dropout a function of seed and step, so that a resumed training is the same."""
        torch.manual_seed(self.settings.seed * 1_000_003 + self.global_step)

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
        """Logs WA and UA."""
        self.log("validation_wa", weighted_accuracy(self.confusion), prog_bar=True)
        self.log("validation_ua", unweighted_accuracy(self.confusion), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW with a learning rate that rises, then falls."""
        settings = self.settings
        optimizer = torch.optim.AdamW(
            self.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            settings.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
            pct_start=settings.warmup_share,
            cycle_momentum=False,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
