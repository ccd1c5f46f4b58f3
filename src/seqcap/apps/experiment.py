"""`seqcap experiment`: grids of runs, their report, comparisons and the position probe."""

import typer

from seqcap.apps.experiment_compare import compare
from seqcap.apps.experiment_pack import pack
from seqcap.apps.experiment_probe import probe
from seqcap.apps.experiment_report import report
from seqcap.apps.experiment_run import run

experiment_app = typer.Typer(
    name="experiment",
    help="Run grids of experiments, report them, compare anything with anything.",
    no_args_is_help=True,
)
experiment_app.command("run")(run)
experiment_app.command("report")(report)
experiment_app.command("compare")(compare)
experiment_app.command("pack")(pack)
experiment_app.command("probe")(probe)
