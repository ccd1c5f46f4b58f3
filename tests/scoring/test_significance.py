import numpy as np
import pytest
from scipy import stats

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


def test_mcnemar_is_a_binomial_test_of_discordant_utterances() -> None:
    assert mcnemar_p(3, 12) == pytest.approx(stats.binomtest(3, 15, 0.5).pvalue)
    assert mcnemar_p(0, 0) == 1
