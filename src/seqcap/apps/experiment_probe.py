"""`seqcap experiment probe`: does a system use the position of a pitch rise?"""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from seqcap.apps.extras import needs_extra
from seqcap.apps.options import OverrideOption, TrainingDeviceOption, lightning_device

if TYPE_CHECKING:
    import pandas as pd

    from seqcap.experiments.plan import Plan

OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the probe.")
]
ProbesOption = Annotated[
    list[str] | None,
    typer.Option("--probe", metavar="NAME", help="near or far; repeatable.  [default: both]"),
]
SystemsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--system",
        metavar="NAME",
        help="See 'seqcap systems'; repeatable.  [default: CNN, CNN_SeqCap, CNN_RecCap]",
    ),
]
SeedsOption = Annotated[
    int, typer.Option("--seeds", min=1, metavar="N", help="Trainings of each system.")
]
SpeakersOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Synthetic training speakers; 30 others test.")
]
JobsOption = Annotated[
    int, typer.Option(metavar="N", help="Trainings at once.", show_default="number of cores")
]


def probe(
    output: OutputOption,
    probes: ProbesOption = None,
    systems: SystemsOption = None,
    seed_count: SeedsOption = 3,
    speakers: SpeakersOption = 32,
    override: OverrideOption = None,
    jobs: JobsOption = 0,
    device: TrainingDeviceOption = "auto",
) -> None:
    """Test whether systems use the position of a pitch rise.

    Trains systems on synthetic utterances that differ only in where the pitch rises: the argument
    of Figs. 1, 4 and 5 of the paper as an experiment. To resume, run the same command again. The
    folder gets probe.md with figures; near/ and far/ in it are experiments that 'seqcap experiment
    report' reads too.

    Examples:
      seqcap experiment probe --output runs/probe
      seqcap experiment probe --output runs/probe --probe near --set precision=bf16-mixed
    """
    with needs_extra("train"):
        from seqcap.experiments.plan import write_plan
        from seqcap.experiments.probe_grid import (
            PROBE_SYSTEMS,
            Cast,
            choose_probes,
            plan_probe,
            write_probe_corpus,
        )
        from seqcap.reports.probe_report import write_probe_report

    chosen = choose_probes(probes or ())
    command = shlex.join(["seqcap", *sys.argv[1:]])
    failed = 0
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} of {task.total} trainings"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False, markup=False),
    ) as progress:
        for places in chosen:
            folder = output / places.name
            table = write_probe_corpus(places, Cast(train=speakers), folder)
            plan = plan_probe(
                places, table, systems or PROBE_SYSTEMS, range(seed_count), override or ()
            )
            write_plan(plan, folder, command)
            failed += _run_all(plan, table, folder, lightning_device(device), jobs, progress)
    typer.echo(f"{write_probe_report(output, chosen)}: written")
    if failed:
        typer.echo(f"{failed} trainings failed: error.txt in their folders says why", err=True)
        raise typer.Exit(1)


def _run_all(
    plan: "Plan",
    table: "pd.DataFrame",
    folder: Path,
    accelerator: str,
    jobs: int,
    progress: Progress,
) -> int:
    """Runs a probe's trainings and counts those that failed."""
    from seqcap.experiments.cores import Engine
    from seqcap.experiments.engines import run_all
    from seqcap.experiments.worker import JobContext, State, failures

    failed = 0
    work = JobContext(table, folder, accelerator=accelerator, failures=failures(plan.runs, folder))
    line = progress.add_task(folder.name, total=len(plan.runs))
    for run, state in run_all(work, plan.runs, Engine(jobs=jobs)):
        failed += state is State.FAILED
        progress.update(line, advance=1)
        progress.console.print(f"{state}: {folder.name}, {run.title}")
    return failed
