"""Tests of significance: the paper's t-test over runs, and tests that respect pairs.

Scores of the same fold and seed are paired, and folds share most of their training part. A t-test
that assumes independent runs (Sec. VI-A) has the wrong variance.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

_DECIMALS = 12  # scores that differ by less are the same but for rounding


@dataclass(frozen=True)
class RunTests:
    """Tests of two systems' scores, run by run; NaN where there are too few runs.

    Attributes:
        count: Pairs of runs.
        difference: Mean of the second system's scores minus the mean of the first one's.
        welch_p: t-test over runs as if they were independent, without equal variances.
        wilcoxon_p: Signed-rank test of the pairs.
        corrected_p: Corrected resampled t-test of the pairs (Nadeau and Bengio, 2003).
        cohen_d: Mean difference in units of the differences' standard deviation.
        rank_biserial: Share of rank sums in favour of the second system minus that of the first,
            -1 to 1.

    Example:
        >>> compare_runs([0.5, 0.6], [0.6, 0.7], test_share=0.25).rank_biserial
        1.0
    """

    count: int
    difference: float
    welch_p: float
    wilcoxon_p: float
    corrected_p: float
    cohen_d: float
    rank_biserial: float


def compare_runs(first: ArrayLike, second: ArrayLike, test_share: float) -> RunTests:
    """Tests the scores of two systems on the same folds with the same seeds.

    Args:
        first: Scores of one system, shape ``(run,)``.
        second: The other's, in the same order.
        test_share: Size of the test part divided by that of the training part.

    Returns:
        Every test; all two-sided.

    Example:
        >>> tests = compare_runs([0.5, 0.6, 0.7], [0.6, 0.6, 0.9], test_share=0.25)
        >>> round(tests.difference, 3), tests.count, tests.rank_biserial
        (0.1, 3, 1.0)
    """
    one, other = np.asarray(first, float), np.asarray(second, float)
    differences = np.round(other - one, _DECIMALS)
    return RunTests(
        count=len(differences),
        difference=float(differences.mean()) if len(differences) else float("nan"),
        welch_p=welch_p(one, other),
        wilcoxon_p=wilcoxon_p(differences),
        corrected_p=corrected_p(differences, test_share),
        cohen_d=cohen_d(differences),
        rank_biserial=rank_biserial(differences),
    )


def welch_p(first: ArrayLike, second: ArrayLike) -> float:
    """Gives p of Welch's t-test: the paper's t-test over runs, for unequal variances (Sec. VI-A).

    Args:
        first: Scores of one system, shape ``(run,)``.
        second: Scores of the other, shape ``(run,)``.

    Returns:
        Two-sided; NaN for fewer than two runs a system, or if nothing varies.

    Example:
        >>> round(welch_p([0.5, 0.6, 0.7], [0.7, 0.8, 0.9]), 3)
        0.07
    """
    one = np.round(np.asarray(first, float), _DECIMALS)
    other = np.round(np.asarray(second, float), _DECIMALS)
    if min(len(one), len(other)) < 2 or (np.ptp(one) == 0 and np.ptp(other) == 0):
        return float("nan")
    with warnings.catch_warnings():
        # Where the runs of one system are all alike, only the other's variance counts.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        return float(stats.ttest_ind(other, one, equal_var=False).pvalue)


def wilcoxon_p(differences: ArrayLike) -> float:
    """Gives p of Wilcoxon's signed-rank test; pairs without a difference are left out.

    Args:
        differences: Of scores, run by run, shape ``(run,)``.

    Returns:
        Two-sided; 1 if no pair differs, NaN for fewer than two pairs.

    Example:
        >>> wilcoxon_p([0.1, 0.2, 0.3, 0.4, 0.5])
        0.0625
    """
    values = np.round(np.asarray(differences, float), _DECIMALS)
    if len(values) < 2:
        return float("nan")
    values = values[values != 0]
    return float(stats.wilcoxon(values).pvalue) if len(values) else 1.0


def smallest_wilcoxon_p(count: int) -> float:
    """Gives the smallest p that the signed-rank test can reach.

    Args:
        count: Number of pairs, at least 1.

    Returns:
        0 to 1.

    Example:
        >>> smallest_wilcoxon_p(5)
        0.0625
    """
    return float(2.0 ** (1 - count))


def corrected_p(differences: ArrayLike, test_share: float) -> float:
    """Gives p of the corrected resampled t-test (Nadeau and Bengio, Machine Learning 52, 2003).

    Training parts overlap, so the runs' variance is too small. It is multiplied by
    :math:`1/n + n_{test}/n_{train}` instead of :math:`1/n`.

    Args:
        differences: Of scores, run by run, shape ``(run,)``.
        test_share: Size of the test part divided by that of the training part.

    Returns:
        Two-sided, with n - 1 degrees of freedom. 1 if no pair differs; NaN for fewer than two
        pairs, or if the differences do not vary.

    Example:
        >>> round(corrected_p([0.1, 0.2, 0.3], test_share=0.25), 4)
        0.1201
    """
    values = np.round(np.asarray(differences, float), _DECIMALS)
    count = len(values)
    if count < 2:
        return float("nan")
    if np.ptp(values) == 0:
        return 1.0 if values[0] == 0 else float("nan")
    t = values.mean() / np.sqrt((1 / count + test_share) * values.var(ddof=1))
    return float(2 * stats.t.sf(abs(t), count - 1))


def cohen_d(differences: ArrayLike) -> float:
    """Mean of paired differences divided by their standard deviation (Cohen's d of pairs).

    Args:
        differences: Of scores, run by run, shape ``(run,)``.

    Returns:
        0 if no pair differs; NaN for fewer than two pairs, or if the differences do not vary.

    Example:
        >>> cohen_d([1.0, 2.0, 3.0])
        2.0
    """
    values = np.round(np.asarray(differences, float), _DECIMALS)
    if len(values) < 2:
        return float("nan")
    if np.ptp(values) == 0:
        return 0.0 if values[0] == 0 else float("nan")
    return float(values.mean() / values.std(ddof=1))


def rank_biserial(differences: ArrayLike) -> float:
    """Matched-pairs rank-biserial correlation: how one-sided the signed ranks are.

    Args:
        differences: Of scores, run by run, shape ``(run,)``.

    Returns:
        -1 to 1; 0 if no pair differs, NaN for fewer than two pairs.

    Example:
        >>> rank_biserial([1.0, 2.0, -3.0])
        0.0
    """
    values = np.round(np.asarray(differences, float), _DECIMALS)
    if len(values) < 2:
        return float("nan")
    values = values[values != 0]
    if not len(values):
        return 0.0
    ranks = stats.rankdata(np.abs(values))
    return float((np.sign(values) * ranks).sum() / ranks.sum())


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Corrects p values for the number of comparisons (Holm, 1979).

    Args:
        p_values: Shape ``(comparison,)``; NaN counts as no comparison.

    Returns:
        Corrected p values, the same shape, at most 1; NaN where there was one.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, float)
    corrected = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return corrected


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Gives the exact p of McNemar's test: utterances that only one of two systems has right.

    Args:
        only_first: Right by the first, wrong by the second.
        only_second: Wrong by the first, right by the second.

    Returns:
        Two-sided; 1 if both counts are 0.

    Example:
        >>> mcnemar_p(0, 5)
        0.0625
    """
    count = only_first + only_second
    return float(stats.binomtest(only_first, count).pvalue) if count else 1.0
