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
from seqcap.reports.report_verdict import chance_ua, chance_wa, comparable_entries
from seqcap.scoring.metrics import WHAT_SCORES_MEAN

_HOW_SPREAD = (
    "Percent. ±: standard deviation over runs (folds × seeds). Pooled: all test utterances as one "
    "test. 95 %: interval of the pooled score by bootstrap over speakers."
)
_UNKNOWN_SPEAKERS = (
    "Systems with speaker adaptation use all unlabelled test recordings of a speaker. "
    '"Unknown speakers": each recording is recognised by itself.'
)


def table5(plan: PlanResults) -> list[Block]:
    """WA and UA of systems and combinations with their spread, and the paper's where it has them.

    Args:
        plan: With results.
    """
    scored = {entry.label: score_entry(entry, plan.emotions) for entry in plan.done}
    run_counts = {entry.label: len(entry.done) for entry in plan.done}
    alike = {
        entry.label: scored[entry.label]
        if len(entry.done) == run_counts[entry.label]
        else score_entry(entry, plan.emotions)
        for entry in comparable_entries(plan)
    }
    best = {
        name: max(alike, key=lambda label: getattr(alike[label], name).pooled)
        for name in ("wa", "ua")
    }
    rows = []
    for entry in plan.done:
        cells = [entry.label + ("" if len(entry.done) == len(entry.runs) else " (incomplete)")]
        cells.append(f"{len(entry.done)} of {len(entry.runs)}")
        for name in ("wa", "ua"):
            one = getattr(scored[entry.label], name)
            pooled = percent(one.pooled)
            cells.append(mean_and_deviation(one.mean, one.deviation))
            cells.append(f"**{pooled}**" if best[name] == entry.label else pooled)
            cells.append(span(one.interval))
        if plan.is_beside_paper:
            theirs = paper.TABLE_5.get(entry.label)
            cells += [paper_percent(one) for one in (theirs or (None, None))]
        rows.append(tuple(cells))
    chance = {"WA": chance_wa(plan), "UA": chance_ua(plan)}
    guessed = ["chance", "", "", percent(chance["WA"]), "", "", percent(chance["UA"]), ""]
    header = ["system", "runs", "WA", "WA pooled", "95 %", "UA", "UA pooled", "95 %"]
    if plan.is_beside_paper:
        header += ["paper WA", "paper UA"]
        guessed += ["", ""]
    speakers = max(scores.speaker_count for scores in scored.values())
    blocks: list[Block] = [
        Text(
            f"{WHAT_SCORES_MEAN} {_HOW_SPREAD} Speakers tested: {speakers}. Bold: best of the "
            "entries with the same runs. Chance: always the most frequent emotion (WA), or "
            "guessing (UA)."
        ),
        Table(tuple(header), (*rows, tuple(guessed))),
        Figure(
            f"{plan.grid}-scores",
            draw_scores(scored, chance),
            "Pooled WA and UA with their 95 % intervals over speakers; dashed: chance.",
        ),
    ]
    if any(entry.is_of_unknown_speakers for entry in plan.done):
        blocks.insert(1, Text(_UNKNOWN_SPEAKERS))
    if plan.is_beside_paper:
        blocks += [Text(comparability(plan)), *_ordering(plan, scored)]
    return blocks


def comparability(plan: PlanResults) -> str:
    """Says what of the paper's figures may be compared with ours."""
    facts = plan.corpus_facts
    theirs = f"{sum(paper.TABLE_3.values()):,} utterances of {paper.SPEAKER_COUNT} speakers"
    quoted = (
        f"The paper quotes {' and '.join(paper.QUOTED)} from other work. "
        f"The paper's figures: {paper.SOURCE}."
    )
    if plan.corpus == (paper.CORPUS,) and dict(facts["emotions"]) == paper.TABLE_3:
        return (
            f"Comparison with the paper: the corpus has the same {theirs}. Folds and training are "
            f"this implementation's, so scores should agree within their spread. {quoted}"
        )
    return (
        f"Comparison with the paper: its figures are for IEMOCAP (English, improvised, {theirs}). "
        f"These are for {plan.corpus_name} ({facts['utterances']:,} utterances of "
        f"{facts['speakers']} speakers), so the levels cannot be compared. Only the order of the "
        f"systems and the differences between them can. {quoted}"
    )


