import numpy as np
import pandas as pd
import pytest
from lookalike_results import EMOTIONS, corpus, predictions

from seqcap.scoring import bootstrap
from seqcap.scoring.evaluation import scores
from seqcap.scoring.metrics import unweighted_accuracy, weighted_accuracy


def test_many_confusions_are_scored_as_one_is() -> None:
    matrices = np.random.default_rng(0).integers(0, 9, (7, 4, 4)) + np.eye(4, dtype=int)
    scores = bootstrap.score_confusions(matrices)
    assert scores.wa == pytest.approx([weighted_accuracy(matrix) for matrix in matrices])
    assert scores.ua == pytest.approx([unweighted_accuracy(matrix) for matrix in matrices])
    # An emotion that does not occur is no zero; an answer that is no emotion is wrong.
    assert float(bootstrap.score_confusions([[2, 0, 2], [0, 0, 0]]).ua) == 0.5


def test_equal_speakers_give_an_interval_of_zero_width() -> None:
    alike = np.stack([[[3, 1], [1, 3]]] * 6)
    drawn = bootstrap.bootstrap_scores(alike)
    assert bootstrap.interval(drawn.ua, 6) == (0.75, 0.75)
    assert bootstrap.interval(drawn.ua, 1) is None


def test_draws_without_one_of_the_emotions_say_nothing_of_the_ua() -> None:
    both = np.array([[[4, 0], [2, 2]], [[1, 3], [0, 0]]])  # the second shows one emotion only
    drawn = bootstrap.bootstrap_scores(both)
    assert np.isnan(drawn.ua).any()
    assert not np.isnan(drawn.wa).any()
    assert bootstrap.interval(drawn.ua, 2) == (0.5625, 0.75)  # both, or the first twice
    one_each = np.array([np.diag(row) for row in np.eye(9, dtype=int)])
    assert bootstrap.interval(bootstrap.bootstrap_scores(one_each).ua, 9) is None


def test_the_bootstrap_of_two_speakers_draws_each_case_as_often_as_chance_has_it() -> None:
    # One is always right, one always wrong: 0, 1/2, 1 with 1/4, 1/2, 1/4.
    confusions = np.array([[[4, 0], [0, 4]], [[0, 4], [4, 0]]])
    values, counts = np.unique(bootstrap.bootstrap_scores(confusions).wa, return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    assert counts / bootstrap.DRAWS == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_the_bootstrap_is_as_wide_as_theory_says() -> None:
    right = np.random.default_rng(1).integers(0, 21, 40)  # of 20 utterances, one emotion
    confusions = np.stack([[[count, 20 - count], [0, 0]] for count in right])
    low, high = bootstrap.interval(bootstrap.bootstrap_scores(confusions).wa, 40) or (0, 0)
    error = (right / 20).std() / np.sqrt(40)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_confusions_of_speakers_add_up_to_those_of_all() -> None:
    speakers = pd.Series(["b", "a", "b", "c"])
    counts = bootstrap.confusions_by_group(speakers, ["a", "b", "c"], [0, 1, 1, 0], [0, 0, 1, 1],
                                            (2, 2))  # fmt: skip
    assert counts.sum(axis=0).tolist() == [[1, 1], [1, 1]]
    assert counts[1].tolist() == [[1, 0], [0, 1]]


def test_evaluate_prints_the_interval_of_the_bootstrap_that_reports_use() -> None:
    answers = predictions(corpus(), 1.5, 3)
    names = sorted(set(answers["speaker"]))
    actual, predicted = (answers[column].map(EMOTIONS.index) for column in ("emotion", "predicted"))
    confusions = bootstrap.confusions_by_group(
        answers["speaker"], names, actual, predicted, (len(EMOTIONS), len(EMOTIONS))
    )
    expected = bootstrap.interval(bootstrap.bootstrap_scores(confusions).ua, len(names))
    assert tuple(scores(answers, EMOTIONS)["ua_interval"]) == expected
