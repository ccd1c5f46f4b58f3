"""The two sentences at the top of a plan: which entry is best, and whether by more than chance."""

from collections.abc import Sequence

from seqcap.reports.entry_scores import (
    EntryScores,
    compare_entries,
    confusions_of,
    score_entry,
    speakers_of,
)
from seqcap.reports.experiment_results import EntryResults, PlanResults
from seqcap.reports.report_blocks import Block, Text, percent, span


def verdict(plan: PlanResults, part: str = "test") -> list[Block]:
    """Says which entry is best by pooled UA, with its interval, and how it compares with the next.

    Entries are ranked by the runs that all of them have, as `comparable_entries` chooses them.

    Args:
        plan: With at least one result.
        part: "test", or "validation" for grids that must not look at the test part.
    """
    entries = comparable_entries(plan)
    if part == "validation":
        entries = [entry.on_validation() for entry in entries]
    scored = {entry.label: score_entry(entry, plan.emotions) for entry in entries}
    ranked = sorted(entries, key=lambda entry: -scored[entry.label].ua.pooled)
    best, others = ranked[0], ranked[1:]
    ua = scored[best.label].ua
    interval = f"95 % {span(ua.interval)}" if ua.interval else "one speaker, so no interval"
    runs = f"{len(best.runs)} run{'s' * (len(best.runs) > 1)} that {len(entries)} entries have"
    whole = any(len(entry.runs) == len(best.runs) for entry in plan.done)
    alone = len(plan.entries) == 1
    sentence = (
        f"**{best.label}** {'has' if alone else 'is best with'} a UA of {percent(ua.pooled)} % on "
        f"{part} speakers {'' if whole else f'of the {runs} '}"
        f"({interval}; chance {percent(chance_ua(plan))} %)."
    )
    if alone:
        return [Text(sentence)]
    return [Text(f"{sentence} {_lead(plan, best, others, scored)}")]


def _lead(
    plan: PlanResults,
    best: EntryResults,
    others: Sequence[EntryResults],
    scored: dict[str, EntryScores],
) -> str:
    if not others:
        return "No other entry has results on the same runs."
    second = others[0]
    tests = compare_entries(second, best, plan.emotions, plan.test_share(best.done))
    lead = percent(scored[best.label].ua.pooled - scored[second.label].ua.pooled)
    told = f"It leads **{second.label}** by {lead} points"
    if tests is None or tests.ua_interval is None:
        return f"{told}; one speaker is too few to tell whether this is more than chance."
    low, high = tests.ua_interval
    beyond = "more" if low > 0 or high < 0 else "not more"
    return f"{told} (95 % {span(tests.ua_interval, signed=True)}), which is {beyond} than chance."


def comparable_entries(plan: PlanResults) -> list[EntryResults]:
    """Lists entries on folds and seeds that all of them have.

    Of an incomplete grid these are chosen so that most results are compared: more entries on fewer
    runs, or fewer entries on more. Answers of a system without speaker adaptation are not entries
    of their own.

    Args:
        plan: With at least one result.
    """
    entries = [entry for entry in plan.done if not entry.is_of_unknown_speakers]
    chosen = max(
        (set(entry.by_key) for entry in entries),
        key=lambda keys: (len(keys) * sum(keys <= set(e.by_key) for e in entries), len(keys)),
    )
    return [entry.on_runs(chosen) for entry in entries if chosen <= set(entry.by_key)]


def chance_ua(plan: PlanResults) -> float:
    """UA of guessing: one over the number of emotions."""
    return 1 / len(plan.emotions)


def chance_wa(plan: PlanResults) -> float:
    """WA of always answering the most frequent emotion of the tested utterances.

    Args:
        plan: With at least one result.
    """
    runs = max((entry.done for entry in plan.done), key=len)
    counts = confusions_of(runs, plan.emotions, speakers_of(runs)).sum(axis=(0, 2))
    return float(counts.max() / counts.sum())
