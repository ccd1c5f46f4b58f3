"""`seqcap train`: a system of one's own from a corpus table."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seqcap.apps.extras import needs_extra


def train(
    tables: Annotated[
        list[Path], typer.Argument(help="Corpus tables, as 'seqcap corpus read' writes them.")
    ],
    output: Annotated[Path, typer.Option(help="Folder of the run; 'model' in it is the result.")],
    folds: Annotated[
        str, typer.Option(help="A scheme (paper, loso, groups:5, split) or a file of folds.")
    ] = "paper",
    fold: Annotated[str, typer.Option(help="Which fold: its number from 0, or its name.")] = "0",
    labels: Annotated[
        str, typer.Option(help="A label set, or emotions with commas between them.")
    ] = "paper4",
    system: Annotated[
        str | None, typer.Option(help="One of 'seqcap systems'.  [default: CNN_SeqCap]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and crops.")] = None,
    settings: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    override: Annotated[
        list[str] | None, typer.Option("--set", help="One more setting, e.g. epochs=20.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the model is called.")] = "unnamed",
    allow_shared_speakers: Annotated[
        bool, typer.Option(help="Go on though a speaker is in two parts; results are marked.")
    ] = False,
) -> None:
    """Train a system on the speakers of one fold and test it on others.

    An interrupted training goes on where its last epoch ended if the same command is given again.

    Examples:
      seqcap train emodb.csv --output runs/emodb

      seqcap train emodb.csv ravdess.csv --folds split.json --output runs/both

      seqcap train mine.csv --labels all --folds loso --fold 2 --set epochs=60 --output runs/mine
    """
    with needs_extra("train"):
        from seqcap.corpora.labels import label_set_named
        from seqcap.experiments.evaluation import report
        from seqcap.experiments.runs import choose_fold, read_tables, run_fold
        from seqcap.experiments.settings import read_settings

    chosen = read_settings(settings, override or (), system=system, seed=seed)
    table = read_tables(tables)
    label_set = label_set_named(labels, table)
    console = Console(stderr=True)
    console.print(label_set.description, highlight=False)
    one = choose_fold(table, folds, fold, allow_shared_speakers)
    all_scores = run_fold(table, one, label_set, chosen, output, name)
    typer.echo(report(all_scores, label_set.emotions))
    console.print(f"model: {output / 'model'}", highlight=False)
