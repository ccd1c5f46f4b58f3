"""`seqcap experiment`: grids of runs, their report, comparisons and the position probe."""

import typer

from seqcap.apps.command import Command, CommandGroup
from seqcap.apps.experiment_compare import compare
from seqcap.apps.experiment_pack import pack
from seqcap.apps.experiment_probe import probe
from seqcap.apps.experiment_report import report
from seqcap.apps.experiment_run import run
from seqcap.apps.experiment_summary import summary

experiment_app = typer.Typer(
    name="experiment",
    help="""Run experiments, write reports, compare systems and tools.

    Examples:
      seqcap experiment run table5 --corpus emodb.csv --output runs/emodb
      seqcap experiment report runs/emodb
      seqcap experiment compare runs/emodb:CNN_SeqCap other-tool.csv
    """,
    cls=CommandGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
)
for name, command in (
    ("run", run),
    ("report", report),
    ("compare", compare),
    ("pack", pack),
    ("summary", summary),
    ("probe", probe),
):
    experiment_app.command(name, cls=Command)(command)
