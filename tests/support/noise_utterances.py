"""Utterances of noise, of two labels and two corpora, for tests of batches."""

import numpy as np

from seqcap.training.batches import Utterance


def utterances(*durations_s: float) -> list[Utterance]:
    generator = np.random.default_rng(0)
    return [
        Utterance(
            (generator.standard_normal(int(16000 * duration)) * 0.1).astype(np.float32),
            label=place % 2,
            corpus="a" if place < 2 else "b",
        )
        for place, duration in enumerate(durations_s)
    ]
