import pytest
import torch
from torch import Tensor, nn

from seqcap.errors import SettingsError
from seqcap.training.batches import Batch
from seqcap.training.fit import answer_batches
from seqcap.training.lightning_module import LitModule, mix
from seqcap.training.settings import TrainingSettings


class OneAnswer(nn.Module):
    """Gives the same logits for each segment."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([0.3, -0.2, 5.0]))

    def forward(self, spectrograms: Tensor, frame_counts: Tensor) -> Tensor:
        return self.logits.expand(1, len(spectrograms), 3)


def test_mixed_segments_stay_nearer_to_their_own_label() -> None:
    torch.manual_seed(0)
    batch = Batch(torch.eye(6)[:, None, :], torch.tensor([1, 2, 3, 4, 5, 6]), torch.arange(6))
    spectrograms, counts, targets = mix(batch, torch.eye(6), 0.4)
    torch.testing.assert_close(spectrograms[:, 0], targets)
    torch.testing.assert_close(targets.sum(1), torch.ones(6))
    assert (targets.diagonal() >= 0.5).all()
    assert (counts >= batch.frame_counts).all()


def test_an_emotion_that_the_corpus_lacks_takes_no_part_in_the_loss() -> None:
    system = OneAnswer()
    settings = TrainingSettings(masked_loss=True, label_smoothing=0.1)
    possible = torch.tensor([[True, True, False]])
    batch = Batch(torch.zeros(1, 1, 512), torch.tensor([1]), torch.tensor([0]), possible)
    loss = LitModule(system, settings, 3).training_step(batch, 0)  # type: ignore[arg-type]
    loss.backward()  # type: ignore[no-untyped-call]
    two = system.logits.detach()[:2].log_softmax(0)
    assert loss.item() == pytest.approx(-(0.95 * two[0] + 0.05 * two[1]).item())
    assert system.logits.grad is not None
    assert system.logits.grad[2] == 0
    assert system.logits.grad[0] != 0


def test_soft_labels_are_a_share_of_the_target_where_there_are_any() -> None:
    system = OneAnswer()
    settings = TrainingSettings(soft_label_share=0.5)
    nothing = [float("nan")] * 3
    soft = torch.tensor([[0.0, 0.2, 0.8], nothing])
    labels = torch.tensor([0, 1])
    batch = Batch(torch.zeros(2, 1, 512), torch.tensor([1, 1]), labels, None, soft)
    loss = LitModule(system, settings, 3).training_step(batch, 0)  # type: ignore[arg-type]
    logs = system.logits.detach().log_softmax(0)
    first = 0.5 * logs[0] + 0.1 * logs[1] + 0.4 * logs[2]
    assert loss.item() == pytest.approx(-(first + logs[1]).item() / 2)


class Adapting(OneAnswer):
    """Answers by what the features are to lose."""

    def forward(
        self, spectrograms: Tensor, frame_counts: Tensor, feature_means: Tensor | None = None
    ) -> Tensor:
        logits = super().forward(spectrograms, frame_counts)
        return logits if feature_means is None else logits + feature_means


def test_training_and_answers_know_what_features_lose() -> None:
    means = torch.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]])
    counts, labels = torch.tensor([1, 1]), torch.tensor([0, 1])
    batch = Batch(torch.zeros(2, 1, 512), counts, labels, feature_means=means)
    system = Adapting()
    expected = system.logits.detach() + means
    loss = LitModule(system, TrainingSettings(), 3).training_step(batch, 0)  # type: ignore[arg-type]
    assert loss.item() == pytest.approx(torch.nn.functional.cross_entropy(expected, labels).item())
    with torch.no_grad():
        found, _ = answer_batches(system, [batch])  # type: ignore[arg-type]
    torch.testing.assert_close(found[0], expected)


def test_mixtures_of_corpora_have_no_emotions_of_their_own() -> None:
    with pytest.raises(SettingsError, match="'masked_loss' and 'mixup'"):
        TrainingSettings(masked_loss=True, mixup=0.2)
    with pytest.raises(SettingsError, match="'soft_label_share'"):
        TrainingSettings(masked_loss=True, soft_label_share=0.2)
