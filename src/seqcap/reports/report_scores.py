"""Tables IV and V and Fig. 7: WA and UA of every entry, beside the paper's."""

from collections.abc import Sequence
from typing import Any

from scipy import stats

from seqcap.reports import paper_values as paper
from seqcap.reports.entry_scores import EntryScores, compare_entries, score_entry
from seqcap.reports.experiment_results import EntryResults, PlanResults
from seqcap.reports.report_blocks import (
    Block,
    Figure,
    Table,
    Text,
    mean_and_deviation,
    number,
    p_value,
    paper_percent,
    percent,
    points,
    span,
)
from seqcap.reports.report_figures import draw_iterations, draw_scores
from seqcap.scoring.metrics import WHAT_SCORES_MEAN

_HOW_SPREAD = (
    "Percent. ± is the standard deviation over runs (folds × seeds); pooled: all runs' test "
    "utterances as one test; 95 %: interval of the pooled score by bootstrap over speakers."
)
_UNKNOWN_SPEAKERS = (
    "Systems that adapt to speakers know each by all their recordings in the test part, labels "
    'aside; "unknown speakers": each recording is heard as if it were all there is of its speaker.'
)


def table5(plan: PlanResults) -> list[Block]:
    """WA and UA of systems and combinations, with their spread, beside the paper's."""
    rows, scored = [], {}
    for entry in plan.done:
        scores = scored[entry.label] = score_entry(entry, plan.emotions)
        in_paper = paper.TABLE_5.get(entry.label)
        rows.append(
            (
                entry.label + ("" if len(entry.done) == len(entry.runs) else " (incomplete)"),
                f"{len(entry.done)} of {len(entry.runs)}",
                *_score_cells(scores),
                paper_percent(in_paper.wa if in_paper else None),
                paper_percent(in_paper.ua if in_paper else None),
            )
        )
    header = (
        "system", "runs", "WA", "WA pooled", "95 %", "UA", "UA pooled", "95 %",
        "paper WA", "paper UA",
    )  # fmt: skip
    speakers = max(scores.speaker_count for scores in scored.values())
    return [
        Text(f"{WHAT_SCORES_MEAN} {_HOW_SPREAD} Speakers tested: {speakers}."),
        *(
            [Text(_UNKNOWN_SPEAKERS)]
            if any(entry.is_of_unknown_speakers for entry in plan.done)
            else []
        ),
        Table(header, tuple(rows)),
        Figure(
            f"{plan.grid}-scores",
            draw_scores(scored),
            "Pooled WA and UA with their 95 % intervals over speakers.",
        ),
        Text(comparability(plan)),
        *_ordering(plan, scored),
    ]


def comparability(plan: PlanResults) -> str:
    """Says what of the paper's figures may be compared with ours."""
    facts = plan.corpus_facts
    theirs = f"{sum(paper.TABLE_3.values()):,} utterances of {paper.SPEAKER_COUNT} speakers"
    quoted = (
        f"{' and '.join(paper.QUOTED)} stand in the paper as quoted from other work. "
        f"The paper's figures: {paper.SOURCE}."
    )
    if plan.corpus == (paper.CORPUS,) and dict(facts["emotions"]) == paper.TABLE_3:
        return (
            f"What may be compared with the paper: the corpus and its {theirs} are the same, by "
            "count; division and training are this implementation's, so that levels should agree "
            f"within their spread. {quoted}"
        )
    return (
        f"What may be compared with the paper: its figures are of IEMOCAP (English, improvised, "
        f"{theirs}), these of {plan.corpus_name} ({facts['utterances']:,} utterances of "
        f"{facts['speakers']} speakers). Other people in another language, whose emotions came "
        "about in another way, with other counts: the levels cannot be compared. Only the order "
        f"of the systems and the differences between them may be looked at. {quoted}"
    )


