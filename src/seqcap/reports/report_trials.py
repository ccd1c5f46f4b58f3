"""What was tried: entries by their scores on validation speakers, the only ones that may choose."""

from statistics import mean, median

from seqcap.reports.entry_scores import compare_entries, score_entry
from seqcap.reports.experiment_results import PlanResults
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
    entries = [entry.on_validation() for entry in plan.done if not entry.is_of_unknown_speakers]
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
        "trial", "runs", "WA", "UA", "UA pooled", "pairs", "gain in UA", "95 %", "p",
        "log loss", "minutes",
    )  # fmt: skip
    return [
        Text(
            f"{WHAT_SCORES_MEAN} Percent, on **validation speakers**. The temperature and, unless "
            "the last one is kept, the epoch were chosen on them too, so all scores are somewhat "
            "optimistic. Gain: difference in points to the first trial on the runs that both "
            "have, with the 95 % interval of the pooled gain by paired bootstrap over speakers. "
            "p: corrected resampled t-test, not corrected for the number of trials. Log loss: mean "
            "over runs; it separates trials sooner than UA. Minutes: median time of a training."
        ),
        Table(header, tuple(rows)),
    ]
