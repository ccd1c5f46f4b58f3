"""`seqcap experiment run`: does the runs of one grid or several, and says how far it is."""

import shlex
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from seqcap.apps.extras import needs_extra

if TYPE_CHECKING:  # the command imports pandas and torch only when it runs
    from seqcap.experiments.cores import Engine
    from seqcap.experiments.plan import Plan, PlannedRun
    from seqcap.experiments.worker import JobContext

_ENDLESS = 1000  # columns of what is no terminal: a line is never broken


def run(
    grids: Annotated[
        list[str],
        typer.Argument(
            help="Grids: table2 ... table7, figure7, figure8, default, trials, changes, "
            "or TOML files of one's own."
        ),
    ],
    corpus: Annotated[
        list[Path], typer.Option(help="Corpus table; given several times, they are joined.")
    ],
    output: Annotated[
        Path, typer.Option(help="Folder of the experiment; several machines may share it.")
    ],
    folds: Annotated[
        str | None, typer.Option(help="Scheme or file of folds.  [default: the grid's]")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Label set.  [default: the grid's, as a rule paper4]")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="With commas: 0,1.  [default: the grid's, as a rule 0 to 4]")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Do this entry now, by its label; repeatable.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of all entries, e.g. epochs=14; wins over the grid."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="default, paper, or a TOML file.  [default: the grid's]")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="joblib: this machine; ray: a cluster; here: one by one, to debug.")
    ] = "joblib",
    jobs: Annotated[
        int, typer.Option(help="Runs at once.  [default: as many as there are cores]")
    ] = 0,
    address: Annotated[
        str, typer.Option(help="Of the Ray cluster; 'local' starts one on this machine.")
    ] = "auto",
    gpus_per_run: Annotated[
        float, typer.Option(help="Share of a GPU that Ray reserves for a run, e.g. 0.25.")
    ] = 0.0,
    device: Annotated[
        str, typer.Option(help="auto, cpu, gpu, mps ...: as pytorch-lightning names it.")
    ] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be run, with an estimate.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option(help="Try again what has failed in an earlier call.")
    ] = True,
) -> None:
    """Do all runs of a grid: entries x folds x seeds.

    It can be interrupted at any moment; the same command goes on where it stopped. Several
    processes and machines may do the same grid in one shared folder: none repeats another's run.
    What fails leaves error.txt in its folder and is tried again next time; exit status 1 says so.

    Examples:
      seqcap experiment run table5 --corpus emodb.csv --output runs/emodb --dry-run

      seqcap experiment run table4 table5 figure7 figure8 --corpus iemocap.csv --output runs/iemocap

      seqcap experiment run mine.toml --corpus mine.csv --output runs/mine --engine ray
    """
    with needs_extra("train"):
        from seqcap.experiments.cores import Engine
        from seqcap.experiments.grid_files import choose, read_grid
        from seqcap.experiments.plan import in_order, make_plan, write_plan
        from seqcap.experiments.worker import JobContext, failures
        from seqcap.training.run import read_tables

    chosen_engine = Engine(engine, jobs, address, gpus_per_run)
    chosen = [
        choose(read_grid(grid), folds, labels, seeds, recipe, override or ()) for grid in grids
    ]
    table = read_tables(corpus)
    plans = [make_plan(grid, table) for grid in chosen]
    runs = in_order(plans, only or ())
    if dry_run:
        _list(plans, runs, output, chosen_engine)
        return
    command = shlex.join(["seqcap", *sys.argv[1:]])
    for plan in plans:
        typer.echo(f"plan: {write_plan(plan, output, command)}", err=True)
    work = JobContext(
        table,
        output.absolute(),  # machines of a cluster work elsewhere
        accelerator=device,
        progress=engine == "here",
        failures=failures(runs, output) if retry_failed else {},
    )
    with needs_extra("cluster" if engine == "ray" else "train"):
        failed = _do(plans, runs, work, chosen_engine)
    for one in failed:
        error = one.folder(output) / "error.txt"
        typer.echo(f"failed: {one.title}: {_last_line(error)} ({error})", err=True)
    typer.echo(f"{output}: {len(runs) - len(failed)} of {len(runs)} runs done")
    if failed:
        raise typer.Exit(1)


