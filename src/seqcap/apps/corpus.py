"""`seqcap corpus`: reads, checks and describes corpora, and divides their speakers into folds."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from seqcap.errors import CorpusError

if TYPE_CHECKING:  # the commands import pandas only when they run
    import pandas as pd

    from seqcap.corpora.folds import FoldReport
    from seqcap.corpora.table import Problem

corpus_app = typer.Typer(
    name="corpus",
    help="Read, check and describe corpora; make folds.",
    no_args_is_help=True,
    add_completion=False,
)

_SHOWN = 20  # problems of one kind that are shown in full

TableArgument = Annotated[Path, typer.Argument(help="Corpus table, .csv or .parquet.")]
LabelsOption = Annotated[
    str, typer.Option("--labels", help="Label set, 'all', or emotions with commas between them.")
]
SharedOption = Annotated[
    bool,
    typer.Option(
        "--allow-shared-speakers",
        help="Go on where training and test share speakers; what is made so is marked.",
    ),
]


@corpus_app.command("list")
def list_corpora() -> None:
    """List the corpora that can be read, and the label sets."""
    from seqcap.corpora.labels import LABEL_SETS
    from seqcap.corpora.readers import READERS

    console = Console()
    corpora = Table("name", "corpus", "language", "utterances", "speakers", "licence", "remark")
    for corpus in READERS.values():
        count = f"{sum(corpus.counts.values()):,}" if corpus.counts else "any"
        corpora.add_row(
            corpus.name,
            corpus.title,
            corpus.language or "any",
            count,
            str(corpus.speaker_count or "any"),
            corpus.licence,
            corpus.remark,
        )
    console.print(corpora)
    console.print("Label sets:")
    for label_set in LABEL_SETS.values():
        console.print(f"  {label_set.description}", highlight=False)


@corpus_app.command()
def read(
    name: Annotated[str, typer.Argument(help="Corpus, see `seqcap corpus list`.")],
    folder: Annotated[Path, typer.Argument(help="Folder where it was unpacked, in any nesting.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Table, .csv or .parquet.")],
) -> None:
    """Read a corpus into a table and compare it with the official counts."""
    from seqcap.corpora.readers import READERS, read_corpus
    from seqcap.corpora.table import write_table

    table = read_corpus(name, folder)
    write_table(table, output)
    incomplete = READERS[name].counts and len(table) != sum(READERS[name].counts.values())
    typer.echo(
        f"{output}: {len(table):,} utterances of {table['speaker'].nunique()} speakers"
        + (" (INCOMPLETE, see above)" if incomplete else "")
    )


@corpus_app.command()
def check(
    table: TableArgument,
    audio: Annotated[bool, typer.Option(help="Hear every recording from end to end.")] = True,
    folds: Annotated[str, typer.Option(help="Check this scheme of folds too.")] = "",
    emotions: Annotated[str, typer.Option(help="Names of one's own, with commas.")] = "",
    allow_shared_speakers: SharedOption = False,
) -> None:
    """Look for everything that is wrong with a table; exit status 1 if anything is."""
    from rich.progress import track

    from seqcap.corpora.fold import part_named
    from seqcap.corpora.table import check_table, read_table

    rows = read_table(table)
    if not folds and "split" in rows and all(map(part_named, rows["split"])):
        folds = "split"  # a table that comes divided is checked as it is divided
    problems = check_table(
        rows,
        audio=audio,
        emotions=[emotion.strip() for emotion in emotions.split(",")] if emotions else (),
        track=functools.partial(track, description="hearing", console=Console(stderr=True)),
    )
    _print_problems(problems)
    leaks = _check_folds(rows, folds, audio, allow_shared_speakers) if folds else []
    for leak in leaks:
        typer.echo(f"leak: {leak}")
    wrong = sum(not problem.is_note for problem in problems) + len(leaks)
    heard = "" if audio else " (recordings not heard)"
    typer.echo(f"{table}: {len(rows):,} rows{heard}, {wrong:,} problems")
    if wrong:
        raise typer.Exit(1)


@corpus_app.command()
def describe(
    table: TableArgument,
    plot: Annotated[Path | None, typer.Option(help="Draw it too: .png, .svg, .pdf.")] = None,
    labels: LabelsOption = "",
) -> None:
    """Count utterances by speaker and emotion, and their durations."""
    from seqcap.corpora.description import (
        count_speakers_by_emotions,
        plot_table,
        summarise_durations,
    )

    rows = _read_labelled(table, labels)
    counts = count_speakers_by_emotions(rows)
    console = Console()
    view = Table("speaker", *(str(emotion) for emotion in counts.columns))
    for speaker, row in counts.iterrows():
        view.add_row(str(speaker) or "(none)", *(f"{count:,}" for count in row))
    console.print(view)
    lengths = summarise_durations(rows)
    typer.echo(
        f"{lengths.total_h:.2f} h; an utterance takes {lengths.mean_s:.2f} s on average, from "
        f"{lengths.minimum_s:.2f} to {lengths.maximum_s:.2f} s, half of them under "
        f"{lengths.median_s:.2f} s, 95 % under {lengths.p95_s:.2f} s"
        + (f"; {lengths.unknown:,} could not be measured" if lengths.unknown else "")
    )
    if plot is not None:
        plot_table(rows, plot)
        typer.echo(f"{plot}: drawn")


@corpus_app.command()
def folds(
    table: TableArgument,
    scheme: Annotated[
        str, typer.Option(help="paper, paper_swapped, loso, groups:K, corpora or split.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folds, .json.")],
    labels: LabelsOption = "",
    allow_shared_speakers: SharedOption = False,
) -> None:
    """Write who trains, who validates and who tests to a file that can be cited."""
    from seqcap.corpora.folds import check_fold, make_folds, part_of, write_folds

    rows = _read_labelled(table, labels)
    made = make_folds(rows, scheme, allow_shared_speakers)
    _print_reports([check_fold(rows, fold, allow_shared_speakers) for fold in made])
    view = Table("fold", "train", "validation", "test", "tested speakers")
    for fold in made:
        sizes = part_of(rows, fold).value_counts()
        view.add_row(
            fold.name,
            *(f"{sizes.get(part, 0):,}" for part in ("train", "validation", "test")),
            ", ".join(fold.test),
        )
    Console().print(view)
    write_folds(made, output, rows)
    typer.echo(f"{output}: {len(made)} folds")


def _read_labelled(path: Path, labels: str) -> "pd.DataFrame":
    from seqcap.corpora.labels import apply_labels, label_set_named
    from seqcap.corpora.table import read_table

    table = read_table(path)
    if not labels:
        return table
    label_set = label_set_named(labels, table)
    typer.echo(f"labels {label_set.description}")
    return apply_labels(table, label_set)


def _check_folds(rows: "pd.DataFrame", scheme: str, audio: bool, allow_shared: bool) -> list[str]:
    """Checks each fold of a scheme; gives what is wrong and prints what is only to be known."""
    from seqcap.corpora.audio_info import probe_all_audio, unique_files
    from seqcap.corpora.folds import check_fold, make_folds

    hashes = {}
    if audio:  # heard a moment ago: nothing is read again
        sounds, _ = probe_all_audio(unique_files(rows))
        hashes = {file: sound.audio_hash for file, sound in sounds.items() if not sound.silent}
    try:
        made = make_folds(rows, scheme, allow_shared)
    except CorpusError as error:
        return [str(error)]
    faults, reports = [], []
    for fold in made:
        try:
            reports.append(check_fold(rows, fold, allow_shared, hashes))
        except CorpusError as error:
            faults.append(str(error))
    _print_reports(reports)
    return faults


def _print_reports(reports: list["FoldReport"]) -> None:
    sharing = [report for report in reports if report.shared_texts]
    if sharing:
        shares = [100 * report.test_share for report in sharing]
        typer.echo(
            f"note: sentences of the test are in training too, in {len(sharing)} of "
            f"{len(reports)} folds, {min(shares):.0f} to {max(shares):.0f} % of the test's rows"
        )
    for report in reports:
        if report.shared_speakers:
            names = ", ".join(report.shared_speakers)
            typer.echo(f"note: {report.fold}: SHARED SPEAKERS {names}")


def _print_problems(problems: list["Problem"]) -> None:
    by_kind: dict[str, list[Problem]] = {}
    for problem in problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    for kind, of_kind in by_kind.items():
        for problem in of_kind[:_SHOWN]:
            sign = "note: " if problem.is_note else ""
            typer.echo(f"{sign}row {problem.row}: {kind}: {problem.text}")
        if len(of_kind) > _SHOWN:
            typer.echo(f"... and {len(of_kind) - _SHOWN:,} more of the kind {kind!r}")
