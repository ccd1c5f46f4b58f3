"""What separates two entries: the paper's t-test over runs, and beside it tests of pairs."""

from collections.abc import Sequence
from itertools import combinations

from seqcap.reports import paper_values as paper
from seqcap.reports.entry_scores import EntryTests, compare_entries
from seqcap.reports.experiment_results import EntryResults, PlanResults
from seqcap.reports.report_blocks import (
    NOTHING,
    Block,
    Table,
    Text,
    both_p,
    number,
    p_value,
    points,
    span,
)
from seqcap.scoring.bootstrap import Interval
from seqcap.scoring.metrics import WHAT_SCORES_MEAN
from seqcap.scoring.significance import RunTests, holm, smallest_wilcoxon_p

_ALL_PAIRS = 4  # entries; more of them are compared with the first one only


def significance(plan: PlanResults) -> list[Block]:
    """Tests of the paper's comparisons and of your own entries, on folds and seeds in common."""
    pairs = pairs_of(plan.done)
    tested = []
    for first, second in pairs:
        tests = compare_entries(first, second, plan.emotions, plan.test_share(second.done))
        if tests is not None:
            tested.append((first.label, second.label, tests))
    if not tested:
        return [Text("No two entries have results on the same fold with the same seed yet.")]
    return comparison_blocks(tested, plan.emotions, plan.is_beside_paper)


def comparison_blocks(
    tested: Sequence[tuple[str, str, EntryTests]],
    emotions: Sequence[str] = (),
    beside_paper: bool = False,
) -> list[Block]:
    """Says how was tested, and a table each for WA, UA and, of given emotions, their recalls.

    Args:
        tested: Labels of both entries, the first one is subtracted, and their tests.
        emotions: Of the entries, in the order of the confusion matrix.
        beside_paper: Show the paper's differences and claims too.
    """
    count = max(tests.wa.count for _, _, tests in tested)
    blocks: list[Block] = [
        Text(
            f"{WHAT_SCORES_MEAN} Difference: in points, mean over the runs that both have. Pooled: "
            "with these runs' test utterances as one test. 95 %: interval of the pooled difference "
            "by paired bootstrap over speakers (at most "
            f"{max(tests.speaker_count for _, _, tests in tested)})."
        ),
        Text(
            "All tests are two-sided. Welch: t-test over runs (folds × seeds) as if they were "
            "independent, closest to the paper's. It is not reliable: folds differ in difficulty "
            "and share training data. The other tests are paired by fold and seed. Wilcoxon: "
            f"signed-rank test (with {count} pairs, p is at least "
            f"{p_value(smallest_wilcoxon_p(count))}). Corrected t: resampled t-test (Nadeau and "
            "Bengio, 2003), with the variance times 1/n + n_test/n_train because training parts "
            f"overlap. In brackets: p corrected for {len(tested)} "
            f"comparison{'s' * (len(tested) > 1)} (Holm). d: Cohen's d of paired differences. r: "
            "matched-pairs rank-biserial correlation, -1 to 1."
        ),
    ]
    for name in ("wa", "ua"):
        blocks += [Text(f"**{name.upper()}**"), _table(tested, name, beside_paper)]
    if not emotions:
        return blocks
    blocks += [
        Text(
            "**Recall by emotion**: difference in points, and its 95 % interval. Bold: the "
            "interval is on one side of zero; intervals are not corrected for their number."
        ),
        _recalls(tested, emotions),
    ]
    return blocks


def _recalls(tested: Sequence[tuple[str, str, EntryTests]], emotions: Sequence[str]) -> Table:
    rows = [
        (f"{second} less {first}", *map(_recall, tests.recalls, tests.recall_intervals))
        for first, second, tests in tested
    ]
    return Table(("comparison", *emotions), tuple(rows))


def _recall(difference: float, interval: Interval | None) -> str:
    if interval is None:
        return points(difference)
    text = f"{points(difference)} ({span(interval, signed=True)})"
    low, high = interval
    return f"**{text}**" if low > 0 or high < 0 else text


