"""The report of an experiment: Markdown, a page and figures, from its result files alone.

The same folder gives the same report, byte for byte.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from seqcap.errors import SettingsError, suggestion
from seqcap.files import atomic_write
from seqcap.reports.experiment_results import PlanResults, Track, read_plans
from seqcap.reports.report_blocks import Block, Figure, Heading, Text
from seqcap.reports.report_html import as_html
from seqcap.reports.report_markdown import FIGURES_FOLDER, as_markdown
from seqcap.reports.report_overview import cost, overview
from seqcap.reports.report_scores import figure7, table4, table5
from seqcap.reports.report_significance import recipes, significance
from seqcap.reports.report_tables import (
    calibration,
    confusion_table,
    confusions,
    speakers,
    table2,
    table3,
)
from seqcap.reports.report_training import curves, figure8
from seqcap.reports.report_trials import trials
from seqcap.reports.report_verdict import verdict

Section = Callable[[PlanResults], list[Block]]

# In the order in which they are read; a plan's `shows` chooses among them.
SECTIONS: dict[str, tuple[str, Section]] = {
    "table2": ("Parameters", table2),
    "table3": ("Utterances by emotion and speaker", table3),
    "table4": ("Curriculum", table4),
    "table5": ("WA and UA", table5),
    "significance": ("Differences and tests", significance),
    "table6": ("Confusions of CNN_SeqCap", partial(confusion_table, system="CNN_SeqCap")),
    "table7": ("Confusions of CNN_RecCap", partial(confusion_table, system="CNN_RecCap")),
    "confusions": ("Confusions", confusions),
    "figure7": ("Iterations of routing", figure7),
    "figure8": ("Gradients", figure8),
    "trials": ("On validation speakers", trials),
    "curves": ("Learning curves", curves),
    "speakers": ("By speaker", speakers),
    "calibration": ("Calibration", calibration),
    "cost": ("Time and memory", cost),
}
# What the paper calls them, for grids that stand beside it.
_IN_PAPER = {
    "table2": "Table II", "table3": "Table III", "table4": "Table IV", "table5": "Table V",
    "table6": "Table VI", "table7": "Table VII", "figure7": "Fig. 7", "figure8": "Fig. 8",
}  # fmt: skip
# What can be said before anything is trained, and of any grid that does not say what it shows.
_WITHOUT_RESULTS = ("table2", "table3")
_USUAL = (
    "table2", "table3", "table5", "significance", "confusions", "curves", "speakers",
    "calibration", "cost",
)  # fmt: skip


def make_report(plans: Sequence[PlanResults]) -> list[Block]:
    """Puts together what all plans of an experiment show.

    Args:
        plans: As `read_plans` gives them.

    Returns:
        The blocks, a heading of level 2 for each plan.

    Raises:
        SettingsError: A plan has a section that no report has.

    Example:
        >>> make_report([])  # without plans only the title
        [Heading(level=1, text='Speech emotion recognition: ')]
    """
    blocks: list[Block] = [Heading(1, _title(plans))]
    for plan in plans:
        blocks += [Heading(2, plan.title), *_verdict(plan), *overview(plan)]
        for name in _wanted(plan):
            if name in _WITHOUT_RESULTS or plan.done:
                blocks += [Heading(3, _heading(plan, name)), *SECTIONS[name][1](plan)]
        if not plan.done and any(entry.runs for entry in plan.entries):
            blocks.append(Text("No run is done yet, so there are no results to show."))
    both = recipes(plans)
    if both:
        blocks += [Heading(2, "The same systems under other recipes"), *both]
    return blocks


def write_report(folder: Path, output: Path, track: Track = iter) -> list[Path]:
    """Writes `report.md`, `report.html` and `figures/*.svg`.

    Args:
        folder: Folder of the experiment.
        output: Where they are written; usually the same folder.
        track: Iterates over the runs and may show progress.

    Returns:
        The files.

    Raises:
        SettingsError: No plans in the folder, or something in it that cannot be read.

    Example:
        >>> write_report(Path("absent"), Path("absent"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        seqcap.errors.SettingsError: absent: ...
    """
    plans = read_plans(folder, track)
    blocks = make_report(plans)
    title = _title(plans)
    texts = {
        output / "report.md": as_markdown(blocks),
        output / "report.html": as_html(blocks, title),
        **{
            output / FIGURES_FOLDER / f"{block.name}.svg": block.svg
            for block in blocks
            if isinstance(block, Figure)
        },
    }
    for path, text in texts.items():
        with atomic_write(path) as scratch:
            scratch.write_text(text, "utf-8", newline="\n")
    return list(texts)


def _verdict(plan: PlanResults) -> list[Block]:
    wanted = _wanted(plan)
    if not plan.done or not {"table5", "trials"} & set(wanted):
        return []
    return verdict(plan, "test" if "table5" in wanted else "validation")


def _heading(plan: PlanResults, name: str) -> str:
    title = SECTIONS[name][0]
    if name in _IN_PAPER and (plan.is_beside_paper or not plan.seeds):
        return f"{title} ({_IN_PAPER[name]})"
    return title


def _wanted(plan: PlanResults) -> list[str]:
    for name in plan.shows:
        if name not in SECTIONS:
            way_out = suggestion(name, SECTIONS)
            raise SettingsError(
                f"grid {plan.grid}: section '{name}' of the report is unknown; {way_out}"
            )
    wanted = plan.shows or _USUAL
    return [name for name in SECTIONS if name in wanted]


def _title(plans: Sequence[PlanResults]) -> str:
    corpora = dict.fromkeys(plan.corpus_name for plan in plans)
    return f"Speech emotion recognition: {', '.join(corpora)}"
