"""The Lightning module: training step, losses, metrics and optimiser, Secs. V-C and V-E."""

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanMetric

from seqcap.errors import SettingsError
from seqcap.models.systems import System
from seqcap.scoring.metrics import confusion_matrix, unweighted_accuracy, weighted_accuracy
from seqcap.training.batches import Batch
from seqcap.training.lr_schedule import LossDrivenSchedule
from seqcap.training.settings import TrainingSettings

_IMPOSSIBLE = -1e4  # a logit that leaves no probability in any precision


def mix(batch: Batch, targets: Tensor, amount: float) -> tuple[Tensor, Tensor, Tensor]:
    """Mixes each spectrogram and its target with another one of the batch (mixup).

    Zhang et al., "mixup: Beyond empirical risk minimization", 2018.

    Args:
        batch: Segments.
        targets: Probabilities of the emotions, ``(batch, emotion)``.
        amount: Both parameters of the Beta distribution that draws one share for each pair.

    Returns:
        Spectrograms, frame counts (the longer one's) and targets.
    """
    count = len(targets)
    other = torch.randperm(count, device=targets.device)
    share = torch.distributions.Beta(amount, amount).sample((count,)).to(targets)
    share = torch.maximum(share, 1 - share)  # the first keeps the larger share
    spectrograms = torch.lerp(batch.spectrograms[other], batch.spectrograms, share[:, None, None])
    return (
        spectrograms,
        torch.maximum(batch.frame_counts, batch.frame_counts[other]),
        torch.lerp(targets[other], targets, share[:, None]),
    )


class LitModule(pl.LightningModule):
    """Losses, metrics and optimiser of a training, for pytorch-lightning.

    Args:
        system: The system to be trained.
        settings: Settings of the training.
        emotion_count: Number of emotions.
    """

    def __init__(self, system: System, settings: TrainingSettings, emotion_count: int) -> None:
        super().__init__()
        self.system = system
        self.settings = settings
        self.emotion_count = emotion_count
        self.confusion = np.zeros((emotion_count, emotion_count), np.int64)
        self.schedule = LossDrivenSchedule()
        self.mean_loss = MeanMetric(nan_strategy="disable")  # a NaN has to be seen

    def forward(
        self, spectrograms: Tensor, frame_counts: Tensor, feature_means: Tensor | None = None
    ) -> Tensor:
        """Gives each branch's logits ``(branch, batch, emotion)``."""
        # Systems of one's own need not know of features.
        adapted = {} if feature_means is None else {"feature_means": feature_means}
        logits: Tensor = self.system(spectrograms, frame_counts, **adapted)
        return logits

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The sum of the branches' cross entropies, Sec. V-C.

        Emotions that the corpus of a segment lacks take no part in its loss.
        """
        targets = F.one_hot(batch.labels, self.emotion_count).float()
        if batch.soft is not None:
            soft = torch.where(batch.soft.isnan(), targets, batch.soft)
            targets = torch.lerp(targets, soft, self.settings.soft_label_share)
        spectrograms, frame_counts = batch.spectrograms, batch.frame_counts
        if self.settings.mixup:
            spectrograms, frame_counts, targets = mix(batch, targets, self.settings.mixup)
        logits = self(spectrograms, frame_counts, batch.feature_means)
        uniform = 1 / targets.new_tensor(self.emotion_count)
        if batch.possible is not None:  # never with mixup
            logits = logits.masked_fill(~batch.possible, _IMPOSSIBLE)
            uniform = batch.possible / batch.possible.sum(1, keepdim=True)
        # Exactly the targets if label_smoothing is 0.
        targets = torch.lerp(targets, uniform, self.settings.label_smoothing)
        loss = torch.stack([F.cross_entropy(one, targets) for one in logits]).sum()
        self.mean_loss.update(loss.detach(), len(targets))
        return loss

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        """Seeds dropout by seed and step, so that a resumed training is the same."""
        seed = self.settings.seed * 1_000_003 + self.global_step
        torch.manual_seed(seed + 500_009 * self.global_rank)  # different dropout in each process

    def on_train_batch_end(self, outputs: Any, batch: Batch, index: int) -> None:
        """Updates the learning rate of the paper's schedule."""
        if self.settings.schedule != "paper":
            return
        # The mean over all processes that share the batch.
        losses = torch.as_tensor(self.all_gather(outputs["loss"]))
        self.schedule.update(float(losses.mean()), self.current_epoch)
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            group["lr"] = self.settings.learning_rate * self.schedule.share

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips the gradient, which Lightning refuses to do for a fused optimiser."""
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Stores the state of the schedule."""
        checkpoint["schedule"] = self.schedule.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the state of the schedule."""
        self.schedule = LossDrivenSchedule(**checkpoint["schedule"])

    def on_validation_epoch_start(self) -> None:
        """Starts a new confusion matrix."""
        self.confusion[:] = 0

    def validation_step(self, batch: Batch, index: int) -> None:
        """Counts answers of whole utterances in the confusion matrix."""
        logits = self(batch.spectrograms, batch.frame_counts, batch.feature_means)
        probabilities = self.system.probabilities(logits)
        loss = F.nll_loss(probabilities.clamp(min=1e-9).log(), batch.labels)
        self.log("validation_loss", loss, batch_size=len(batch.labels))
        self.confusion += confusion_matrix(
            batch.labels.cpu().numpy(), probabilities.argmax(1).cpu().numpy(), self.emotion_count
        )

    def on_validation_epoch_end(self) -> None:
        """Logs the epoch's loss, WA and UA.

        They form one row, written before the epoch's checkpoint. A training that is killed between
        the two repeats the epoch, so no row is missing.
        """
        loss = self.mean_loss.compute()
        if not loss.isfinite():
            raise SettingsError(
                f"the loss of epoch {self.current_epoch + 1} is {loss:.3g}: the training has "
                "diverged; give a lower learning_rate, and another folder"
            )
        self.log("loss", loss)
        self.mean_loss.reset()
        self.log("validation_wa", weighted_accuracy(self.confusion))
        self.log("validation_ua", unweighted_accuracy(self.confusion))

    def configure_optimizers(self) -> Any:
        """Makes AdamW, with a one-cycle learning rate unless the schedule is the paper's."""
        settings = self.settings
        optimizer = torch.optim.AdamW(
            self.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            # Fused is faster, but gradients that are scaled (16-bit) could not be clipped.
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
            # A rise of exactly one step would divide by zero; a shorter one is left out.
            pct_start=settings.warmup_share if warmup_steps > 1 else 0.5 / steps,
            cycle_momentum=False,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