def pairs_of(entries: Sequence[EntryResults]) -> list[tuple[EntryResults, EntryResults]]:
    """Chooses what is compared: the paper's comparisons, and everything that is not the paper's.

    Returns:
        Pairs, the one that is subtracted first. Where a system stands in several entries, these
        are compared with one another. Entries that the paper does not compare are compared with
        all others if they are few, else with the first entry.
    """
    by_system: dict[str, list[EntryResults]] = {}
    for entry in entries:
        if not entry.of:
            by_system.setdefault(entry.system, []).append(entry)
    if any(len(same) > 1 for same in by_system.values()):
        return [pair for same in by_system.values() for pair in combinations(same, 2)]
    there = {entry.label: entry for entry in entries}
    chosen = [(c.other, c.system) for c in paper.COMPARISONS if {c.other, c.system} <= set(there)]
    named = {label for pair in chosen for label in pair}
    labels = list(there)
    pairs = list(combinations(labels, 2))
    if len(labels) > _ALL_PAIRS:
        pairs = [(labels[0], label) for label in labels[1:]]
    chosen += [pair for pair in pairs if not set(pair) <= named and pair not in chosen]
    return [(there[first], there[second]) for first, second in chosen]


def _table(tested: Sequence[tuple[str, str, EntryTests]], name: str, beside_paper: bool) -> Table:
    runs: list[RunTests] = [getattr(tests, name) for _, _, tests in tested]
    wilcoxon = holm([one.wilcoxon_p for one in runs])
    corrected = holm([one.corrected_p for one in runs])
    rows = []
    for place, (first, second, tests) in enumerate(tested):
        one = runs[place]
        rows.append(
            (
                f"{second} less {first}",
                str(one.count),
                points(one.difference),
                points(getattr(tests, f"{name}_pooled")),
                span(getattr(tests, f"{name}_interval"), signed=True),
                p_value(one.welch_p),
                both_p(one.wilcoxon_p, wilcoxon[place]),
                both_p(one.corrected_p, corrected[place]),
                number(one.cohen_d),
                number(one.rank_biserial),
                *(_theirs(first, second, name) if beside_paper else ()),
            )
        )
    header = (
        "comparison", "pairs", "difference", "pooled", "95 %", "Welch p", "Wilcoxon p (Holm)",
        "corrected t p (Holm)", "d", "r",
        *(("paper's difference", "paper's claim") if beside_paper else ()),
    )  # fmt: skip
    return Table(header, tuple(rows))


def _theirs(first: str, second: str, name: str) -> tuple[str, str]:
    if first not in paper.TABLE_5 or second not in paper.TABLE_5:
        return NOTHING, NOTHING
    difference = getattr(paper.TABLE_5[second], name) - getattr(paper.TABLE_5[first], name)
    claims = [c.claim for c in paper.COMPARISONS if (c.other, c.system) == (first, second)]
    return points(difference), "".join(claims) or NOTHING


def recipes(plans: Sequence[PlanResults]) -> list[Block]:
    """Compares the same system under two recipes, paired by fold and seed.

    Returns:
        Nothing where no two plans differ in their recipe and share corpus, labels and folds.
    """
    tested: dict[tuple[str, ...], tuple[str, str, EntryTests]] = {}
    for one, other in combinations(plans, 2):
        alike = (one.corpus, one.emotions, one.folds) == (other.corpus, other.emotions, other.folds)
        if one.recipe == other.recipe or not alike:
            continue
        there = {entry.label: entry for entry in other.done}
        for entry in one.done:
            if entry.label not in there:
                continue
            second = there[entry.label]
            # Several grids may share runs.
            names = (entry.label, *(run.name for run in (*entry.runs, *second.runs)))
            if names in tested:
                continue
            tests = compare_entries(entry, second, one.emotions, one.test_share(entry.done))
            if tests is not None:
                first_name, second_name = (f"{entry.label} ({p.recipe})" for p in (one, other))
                tested[names] = (first_name, second_name, tests)
    return comparison_blocks(list(tested.values())) if tested else []
