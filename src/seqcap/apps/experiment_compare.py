"""`seqcap experiment compare`: anything beside anything on the same utterances."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcap.apps.extras import needs_extra
from seqcap.apps.options import ScreenFormat, ScreenFormatOption
from seqcap.apps.terminal import print_table, print_text
from seqcap.apps.writers import open_output
from seqcap.errors import SettingsError

if TYPE_CHECKING:
    from seqcap.reports.comparison import Comparison

_ENDINGS = (".md", ".csv", ".json")


SourcesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        show_default=False,
        help="Two or more: a run's folder, an experiment's folder (all its entries), "
        "FOLDER:LABEL (one of them), or a table with predictions (.csv, .parquet).",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="A .md, .csv or .json file as well."),
]
AverageSeedsOption = Annotated[
    bool,
    typer.Option(
        "--average-seeds",
        help="Add the mean of the seeds' probabilities for each entry with several seeds.",
    ),
]
BalancedPriorOption = Annotated[
    bool,
    typer.Option(
        "--balanced-prior",
        help="Correct the class prior of each speaker in entries of experiments, as "
        "'seqcap evaluate' does.",
    ),
]


def compare(
    sources: SourcesArgument,
    output: OutputOption = None,
    average_seeds: AverageSeedsOption = False,
    balanced_prior: BalancedPriorOption = False,
    screen_format: ScreenFormatOption = ScreenFormat.TABLE,
) -> None:
    """Compare systems and other tools on the same utterances.

    All sources are compared with the first.

    A table needs the columns file and predicted. One of the tables needs truth (or emotion, label,
    target) and speaker. The columns start, fold and seed are used if present. Other tools'
    spellings are understood. Utterances are matched by file and start; only those that all
    sources have are scored.

    Examples:
      seqcap experiment compare runs/emodb:CNN_GRU runs/emodb:CNN_SeqCap

      seqcap experiment compare runs/emodb nkululeko.csv --output comparison.md

      seqcap experiment compare runs/emodb:CNN_GRU runs/emodb:CNN_SeqCap --average-seeds
    """
    if output is not None and output.suffix.lower() not in _ENDINGS:
        raise SettingsError(
            f"{output}: the ending tells no format; {', '.join(_ENDINGS)} is expected"
        )
    with needs_extra("train"):
        from seqcap.reports.comparison import compare as compare_all
        from seqcap.reports.comparison_predictions import read_compared
        from seqcap.reports.comparison_text import comparison_as_json, comparison_blocks
        from seqcap.reports.report_blocks import Text

    compared = [
        one for source in sources for one in read_compared(source, average_seeds, balanced_prior)
    ]
    comparison = compare_all(compared)
    if output is not None:
        _write(comparison, output)
    if screen_format is ScreenFormat.JSON:
        typer.echo(comparison_as_json(comparison))
        return
    for place, block in enumerate(comparison_blocks(comparison)):
        if place:
            typer.echo()
        if isinstance(block, Text):
            print_text(block.text)
        else:
            print_table(block.header, block.rows, left=block.left)


def _write(comparison: "Comparison", output: Path) -> None:
    from seqcap.reports.comparison_text import (
        comparison_as_json,
        comparison_as_markdown,
        comparison_as_rows,
    )

    with open_output(output) as file:
        if output.suffix.lower() == ".csv":
            rows = comparison_as_rows(comparison)
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        elif output.suffix.lower() == ".json":
            file.write(comparison_as_json(comparison) + "\n")
        else:
            file.write(comparison_as_markdown(comparison))