def _list(plans: list["Plan"], runs: list["PlannedRun"], output: Path, engine: "Engine") -> None:
    """Prints a line a run: what would happen to it."""
    from rich.table import Table

    from seqcap.experiments.estimate import estimate, sum_up
    from seqcap.experiments.worker import State, state_of

    states = {run.name: state_of(run, output) for run in runs}
    to_do = [run for run in runs if states[run.name] in (State.WAITING, State.FAILED)]
    with Progress(console=Console(stderr=True)) as progress:
        track = partial(progress.track, description="timing a step")
        estimates = estimate(plans, to_do, output, engine, track)
    view = Table("entry", "fold", "seed", "state", "estimate", "folder", box=None, pad_edge=False)
    for run in runs:
        expected = estimates.get(run.name)
        view.add_row(
            run.label,
            run.fold.name,
            str(run.settings.seed),
            states[run.name],
            _duration(expected.duration_s) if expected else "",
            run.name,
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _ENDLESS
    console.print(view)
    for state in State:
        count = sum(one is state for one in states.values())
        again = " (tried again)" if state is State.FAILED and count else ""
        typer.echo(f"{state}: {count} of {len(runs)} runs{again}")
    total = sum_up(list(estimates.values()), engine)
    unknown = len(to_do) - len(estimates)
    without = f", without {unknown} runs that nothing is known of" if unknown else ""
    typer.echo(f"estimate: {_duration(total.duration_s)}, {total.source}{without}")


def _do(
    plans: list["Plan"], runs: list["PlannedRun"], work: "JobContext", engine: "Engine"
) -> list["PlannedRun"]:
    """Does the runs under one line of progress; gives those that failed."""
    from seqcap.experiments.engines import run_all
    from seqcap.experiments.estimate import rest_s
    from seqcap.experiments.worker import State, is_complete
    from seqcap.training.run_locks import is_locked

    to_do = [run for run in runs if not is_complete(run, work.folder)]
    left = list(to_do)
    console = Console(stderr=True, highlight=False)
    failed: list[PlannedRun] = []
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.completed} of {task.total} runs"),
        BarColumn(),
        TextColumn("{task.fields[rest]}"),
        _NowColumn(lambda: [run.title for run in left if is_locked(work.folder, run.name)]),
        console=console,
        disable=work.progress,
    ) as progress:
        line = progress.add_task("", total=len(runs), completed=len(runs) - len(to_do), rest="")
        progress.update(line, rest=_rest(rest_s(plans, left, work.folder, engine), 0))
        for run, state in run_all(work, to_do, engine):
            left.remove(run)
            if state is State.FAILED:
                failed.append(run)
            rest = _rest(rest_s(plans, left, work.folder, engine), len(failed))
            progress.update(line, advance=1, rest=rest)
            progress.console.print(f"{state}: {run.title}")
    return failed


class _NowColumn(ProgressColumn):
    """What is being run now, whoever runs it."""

    max_refresh = 2.0  # seconds: it looks at every run's lock

    def __init__(self, titles: Callable[[], list[str]]) -> None:
        super().__init__()
        self._titles = titles

    def render(self, task: Task) -> Text:
        """Names the runs under way."""
        return Text("; ".join(self._titles()), style="dim", overflow="ellipsis", no_wrap=True)


def _rest(seconds: float | None, failed: int) -> str:
    failures = f"{failed} failed, " if failed else ""
    return failures + ("" if seconds is None else f"about {_duration(seconds)} to go")


def _duration(duration_s: float) -> str:
    """Writes a duration for people.

    Example:
        >>> _duration(42), _duration(3720), _duration(270000)
        ('0:42', '1:02:00', '3 days, 3:00:00')
    """
    text = str(timedelta(seconds=round(duration_s)))
    return text.removeprefix("0:").removeprefix("0") if duration_s < 3600 else text


def _last_line(error: Path) -> str:
    return error.read_text("utf-8").strip().splitlines()[-1]
