"""`seqcap experiment report`: tables, tests and figures of an experiment's folder."""

import functools
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seqcap.apps.extras import needs_extra


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Folder that 'seqcap experiment run' wrote; it may still run.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where the report goes.  [default: the folder itself]",
        ),
    ] = None,
) -> None:
    """Write report.md, report.html and figures of an experiment.

    Only result files are read; the same files give the same report, byte for byte. Missing and
    failed runs are named. The page is one file that needs no network.

    Examples:
      seqcap experiment report runs/iemocap
      seqcap experiment report runs/table5-emodb --output results/emodb
    """
    with needs_extra("train"):
        from rich.progress import track

        from seqcap.reports.report import write_report

    reading = functools.partial(
        track, description="reading runs", console=Console(stderr=True), transient=True
    )
    files = write_report(folder, output or folder, reading)
    for file in files[:2]:
        typer.echo(file)
    typer.echo(f"{len(files) - 2} figures beside them")
