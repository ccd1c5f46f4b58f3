"""`seqcap experiment pack`: the runs of an experiment in a few small files."""

from pathlib import Path
from typing import Annotated

import typer

from seqcap.apps.extras import needs_extra


def pack(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Folder that 'seqcap experiment run' wrote.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where the packed files go.  [default: the folder itself]",
        ),
    ] = None,
    remove: Annotated[
        bool,
        typer.Option(
            "--remove", help="Remove the packed runs' own files from FOLDER/runs; models stay."
        ),
    ] = False,
) -> None:
    """Pack the results of all runs into a few small files.

    The packed folder gives the same report, and 'experiment run' does not repeat packed runs.
    results.csv has one row per run. Probabilities are kept exactly, as Parquet. Of the gradients,
    only those that the report draws are kept. Models and logs are not packed.

    Examples:
      seqcap experiment pack runs/iemocap --output results/iemocap

      seqcap experiment pack results/emodb --remove
    """
    with needs_extra("train"):
        from seqcap.experiments.packing import pack_runs, remove_run_files
        from seqcap.reports.experiment_results import read_plans
        from seqcap.reports.report_training import figure8_examples

    if remove and output is not None:
        raise typer.BadParameter("--remove is for packing in place, without --output")
    plans = [plan for plan in read_plans(folder) if "figure8" in plan.shows]
    shown = {example["run"] for plan in plans for example in figure8_examples(plan)[1]}
    names = pack_runs(folder, output or folder, shown)
    typer.echo(f"{output or folder}: {len(names)} runs packed")
    if remove:
        typer.echo(f"{remove_run_files(folder, names)} folders of runs emptied")
