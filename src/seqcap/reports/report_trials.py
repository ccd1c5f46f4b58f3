"""What was tried: entries by their scores on validation speakers, the only ones that may choose."""

from dataclasses import replace
from statistics import mean, median

from seqcap.reports.entry_scores import compare_entries, score_entry
from seqcap.reports.experiment_results import EntryResults, PlanResults
from seqcap.reports.experiment_runs import actual_of, probabilities_of
from seqcap.reports.report_blocks import (
    NOTHING,
    Block,
    Table,
    Text,
    mean_and_deviation,
    number,
    p_value,
    percent,
    points,
    span,
)
from seqcap.scoring.metrics import WHAT_SCORES_MEAN, log_loss


def trials(plan: PlanResults) -> list[Block]:
    """WA and UA of every entry on validation speakers, and what it gains over the first entry."""
    entries = [_on_validation(entry) for entry in plan.done if not entry.is_of_unknown_speakers]
    rows = []
    for entry in entries:
        scores = score_entry(entry, plan.emotions)
        gain = None
        if entry is not entries[0]:
            share = plan.test_share(entry.done)
            gain = compare_entries(entries[0], entry, plan.emotions, share)
        losses = [
            log_loss(probabilities_of(run.test, plan.emotions), actual_of(run.test, plan.emotions))
            for run in entry.done
        ]
        minutes = [run.resources["training_s"] / 60 for run in entry.done if run.resources]
        rows.append(
            (
                entry.label,
                str(len(entry.done)),
                mean_and_deviation(scores.wa.mean, scores.wa.deviation),
                mean_and_deviation(scores.ua.mean, scores.ua.deviation),
                percent(scores.ua.pooled),
                str(gain.ua.count) if gain else NOTHING,
                points(gain.ua.difference if gain else None),
                span(gain.ua_interval if gain else None, signed=True),
                p_value(gain.ua.corrected_p) if gain else NOTHING,
                number(mean(losses), 3),
                number(median(minutes), 1) if minutes else NOTHING,
            )
        )
    header = (
        "trial", "runs", "WA", "UA", "UA pooled", "pairs", "UA less the first", "95 %", "p",
        "log loss", "minutes",
    )  # fmt: skip
    return [
        Text(
            f"{WHAT_SCORES_MEAN} Percent, **of validation speakers**, by which the temperature "
            "and, unless the last one is kept, the epoch were chosen too, so that all are somewhat "
            "too good. Differences in points on the runs "
            "that both have, their 95 % interval by paired bootstrap over speakers, p of the "
            "corrected resampled t-test, not corrected for the number of trials. Log loss: of "
            "the right emotions' probabilities, mean of the runs; it tells trials apart sooner "
            "than UA. Minutes of training: median."
        ),
        Table(header, tuple(rows)),
    ]


def _on_validation(entry: EntryResults) -> EntryResults:
    """The same entry as if its validation speakers were its test."""
    return replace(entry, runs=tuple(replace(run, test=run.validation) for run in entry.runs))
