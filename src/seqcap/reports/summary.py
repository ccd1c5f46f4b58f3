"""One table over several experiments: their entries, WA and UA on test speakers."""

import os
from collections.abc import Sequence
from pathlib import Path

from seqcap.errors import SettingsError
from seqcap.reports.entry_scores import score_entry
from seqcap.reports.experiment_results import PlanResults, read_plans
from seqcap.reports.report_blocks import Table, Text, listed, percent, span
from seqcap.reports.report_markdown import as_markdown
from seqcap.reports.report_verdict import chance_ua
from seqcap.scoring.metrics import WHAT_SCORES_MEAN

MARKER = "<!-- results -->"
_TESTED = "table5"  # the section of plans whose test parts may be looked at


def summarise(folders: Sequence[Path], beside: Path) -> str:
    """Writes a table of all entries with results on test speakers, as Markdown.

    Grids that only compare settings on validation speakers are left out.

    Args:
        folders: Of the experiments.
        beside: Folder of the file that the table is for; links to the reports start there.

    Raises:
        SettingsError: A folder without plans, or no entry with results in any of them.
    """
    rows = [
        row
        for folder in folders
        for plan in read_plans(folder)
        if not plan.shows or _TESTED in plan.shows
        for row in _rows(plan, folder, beside)
    ]
    if not rows:
        raise SettingsError(
            f"{', '.join(map(str, folders))}: no results on test speakers; a grid that shows "
            f"{_TESTED} is expected"
        )
    header = (
        "experiment", "recipe", "entry", "emotions", "speakers", "runs",
        "WA", "UA", "95 %", "chance",
    )  # fmt: skip
    told = (
        f"{WHAT_SCORES_MEAN} Percent, pooled over the test utterances of all folds and seeds. "
        "95 %: interval of the UA by bootstrap over the tested speakers. Chance: UA of guessing."
    )
    return as_markdown([Text(told), Table(header, tuple(rows), left=3)]).strip()


def _rows(plan: PlanResults, folder: Path, beside: Path) -> list[tuple[str, ...]]:
    report = Path(os.path.relpath(folder / "report.md", beside)).as_posix()
    rows: list[tuple[str, ...]] = []
    for entry in plan.done:
        scores = score_entry(entry, plan.emotions)
        rows.append(
            (
                f"[{folder.name}]({report})",
                plan.recipe,
                entry.label,
                str(len(plan.emotions)),
                str(scores.speaker_count),
                f"{len(entry.done)} (seeds {listed(sorted({run.seed for run in entry.done}))})",
                percent(scores.wa.pooled),
                percent(scores.ua.pooled),
                span(scores.ua.interval),
                percent(chance_ua(plan)),
            )
        )
    return rows
