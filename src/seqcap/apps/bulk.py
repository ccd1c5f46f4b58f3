"""`seqcap bulk`: an archive in, Parquet files of answers out, on one machine or many."""

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seqcap.apps.extras import needs_extra
from seqcap.apps.lines import tell
from seqcap.apps.options import AbstainOption, DeviceOption, ModelsOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seqcap.recognition.bulk_worker import Tally

_LINE_S = 30.0  # between lines of progress where there is no terminal


SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder, a table (CSV, Parquet), or Parquet with recordings; a path or a URI "
        "(s3://, gs:// ...).",
    ),
]
OutputArgument = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="Folder or URI for the Parquet files.")
]
TimelineOption = Annotated[
    bool, typer.Option("--timeline", help="Answer for each 2 seconds as well.")
]

AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A Ray cluster: auto, host:port, or local for the cores of this machine.  "
        "[default: this process, without Ray]",
    ),
]
JobsOption = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="Workers on the cluster; 0: one a core or share of a GPU."
    ),
]
GpusOption = Annotated[
    float, typer.Option(min=0, metavar="SHARE", help="Share of a GPU for each worker, e.g. 0.25.")
]
PartSizeOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Most recordings in one file of the output.")
]


def bulk(
    source: SourceArgument,
    output: OutputArgument,
    timeline: TimelineOption = False,
    model: ModelsOption = None,
    abstain_below: AbstainOption = 0.0,
    address: AddressOption = None,
    jobs: JobsOption = 0,
    gpus: GpusOption = 0.0,
    part_size: PartSizeOption = 1024,
    device: DeviceOption = "auto",
) -> None:
    """Recognise an archive, on one machine or a Ray cluster.

    A table has a column 'file', and 'start' and 'end' for parts. Parquet may hold the recordings
    in a column 'bytes' or 'audio'. The output has a row for each recording: the answer and its
    warnings, or an 'error'. To resume an interrupted command, run it again. Exit status: 0 if all
    were recognised, 1 if some were, 2 if none.

    Examples:
    seqcap bulk calls/ answers/

    seqcap bulk s3://archive/2024 s3://answers/2024 --timeline --address auto

    seqcap bulk segments.csv answers/ --address local --jobs 8
    """
    with needs_extra("cluster"):
        from seqcap.recognition.bulk import Bulk
        from seqcap.recognition.bulk_worker import BulkSettings

    settings = BulkSettings(output, tuple(model or ("-",)), timeline, abstain_below, device)
    work = Bulk(source, settings, part_size)
    if work.before:
        failed = f" ({work.failed_before:,} failed)" if work.failed_before else ""
        tell(f"{work.before:,} done before{failed}, {work.waiting:,} to do")
    if not work.waiting:
        _end(output, work.before - work.failed_before, work.failed_before)
        return
    with needs_extra("cluster"):
        done = _watch(
            work.here() if address is None else work.by_ray(address, jobs, gpus), work.waiting
        )
    recognised = work.before - work.failed_before + done.recognised
    _end(output, recognised, work.failed_before + done.failed)


def _end(output: str, recognised: int, failed: int) -> None:
    """Says how many recordings of the output failed, and ends with the status that they ask for."""
    if failed:
        tell(f"{output}: the column 'error' tells why {failed:,} failed")
        raise typer.Exit(1 if recognised else 2)


def _watch(tallies: "Iterable[Tally]", total: int) -> "Tally":
    """Shows progress: a bar on a terminal, a line every half minute elsewhere."""
    from seqcap.recognition.bulk_worker import Tally

    done = Tally()
    began_s = told_s = time.monotonic()
    console = Console(stderr=True)
    columns = (
        TextColumn("Recognising"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=total)
        for each in tallies:
            done += each
            now_s = time.monotonic()
            line = _line(done, total, now_s - began_s)
            progress.update(task, completed=done.recognised + done.failed, description=line)
            if not console.is_terminal and now_s - told_s >= _LINE_S:
                tell(line)
                told_s = now_s
    tell(_line(done, total, time.monotonic() - began_s))
    return done


def _line(done: "Tally", total: int, elapsed_s: float) -> str:
    finished = done.recognised + done.failed
    return (
        f"{done.recognised:,} recognised, {done.failed:,} failed of {total:,}; "
        f"{finished / elapsed_s:.1f} a second, {done.duration_s / elapsed_s:.0f} times real time"
    )
