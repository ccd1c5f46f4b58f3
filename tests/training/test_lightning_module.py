import torch

from seqcap.training.batches import Batch
from seqcap.training.lightning_module import mix


def test_mixed_segments_stay_nearer_to_their_own_label() -> None:
    torch.manual_seed(0)
    batch = Batch(torch.eye(6)[:, None, :], torch.tensor([1, 2, 3, 4, 5, 6]), torch.arange(6))
    spectrograms, counts, targets = mix(batch, torch.eye(6), 0.4)
    torch.testing.assert_close(spectrograms[:, 0], targets)
    torch.testing.assert_close(targets.sum(1), torch.ones(6))
    assert (targets.diagonal() >= 0.5).all()
    assert (counts >= batch.frame_counts).all()
