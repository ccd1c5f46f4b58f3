import numpy as np
from noise_utterances import utterances

from seqcap.audio.normalisation import Normalisation
from seqcap.training.batches import Segments
from seqcap.training.sampler import SegmentBatchSampler

PLAIN = Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32))


def test_each_segment_comes_once_an_epoch_and_the_curriculum_starts_with_short_ones() -> None:
    segments = Segments(utterances(9.0, 1.0, 3.0), PLAIN, None, 0)
    order = SegmentBatchSampler(segments, batch_size=2, curriculum=True, balance=0, seed=0)
    first = [piece for batch in order for _, piece in batch]
    assert first == [5, 6, 7, 0, 1, 2, 3, 4]  # 1 s, 3 s, 9 s
    order.set_epoch(1)
    second = [key for batch in order for key in batch]
    assert {epoch for epoch, _ in second} == {1}
    assert sorted(piece for _, piece in second) == sorted(first)
    assert [piece for _, piece in second] != first


def test_balance_draws_rare_groups_as_often_as_common_ones() -> None:
    segments = Segments(utterances(*[2.0] * 2, *[2.0] * 98), PLAIN, None, 0)
    order = SegmentBatchSampler(segments, batch_size=10, curriculum=False, balance=1, seed=0)
    drawn = np.zeros(100)
    for epoch in range(20):
        order.set_epoch(epoch)
        for batch in order:
            for _, piece in batch:
                drawn[piece] += 1
    assert 0.4 < drawn[:2].sum() / drawn.sum() < 0.6


def test_bucketing_keeps_every_segment_and_saves_padding() -> None:
    lengths = np.random.default_rng(1).uniform(0.2, 2.0, 50)
    segments = Segments(utterances(*lengths), PLAIN, None, 0)

    def padding(bucket_size_batches: int) -> int:
        order = SegmentBatchSampler(segments, 4, False, 0, 0, bucket_size_batches)
        batches = [[piece for _, piece in batch] for batch in order]
        assert sorted(piece for batch in batches for piece in batch) == list(range(50))
        assert [len(batch) for batch in batches] == [4] * 12 + [2]
        return sum(
            int(max(segments.lengths[batch]) - length)
            for batch in batches
            for length in segments.lengths[batch]
        )

    assert padding(6) < padding(1) / 2