def table4(plan: PlanResults) -> list[Block]:
    """What the curriculum changes, for each system trained with and without it."""
    rows = []
    pairs: dict[str, dict[bool, EntryResults]] = {}
    for entry in plan.trained:
        pairs.setdefault(entry.system, {})[_setting(entry)["curriculum"]] = entry
    for system, pair in pairs.items():
        if len(pair) < 2:
            continue
        tests = compare_entries(
            pair[False], pair[True], plan.emotions, plan.test_share(pair[True].done)
        )
        if tests is None:
            continue
        without, with_it = (score_entry(pair[on], plan.emotions) for on in (False, True))
        theirs = paper.TABLE_4.get(system)
        rows.append(
            (
                system,
                str(tests.wa.count),
                *(percent(one.wa.mean) for one in (without, with_it)),
                points(tests.wa.difference),
                span(tests.wa_interval, signed=True),
                points(theirs[1].wa - theirs[0].wa if theirs else None),
                *(percent(one.ua.mean) for one in (without, with_it)),
                points(tests.ua.difference),
                span(tests.ua_interval, signed=True),
                points(theirs[1].ua - theirs[0].ua if theirs else None),
                p_value(tests.ua.corrected_p),
            )
        )
    header = (
        "system", "pairs", "WA without", "WA with", "difference", "95 %", "paper's difference",
        "UA without", "UA with", "difference", "95 %", "paper's difference", "UA: p",
    )  # fmt: skip
    return [
        Text(
            f"{WHAT_SCORES_MEAN} The first epoch in order of increasing length (with) or shuffled "
            "(without); percent, means over runs; differences in points on the runs that both "
            "have, their 95 % interval by paired bootstrap over speakers, p of the corrected "
            "resampled t-test."
        ),
        Table(header, tuple(rows)) if rows else Text("No system has results with and without yet."),
    ]


def figure7(plan: PlanResults) -> list[Block]:
    """WA and UA by iterations of routing."""
    by_iterations = {
        _setting(entry)["capsules"]["routing_iterations"]: score_entry(entry, plan.emotions)
        for entry in plan.trained
    }
    scored = sorted(by_iterations.items(), key=lambda item: item[0])
    if len(scored) < 2:
        return [Text("Runs with two numbers of iterations or more are needed to compare them.")]
    rows = []
    for iterations, scores in scored:
        theirs = paper.FIGURE_7.get(iterations)
        rows.append(
            (
                str(iterations),
                *_score_cells(scores),
                paper_percent(theirs.wa if theirs else None),
                paper_percent(theirs.ua if theirs else None),
            )
        )
    header = (
        "iterations", "WA", "WA pooled", "95 %", "UA", "UA pooled", "95 %", "paper WA", "paper UA",
    )  # fmt: skip
    return [
        Text(
            f"{WHAT_SCORES_MEAN} {_HOW_SPREAD} The paper gives only the iterations of its text in "
            "numbers."
        ),
        Table(header, tuple(rows)),
        Figure(
            f"{plan.grid}-iterations",
            draw_iterations(dict(scored)),
            "WA and UA by iterations of routing (Fig. 7), pooled, with 95 % intervals over "
            "speakers.",
        ),
    ]


def _score_cells(scores: EntryScores) -> list[str]:
    cells = []
    for one in (scores.wa, scores.ua):
        cells += [mean_and_deviation(one.mean, one.deviation), percent(one.pooled)]
        cells.append(span(one.interval))
    return cells


def _ordering(plan: PlanResults, scored: dict[str, EntryScores]) -> list[Block]:
    # Only entries with results on the same folds and seeds can be put in order.
    most = max((set(entry.by_key) for entry in plan.done), key=len)
    alike = {entry.label for entry in plan.done if set(entry.by_key) == most}
    both = [label for label in paper.TABLE_5 if label in alike]
    if len(both) < 3:
        return []
    rows = []
    for name in ("wa", "ua"):
        ours = [getattr(scored[label], name).pooled for label in both]
        theirs = [getattr(paper.TABLE_5[label], name) for label in both]
        tau = stats.kendalltau(ours, theirs)
        rows.append(
            (
                name.upper(),
                _ranked(both, ours),
                _ranked(both, theirs),
                f"{number(tau.statistic)} (p {p_value(tau.pvalue)})",
            )
        )
    header = ("score", "our order, best first", "the paper's order", "Kendall's tau")
    return [
        Text(
            f"Order by pooled scores of the {len(both)} systems and combinations of the paper "
            f"that have results on the same {len(most)} runs here. Kendall's tau is "
            "1 for the same order, -1 for the opposite one, near 0 for orders that have nothing "
            "to do with one another."
        ),
        Table(header, tuple(rows), left=3),
    ]


def _ranked(labels: Sequence[str], scores: Sequence[float]) -> str:
    by_score: dict[float, list[str]] = {}
    for label, score in zip(labels, scores, strict=True):
        by_score.setdefault(score, []).append(label)
    return " > ".join(" = ".join(by_score[score]) for score in sorted(by_score, reverse=True))


def _setting(entry: EntryResults) -> dict[str, Any]:
    return dict(entry.done[0].provenance["settings"])