def table4(plan: PlanResults) -> list[Block]:
    """What the curriculum changes, for each system trained with and without it.

    Args:
        plan: With results.
    """
    pairs: dict[str, dict[bool, EntryResults]] = {}
    for entry in plan.trained:
        pairs.setdefault(entry.system, {})[_setting(entry)["curriculum"]] = entry
    rows = [
        row
        for system, pair in pairs.items()
        if len(pair) == 2 and (row := _curriculum_row(plan, system, pair[False], pair[True]))
    ]
    theirs = ("paper's difference",) if plan.is_beside_paper else ()
    header = (
        "system", "pairs", "WA without", "WA with", "difference", "95 %", *theirs,
        "UA without", "UA with", "difference", "95 %", *theirs, "UA: p",
    )  # fmt: skip
    return [
        Text(
            f"{WHAT_SCORES_MEAN} With curriculum, the first epoch is sorted by length; without, "
            "it is shuffled. Percent, means over runs. Differences in points on the runs that "
            "both have. 95 %: interval of the difference with all runs' utterances as one test, by "
            "paired bootstrap over speakers. p: corrected resampled t-test."
        ),
        Table(header, tuple(rows)) if rows else Text("No system has results with and without yet."),
    ]


def _curriculum_row(
    plan: PlanResults, system: str, without: EntryResults, with_it: EntryResults
) -> tuple[str, ...]:
    """One system of Table IV; nothing where the two have no run in common."""
    tests = compare_entries(without, with_it, plan.emotions, plan.test_share(with_it.done))
    if tests is None:
        return ()
    cells = [system, str(tests.wa.count)]
    both = [score_entry(entry, plan.emotions) for entry in (without, with_it)]
    theirs = paper.TABLE_4.get(system)
    for name in ("wa", "ua"):
        cells += [percent(getattr(scores, name).mean) for scores in both]
        cells.append(points(getattr(tests, name).difference))
        cells.append(span(getattr(tests, f"{name}_interval"), signed=True))
        if plan.is_beside_paper:
            before, after = (getattr(one, name) for one in theirs) if theirs else (0.0, None)
            cells.append(points(None if after is None else after - before))
    return (*cells, p_value(tests.ua.corrected_p))


def figure7(plan: PlanResults) -> list[Block]:
    """WA and UA by iterations of routing.

    Args:
        plan: With results.
    """
    by_iterations = {
        _setting(entry)["capsules"]["routing_iterations"]: score_entry(entry, plan.emotions)
        for entry in plan.trained
    }
    scored = sorted(by_iterations.items(), key=lambda item: item[0])
    if len(scored) < 2:
        return [Text("Runs with two numbers of iterations or more are needed to compare them.")]
    rows = []
    for iterations, scores in scored:
        theirs = paper.FIGURE_7.get(iterations) or (None, None)
        beside = map(paper_percent, theirs) if plan.is_beside_paper else ()
        rows.append((str(iterations), *_score_cells(scores), *beside))
    header = ["iterations", "WA", "WA pooled", "95 %", "UA", "UA pooled", "95 %"]
    told = f"{WHAT_SCORES_MEAN} {_HOW_SPREAD}"
    if plan.is_beside_paper:
        header += ["paper WA", "paper UA"]
        told += " The paper gives numbers only for the iterations that its text names."
    return [
        Text(told),
        Table(tuple(header), tuple(rows)),
        Figure(
            f"{plan.grid}-iterations",
            draw_iterations(dict(scored)),
            "WA and UA by iterations of routing, pooled, with 95 % intervals over speakers.",
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
            f"that have results on the same {len(most)} runs here. Kendall's tau is 1 for the "
            "same order, -1 for the opposite one and near 0 for unrelated orders."
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
