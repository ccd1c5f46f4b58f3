"""`seqcap corpus`: reads, checks and describes corpora, and divides their speakers into folds."""

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from seqcap.apps.command import Command, CommandGroup
from seqcap.apps.options import (
    LabelsOption,
    ScreenFormat,
    ScreenFormatOption,
    SharedSpeakersOption,
)
from seqcap.apps.terminal import print_table
from seqcap.errors import CorpusError, gather_warnings

if TYPE_CHECKING:  # the commands import pandas only when they run
    import pandas as pd

    from seqcap.corpora.folds import FoldReport
    from seqcap.corpora.table import Problem

corpus_app = typer.Typer(
    name="corpus",
    help="""Read, check and describe corpora; make folds.

    Examples:
      seqcap corpus list
      seqcap corpus read emodb downloads/emodb --output emodb.csv
      seqcap corpus check emodb.csv
    """,
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_SHOWN = 20  # problems of one kind that are shown in full

TableArgument = Annotated[
    Path,
    typer.Argument(metavar="TABLE", help="Corpus table, .csv or .parquet.", show_default=False),
]


@corpus_app.command("list", cls=Command)
def list_corpora(output_format: ScreenFormatOption = ScreenFormat.TABLE) -> None:
    """List the corpora that can be read, and the label sets.

    Titles, citations and remarks: --format json.

    Examples:
      seqcap corpus list
      seqcap corpus list --format json
    """
    from seqcap.corpora.labels import LABEL_SETS
    from seqcap.corpora.readers import READERS

    if output_format is ScreenFormat.JSON:
        kept = ("name", "title", "language", "licence", "citation", "counts", "speaker_count")
        corpora = [
            {key: getattr(one, key) for key in (*kept, "remark")} for one in READERS.values()
        ]
        sets = {one.name: list(one.emotions) for one in LABEL_SETS.values()}
        typer.echo(json.dumps({"corpora": corpora, "label_sets": sets}, indent=1))
        return
    rows = [
        (
            corpus.name,
            corpus.language or "any",
            f"{sum(corpus.counts.values()):,}" if corpus.counts else "any",
            str(corpus.speaker_count or "any"),
            corpus.licence,
        )
        for corpus in READERS.values()
    ]
    print_table(("corpus", "language", "utterances", "speakers", "licence"), rows, left=5)
    typer.echo()
    descriptions = [one.description.partition(": ") for one in LABEL_SETS.values()]
    print_table(("label set", "emotions"), [(name, text) for name, _, text in descriptions], left=2)


@corpus_app.command(cls=Command)
def read(
    name: Annotated[
        str,
        typer.Argument(metavar="CORPUS", help="See 'seqcap corpus list'.", show_default=False),
    ],
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Folder of the unpacked corpus.", show_default=False),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Table to write, .csv or .parquet."),
    ],
) -> None:
    """Read a corpus into a table; check it against official counts.

    Examples:
      seqcap corpus read emodb downloads/emodb --output emodb.csv
      seqcap corpus read folders my_recordings/ --output mine.csv
    """
    from seqcap.corpora.readers import READERS, read_corpus
    from seqcap.corpora.speakers import speaker_key
    from seqcap.corpora.table import check_table_ending, write_table

    check_table_ending(output)
    with gather_warnings():
        table = read_corpus(name, folder)
    write_table(table, output)
    incomplete = READERS[name].counts and len(table) != sum(READERS[name].counts.values())
    speakers = len({speaker_key(name) for name in table["speaker"] if name.strip()})
    who = f"{speakers} speaker{'s' * (speakers != 1)}" if speakers else "unknown speakers"
    typer.echo(
        f"{output}: {len(table):,} utterances of {who}"
        + (" (INCOMPLETE, see above)" if incomplete else "")
    )


