import torch

from seqcap.training.batches import Batch
from seqcap.training.lightning_module import margin_loss, mix


def test_mixed_segments_stay_nearer_to_their_own_label() -> None:
    torch.manual_seed(0)
    batch = Batch(torch.eye(6)[:, None, :], torch.tensor([1, 2, 3, 4, 5, 6]), torch.arange(6))
    spectrograms, counts, targets = mix(batch, torch.eye(6), 0.4)
    torch.testing.assert_close(spectrograms[:, 0], targets)
    torch.testing.assert_close(targets.sum(1), torch.ones(6))
    assert (targets.diagonal() >= 0.5).all()
    assert (counts >= batch.frame_counts).all()


def test_the_margin_loss_is_nothing_where_all_is_clear_and_counts_half_for_the_others() -> None:
    targets = torch.eye(2)[:1]
    logits = torch.tensor([[0.92, 0.08], [0.5, 0.5]]).log()
    assert margin_loss(logits[:1], targets) == 0
    # (0.9 - 0.5)^2 of the right one, half of (0.5 - 0.1)^2 of the other.
    torch.testing.assert_close(margin_loss(logits[1:], targets), torch.tensor(0.24))
