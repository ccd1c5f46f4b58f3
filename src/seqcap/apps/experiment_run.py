"""`seqcap experiment run`: does the runs of one grid or several, and shows progress."""

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
from seqcap.apps.lines import tell
from seqcap.apps.options import (
    OverrideOption,
    TrainingDeviceOption,
    lightning_device,
)
from seqcap.apps.stopping import say_how_to_resume
from seqcap.apps.terminal import print_table

if TYPE_CHECKING:  # the command imports pandas and torch only when it runs
    from seqcap.experiments.cores import Engine
    from seqcap.experiments.plan import Plan, PlannedRun
    from seqcap.experiments.worker import JobContext

GridsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="GRID",
        help="table2 ... table7, figure7, figure8, default, whisper, trials, changes, TOML files.",
        show_default=False,
    ),
]
CorpusOption = Annotated[
    list[Path], typer.Option(metavar="TABLE", help="Corpus table; repeat it to join several.")
]
OutputOption = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Folder of the experiment; several machines may share it.",
    ),
]
FoldsOption = Annotated[
    str | None,
    typer.Option(
        metavar="SCHEME", help="How speakers are split, or a file of folds.  [default: the grid's]"
    ),
]
LabelsOption = Annotated[
    str | None, typer.Option(metavar="SET", help="Label set.  [default: the grid's]")
]
SeedsOption = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", help="Random seeds, separated by commas: 0,1.  [default: the grid's]"
    ),
]
OnlyOption = Annotated[
    list[str] | None, typer.Option(metavar="LABEL", help="Run this entry only; repeatable.")
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="default, paper, five-corpora, whisper, or a TOML file.  [default: the grid's]",
    ),
]
EngineOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="joblib: several processes on this machine; ray: a cluster; here: this process.",
    ),
]
JobsOption = Annotated[
    int, typer.Option(metavar="N", help="Runs at once.", show_default="number of cores")
]
AddressOption = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="Address of the Ray cluster; local starts one here."),
]
GpusOption = Annotated[
    float, typer.Option(metavar="SHARE", help="Share of a GPU that Ray reserves for a run.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="List what would be run, with an estimate.")
]
RetryOption = Annotated[
    bool, typer.Option("--retry-failed/--no-retry-failed", help="Run failed runs again.")
]


def run(
    grids: GridsArgument,
    corpus: CorpusOption,
    output: OutputOption,
    folds: FoldsOption = None,
    labels: LabelsOption = None,
    seeds: SeedsOption = None,
    only: OnlyOption = None,
    override: OverrideOption = None,
    recipe: RecipeOption = None,
    engine: EngineOption = "joblib",
    jobs: JobsOption = 0,
    address: AddressOption = "auto",
    gpus_per_run: GpusOption = 0.0,
    device: TrainingDeviceOption = "auto",
    dry_run: DryRunOption = False,
    retry_failed: RetryOption = True,
) -> None:
    """Run a grid of experiments: entries x folds x seeds.

    To resume an interrupted grid, run the same command again. Several processes and machines may
    share one folder: none repeats the run of another. A failed run leaves error.txt in its folder
    and is run again next time; the exit status is then 1.

    Examples:
      seqcap experiment run table5 --corpus emodb.csv --output runs/emodb --dry-run
      seqcap experiment run table4 table5 --corpus iemocap.csv --output runs/iemocap
      seqcap experiment run mine.toml --corpus mine.csv --output runs/mine --engine ray
    """
    with needs_extra("train"):
        from seqcap.experiments.cores import Engine
        from seqcap.experiments.grid_files import choose, read_grid
        from seqcap.experiments.plan import check_own_systems, in_order, make_plan
        from seqcap.experiments.worker import JobContext, failures
        from seqcap.training.run import read_tables

    chosen_engine = Engine(engine, jobs, address, gpus_per_run)
    chosen = [
        choose(read_grid(grid), folds, labels, seeds, recipe, override or ()) for grid in grids
    ]
    table = read_tables(corpus)
    plans = [make_plan(grid, table) for grid in chosen]
    runs = in_order(plans, only or ())
    check_own_systems(runs)
    if dry_run:
        _list(plans, runs, output, chosen_engine)
        return
    context = JobContext(
        table,
        output.absolute(),  # machines of a cluster work elsewhere
        accelerator=lightning_device(device),
        progress=engine == "here",
        failures=failures(runs, output) if retry_failed else {},
    )
    with say_how_to_resume("the runs that are done"):
        _run_all(plans, runs, context, chosen_engine, output)


def _run_all(
    plans: list["Plan"],
    runs: list["PlannedRun"],
    context: "JobContext",
    engine: "Engine",
    output: Path,
) -> None:
    """Does the runs and tells which have failed."""
    from seqcap.experiments.plan import write_plan

    command = shlex.join(["seqcap", *sys.argv[1:]])
    for plan in plans:
        tell(f"plan: {write_plan(plan, output, command)}")
    with needs_extra("cluster" if engine.name == "ray" else "train"):
        failed = _do(plans, runs, context, engine)
    for one in failed:
        error = one.folder(output) / "error.txt"
        tell(f"failed: {one.title}: {_last_line(error)} ({error})")
    typer.echo(f"{output}: {len(runs) - len(failed)} of {len(runs)} runs done")
    if failed:
        raise typer.Exit(1)


def _list(plans: list["Plan"], runs: list["PlannedRun"], output: Path, engine: "Engine") -> None:
    """Prints a line a run: what would happen to it."""
    from seqcap.experiments.estimate import estimate, sum_up
    from seqcap.experiments.worker import State, state_of

    states = {run.name: state_of(run, output) for run in runs}
    to_do = [run for run in runs if states[run.name] in (State.WAITING, State.FAILED)]
    with Progress(console=Console(stderr=True)) as progress:
        track = partial(progress.track, description="timing a step")
        estimates = estimate(plans, to_do, output, engine, track)
    rows = [
        (
            run.label,
            run.fold.name,
            str(run.settings.seed),
            states[run.name].value,
            _duration(estimates[run.name].duration_s) if run.name in estimates else "",
            run.name,
        )
        for run in runs
    ]
    print_table(("entry", "fold", "seed", "state", "estimate", "folder"), rows, left=6)
    for state in State:
        count = sum(one is state for one in states.values())
        again = " (tried again)" if state is State.FAILED and count else ""
        typer.echo(f"{state}: {count} of {len(runs)} runs{again}")
    total = sum_up(list(estimates.values()), engine)
    unknown = len(to_do) - len(estimates)
    without = f", {unknown} runs of unknown duration not included" if unknown else ""
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
    console = Console(stderr=True, highlight=False, markup=False)
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
    """What is being run now, by any process."""

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
