import numpy as np
import pytest

from seqcap.scoring.coverage import accuracy_by_coverage


def test_the_surest_answers_are_given_first_and_counted_by_hand():
    generator = np.random.default_rng(0)
    table = generator.dirichlet(np.ones(4), 200)
    actual = generator.integers(0, 4, 200)
    for each in accuracy_by_coverage(table, actual):
        given = [row.max() >= each.abstain_below for row in table]
        right = [row.argmax() == label for row, label in zip(table, actual, strict=True)]
        assert each.share == pytest.approx(np.mean(given))
        assert each.wa == pytest.approx(np.mean(np.array(right)[given]))


def test_what_has_no_speech_is_never_answered():
    table = np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]])
    first, *_ = accuracy_by_coverage(table, [0, 0, 1])
    assert (first.share, first.wa) == (pytest.approx(2 / 3), 1.0)


def test_without_answers_there_is_no_coverage():
    assert accuracy_by_coverage([[np.nan, np.nan]], [0]) == []
