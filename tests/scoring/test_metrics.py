import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from seqcap.scoring import metrics

GENERATOR = np.random.default_rng(0)
ACTUAL = GENERATOR.integers(0, 4, 200)
PREDICTED = np.where(GENERATOR.random(200) < 0.6, ACTUAL, GENERATOR.integers(0, 4, 200))


def test_confusion_and_accuracies_agree_with_scikit_learn() -> None:
    confusion = metrics.confusion_matrix(ACTUAL, PREDICTED, 4)
    np.testing.assert_array_equal(confusion, confusion_matrix(ACTUAL, PREDICTED))
    assert metrics.weighted_accuracy(confusion) == pytest.approx(accuracy_score(ACTUAL, PREDICTED))
    assert metrics.unweighted_accuracy(confusion) == pytest.approx(
        recall_score(ACTUAL, PREDICTED, average="macro")
    )


def test_accuracies_meet_the_golden_vectors() -> None:
    if "SEQCAP_SHARED" not in os.environ:
        pytest.skip("SEQCAP_SHARED is not set: no golden vectors here")
    golden = np.load(Path(os.environ["SEQCAP_SHARED"]) / "golden" / "equations.npz")
    assert metrics.weighted_accuracy(golden["confusion"]) == pytest.approx(golden["wa"], rel=1e-6)
    assert metrics.unweighted_accuracy(golden["confusion"]) == pytest.approx(golden["ua"], rel=1e-6)


def test_an_emotion_without_utterances_does_not_count() -> None:
    assert metrics.unweighted_accuracy([[3, 1, 0], [0, 1, 0], [0, 0, 0]]) == 0.875
    assert np.isnan(metrics.recalls([[1, 0], [0, 0]])[1])


def test_calibration_error_is_the_gap_between_confidence_and_being_right() -> None:
    sure = np.tile([0.95, 0.05], (10, 1))
    assert metrics.calibration_error(sure, [0] * 10) == pytest.approx(0.05)
    assert metrics.calibration_error(sure, [1] * 10) == pytest.approx(0.95)
