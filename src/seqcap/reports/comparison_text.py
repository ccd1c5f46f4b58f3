"""A comparison as Markdown, as rows of CSV, and as JSON."""

import dataclasses
import json
import math
from typing import Any

from seqcap.reports.comparison import Comparison, Difference, Line
from seqcap.reports.report_blocks import (
    Table,
    Text,
    both_p,
    number,
    p_value,
    percent,
    points,
    span,
)
from seqcap.reports.report_markdown import as_markdown
from seqcap.scoring.metrics import WHAT_SCORES_MEAN
from seqcap.scoring.significance import RunTests, holm


def comparison_as_markdown(comparison: Comparison) -> str:
    """Writes a comparison as a Markdown page."""
    return as_markdown(comparison_blocks(comparison))


def comparison_blocks(comparison: Comparison) -> list[Text | Table]:
    """Tells scores, differences from the first, and tests over runs where there are any."""
    drawn = "speakers" if comparison.by_speaker else "utterances"
    first = comparison.lines[0].name
    blocks: list[Text | Table] = [
        Text(
            f"{WHAT_SCORES_MEAN} {comparison.utterances:,} utterances, emotions "
            f"{', '.join(comparison.emotions)}. 95 %: interval by bootstrap over "
            f"{comparison.groups:,} {drawn}; differences in points from {first}, paired."
        ),
        *map(Text, comparison.notes),
        Table(
            ("", "n", "WA", "95 %", "UA", "95 %"),
            tuple(
                (line.name, f"{line.answers:,}", percent(line.wa), span(line.wa_interval),
                 percent(line.ua), span(line.ua_interval))
                for line in comparison.lines
            ),
        ),
        Text(
            f"Less {first}. McNemar: exact test of the utterances that only one of both has right, "
            "as if utterances were independent; in brackets, here and below, p corrected for the "
            "number of comparisons (Holm)."
        ),
        Table(
            ("", "WA", "95 %", "UA", "95 %", "only this", "only the first", "McNemar p (Holm)"),
            tuple(
                (line.name, points(d.wa), span(d.wa_interval, signed=True), points(d.ua),
                 span(d.ua_interval, signed=True), str(d.only_this), str(d.only_first),
                 both_p(d.mcnemar_p, corrected))
                for (line, d), corrected in zip(
                    _differences(comparison),
                    holm([d.mcnemar_p for _, d in _differences(comparison)]),
                    strict=True,
                )
            ),
        ),
    ]  # fmt: skip
    over_runs = [*_over_runs(comparison, "wa"), *_over_runs(comparison, "ua")]
    if over_runs:
        header = ("", "score", "pairs", "difference", "Welch p", "Wilcoxon p (Holm)",
                  "corrected t p (Holm)", "d", "r")  # fmt: skip
        blocks += [
            Text(
                "Over folds and seeds that both have: Welch's t-test as if runs were independent "
                "(as the paper does), Wilcoxon's signed-rank test and the corrected resampled "
                "t-test (Nadeau and Bengio, 2003) of the pairs, Cohen's d of paired differences, "
                "matched-pairs rank-biserial correlation r."
            ),
            Table(header, tuple(over_runs), left=2),
        ]
    return blocks


def comparison_as_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Gives one flat row for each, shares from 0 to 1; empty where nothing is known."""
    rows = []
    for line in comparison.lines:
        row: dict[str, Any] = {"name": line.name, "utterances": comparison.utterances}
        row |= {"answers": line.answers, "wa": line.wa, "ua": line.ua}
        row |= _ends("wa", line.wa_interval) | _ends("ua", line.ua_interval)
        d = line.difference
        row |= {"wa_difference": d.wa if d else None, "ua_difference": d.ua if d else None}
        row |= _ends("wa_difference", d.wa_interval if d else None)
        row |= _ends("ua_difference", d.ua_interval if d else None)
        row |= {name: getattr(d, name) if d else None
                for name in ("only_first", "only_this", "mcnemar_p")}  # fmt: skip
        for score in ("wa", "ua"):
            tests = getattr(d, f"{score}_runs") if d else None
            for field in dataclasses.fields(RunTests):
                row[f"{score}_runs_{field.name}"] = getattr(tests, field.name) if tests else None
        rows.append(row)
    return rows


def comparison_as_json(comparison: Comparison) -> str:
    """Writes everything there is; null where nothing is known."""
    return json.dumps(_without_nan(dataclasses.asdict(comparison)), indent=1, ensure_ascii=False)


def _differences(comparison: Comparison) -> list[tuple[Line, Difference]]:
    return [(line, line.difference) for line in comparison.lines if line.difference is not None]


def _over_runs(comparison: Comparison, score: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, RunTests]] = [
        (line.name, tests)
        for line, d in _differences(comparison)
        if (tests := getattr(d, f"{score}_runs")) is not None
    ]
    wilcoxon = holm([tests.wilcoxon_p for _, tests in found])
    corrected = holm([tests.corrected_p for _, tests in found])
    return [
        (
            name,
            score.upper(),
            str(tests.count),
            points(tests.difference),
            p_value(tests.welch_p),
            both_p(tests.wilcoxon_p, wilcoxon[place]),
            both_p(tests.corrected_p, corrected[place]),
            number(tests.cohen_d),
            number(tests.rank_biserial),
        )
        for place, (name, tests) in enumerate(found)
    ]


def _ends(name: str, interval: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
