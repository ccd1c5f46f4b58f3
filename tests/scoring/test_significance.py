import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seqcap.scoring import bootstrap
from seqcap.scoring.metrics import unweighted_accuracy, weighted_accuracy
from seqcap.scoring.significance import (
    cohen_d,
    compare_runs,
    corrected_p,
    holm,
    mcnemar_p,
    rank_biserial,
    smallest_wilcoxon_p,
    welch_p,
    wilcoxon_p,
)

GENERATOR = np.random.default_rng(0)
ONE = GENERATOR.normal(0.6, 0.05, 25)
OTHER = ONE + GENERATOR.normal(0.02, 0.04, 25)


def test_tests_agree_with_scipy() -> None:
    tests = compare_runs(ONE, OTHER, test_share=0)
    assert tests.count == 25
    assert tests.difference == pytest.approx((OTHER - ONE).mean())
    assert tests.welch_p == pytest.approx(stats.ttest_ind(ONE, OTHER, equal_var=False).pvalue)
    assert tests.wilcoxon_p == pytest.approx(stats.wilcoxon(ONE, OTHER).pvalue)
    # Without overlap of training parts it is the usual paired t-test.
    assert tests.corrected_p == pytest.approx(stats.ttest_rel(ONE, OTHER).pvalue)


def test_the_corrected_t_test_follows_nadeau_and_bengio_by_hand() -> None:
    # mean .02, variance .0001, n = 5, n_test/n_train = 1/8:
    # t = .02 / sqrt((1/5 + 1/8) * .0001) = 3.5082, 4 degrees of freedom
    differences = [0.01, 0.01, 0.02, 0.03, 0.03]
    t = 0.02 / np.sqrt((1 / 5 + 1 / 8) * 0.0001)
    assert t == pytest.approx(3.5082, abs=1e-4)
    assert corrected_p(differences, 1 / 8) == pytest.approx(2 * stats.t.sf(t, 4))
    assert corrected_p(differences, 1 / 8) > stats.ttest_1samp(differences, 0).pvalue


def test_systems_that_do_not_differ_are_not_significant() -> None:
    tests = compare_runs(ONE, ONE, test_share=0.25)
    assert (tests.wilcoxon_p, tests.corrected_p) == (1, 1)
    assert (tests.cohen_d, tests.rank_biserial) == (0, 0)
    assert tests.welch_p == pytest.approx(1)


def test_one_pair_decides_nothing() -> None:
    tests = compare_runs([0.5], [0.9], test_share=0.25)
    assert tests.difference == pytest.approx(0.4)
    decided = (tests.welch_p, tests.wilcoxon_p, tests.corrected_p, tests.cohen_d)
    assert np.isnan([*decided, tests.rank_biserial]).all()


def test_differences_without_spread_have_no_t_test() -> None:
    assert np.isnan(corrected_p([0.1, 0.1, 0.1], 0.25))
    assert np.isnan(cohen_d([0.1, 0.1, 0.1]))
    assert np.isnan(welch_p([0.5, 0.5], [0.6, 0.6]))


def test_the_signed_rank_test_can_go_no_lower_than_said() -> None:
    for count in (3, 5, 8):
        differences = np.arange(1, count + 1) / 100
        assert wilcoxon_p(differences) == pytest.approx(smallest_wilcoxon_p(count))


def test_ties_and_zeros_among_the_differences_raise_no_warning() -> None:
    assert 0 < wilcoxon_p([0.0, 0.1, 0.1, -0.1, 0.2]) <= 1
    assert rank_biserial([0.0, 0.1, 0.1, -0.1, 0.2]) == pytest.approx((2 + 2 - 2 + 4) / 10)


def test_holm_multiplies_the_smallest_p_by_their_number() -> None:
    assert holm([0.01, 0.02, float("nan"), 0.5])[[0, 1, 3]] == pytest.approx([0.03, 0.04, 0.5])
    assert np.isnan(holm([float("nan")])).all()
    assert holm([0.9, 0.8]).max() <= 1


def test_mcnemar_is_a_binomial_test_of_what_one_alone_has_right() -> None:
    assert mcnemar_p(3, 12) == pytest.approx(stats.binomtest(3, 15, 0.5).pvalue)
    assert mcnemar_p(0, 0) == 1


def test_many_confusions_are_scored_as_one_is() -> None:
    matrices = GENERATOR.integers(0, 9, (7, 4, 4)) + np.eye(4, dtype=int)
    scores = bootstrap.score_confusions(matrices)
    assert scores.wa == pytest.approx([weighted_accuracy(matrix) for matrix in matrices])
    assert scores.ua == pytest.approx([unweighted_accuracy(matrix) for matrix in matrices])
    # An emotion that does not occur is no zero; an answer that is no emotion is wrong.
    assert float(bootstrap.score_confusions([[2, 0, 2], [0, 0, 0]]).ua) == 0.5


def test_speakers_that_are_alike_leave_no_doubt() -> None:
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
