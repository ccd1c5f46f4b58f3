"""`seqcap experiment probe`: does a system hear where an intonation rise stands?"""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from seqcap.apps.extras import needs_extra


def probe(
    output: Annotated[Path, typer.Option(help="Folder of the probe.")],
    probes: Annotated[
        list[str] | None,
        typer.Option("--probe", help="near or far; repeatable.  [default: both]"),
    ] = None,
    systems: Annotated[
        list[str] | None,
        typer.Option(
            "--system",
            help="One of 'seqcap systems'; repeatable.  [default: CNN, CNN_SeqCap, CNN_RecCap]",
        ),
    ] = None,
    seed_count: Annotated[
        int, typer.Option("--seeds", min=1, help="Trainings of each system.")
    ] = 3,
    speakers: Annotated[
        int, typer.Option(min=1, help="Synthetic speakers who train; 30 others do the rest.")
    ] = 32,
    override: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of all trainings, e.g. epochs=40.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Trainings at once.  [default: as many as there are cores]")
    ] = 0,
    device: Annotated[
        str, typer.Option(help="auto, cpu, gpu, mps ...: as pytorch-lightning names it.")
    ] = "auto",
) -> None:
    """Train systems on utterances that differ only in where a rise of pitch stands.

    What the paper argues with Figs. 1, 4 and 5, put to the test: CNN with pooling, CNN_SeqCap and
    CNN_RecCap, alike trained. An interrupted probe goes on when the same command is given again.
    The folder gets probe.md with its figures; near/ and far/ in it are experiments that 'seqcap
    experiment report' reads too, their recordings included. On two busy cores of an AMD EPYC with
    bf16-mixed, 'near' takes about 8 minutes and 'far' 20; --seeds 1 a third of that.

    Examples:
      seqcap experiment probe --output runs/probe

      seqcap experiment probe --output runs/probe --probe near --set precision=bf16-mixed
    """
    with needs_extra("train"):
        from seqcap.experiments.cores import Engine
        from seqcap.experiments.engines import run_all
        from seqcap.experiments.plan import write_plan
        from seqcap.experiments.probe_grid import (
            PROBE_SYSTEMS,
            Cast,
            choose_probes,
            plan_probe,
            write_probe_corpus,
        )
        from seqcap.experiments.worker import JobContext, State, failures
        from seqcap.reports.probe_report import write_probe_report

    chosen = choose_probes(probes or ())
    command = shlex.join(["seqcap", *sys.argv[1:]])
    console = Console(stderr=True, highlight=False)
    failed = 0
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} of {task.total} trainings"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        for places in chosen:
            folder = output / places.name
            table = write_probe_corpus(places, Cast(train=speakers), folder)
            plan = plan_probe(
                places, table, systems or PROBE_SYSTEMS, range(seed_count), override or ()
            )
            write_plan(plan, folder, command)
            work = JobContext(
                table, folder, accelerator=device, failures=failures(plan.runs, folder)
            )
            line = progress.add_task(places.name, total=len(plan.runs))
            for run, state in run_all(work, plan.runs, Engine(jobs=jobs)):
                failed += state is State.FAILED
                progress.update(line, advance=1)
                progress.console.print(f"{state}: {places.name}, {run.title}")
    typer.echo(f"{write_probe_report(output, chosen)}: written")
    if failed:
        typer.echo(f"{failed} trainings failed: error.txt in their folders says why", err=True)
        raise typer.Exit(1)