@corpus_app.command(cls=Command)
def check(
    table: TableArgument,
    audio: Annotated[
        bool, typer.Option("--audio/--no-audio", help="Decode every recording to its end.")
    ] = True,
    folds: Annotated[
        str, typer.Option(metavar="SCHEME", help="Check the folds of this scheme too.")
    ] = "",
    emotions: Annotated[
        str, typer.Option(metavar="NAMES", help="Your own emotions, separated by commas.")
    ] = "",
    allow_shared_speakers: SharedSpeakersOption = False,
) -> None:
    """Check a table and its recordings.

    Exit status: 1 if there are problems.

    Examples:
      seqcap corpus check mine.csv
      seqcap corpus check mine.csv --folds loso --no-audio
    """
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
        track=functools.partial(track, description="reading", console=Console(stderr=True)),
    )
    _print_problems(problems)
    leaks = _check_folds(rows, folds, audio, allow_shared_speakers) if folds else []
    for leak in leaks:
        typer.echo(f"leak: {leak}")
    wrong = sum(not problem.is_note for problem in problems) + len(leaks)
    unread = "" if audio else " (recordings not read)"
    typer.echo(f"{table}: {len(rows):,} rows{unread}, {wrong:,} problem{'s' * (wrong != 1)}")
    if wrong:
        raise typer.Exit(1)


@corpus_app.command(cls=Command)
def describe(
    table: TableArgument,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Plot it too: .png, .svg or .pdf.")
    ] = None,
    labels: LabelsOption = "",
) -> None:
    """Count utterances by speaker and emotion, and their durations.

    Examples:
      seqcap corpus describe emodb.csv
      seqcap corpus describe emodb.csv --labels paper4 --plot emodb.svg
    """
    from seqcap.corpora.description import (
        count_speakers_by_emotions,
        plot_table,
        summarise_durations,
    )

    rows = _read_labelled(table, labels)
    counts = count_speakers_by_emotions(rows)
    print_table(
        ("speaker", *(str(emotion) for emotion in counts.columns)),
        [
            (str(speaker) or "(none)", *(f"{count:,}" for count in row))
            for speaker, row in counts.iterrows()
        ],
    )
    lengths = summarise_durations(rows)
    typer.echo(
        f"total {lengths.total_h:.2f} h; mean {lengths.mean_s:.2f} s, median "
        f"{lengths.median_s:.2f} s, 95 % under {lengths.p95_s:.2f} s,\n"
        f"shortest {lengths.minimum_s:.2f} s, longest {lengths.maximum_s:.2f} s"
        + (f"; {lengths.unknown:,} could not be measured" if lengths.unknown else "")
    )
    if plot is not None:
        plot_table(rows, plot)
        typer.echo(f"{plot}: drawn")


@corpus_app.command(cls=Command)
def folds(
    table: TableArgument,
    scheme: Annotated[
        str,
        typer.Option(
            metavar="SCHEME", help="paper, paper_swapped, loso, groups:K, corpora or split."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Folds to write, .json.")
    ],
    labels: LabelsOption = "",
    allow_shared_speakers: SharedSpeakersOption = False,
) -> None:
    """Split speakers into training, validation and test folds.

    The file names the table by its hash, so that results can cite it. The schemes:
    paper leaves out one session and splits its speakers between validation and test; loso leaves
    out one speaker at a time; groups:K makes K groups; corpora leaves out one corpus; split
    follows the table's column 'split'.

    Examples:
      seqcap corpus folds emodb.csv --scheme loso --output folds.json
    """
    from seqcap.corpora.folds import check_fold, make_folds, part_of, write_folds

    rows = _read_labelled(table, labels)
    made = make_folds(rows, scheme, allow_shared_speakers)
    _print_reports([check_fold(rows, fold, allow_shared_speakers) for fold in made])
    sizes = [part_of(rows, fold).value_counts() for fold in made]
    parts = ("train", "validation", "test")
    print_table(
        ("fold", *parts, "tested speakers"),
        [
            (fold.name, *(f"{size.get(part, 0):,}" for part in parts), ", ".join(fold.test))
            for fold, size in zip(made, sizes, strict=True)
        ],
        left=5,
    )
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
    if audio:  # kept in memory: nothing is read again
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
