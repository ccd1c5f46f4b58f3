"""`seqcap train`: a system of one's own from a corpus table."""

import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seqcap.apps.extras import needs_extra
from seqcap.errors import CorpusWarning, SettingsError

FEW_STEPS = 400


def train(
    tables: Annotated[
        list[Path], typer.Argument(help="Corpus tables, as 'seqcap corpus read' writes them.")
    ],
    output: Annotated[Path, typer.Option(help="Folder of the run; 'model' in it is the result.")],
    folds: Annotated[
        str,
        typer.Option(help="A scheme (paper, loso, groups:5, corpora, split) or a file of folds."),
    ] = "paper",
    fold: Annotated[
        str, typer.Option(help="Which fold: its number from 0, its name, or 'all' of them.")
    ] = "0",
    labels: Annotated[
        str, typer.Option(help="A label set, or emotions with commas between them.")
    ] = "paper4",
    system: Annotated[
        str | None, typer.Option(help="One of 'seqcap systems'.  [default: CNN_SeqCap]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and crops.")] = None,
    recipe: Annotated[
        str, typer.Option(help="How it is trained: default, paper, or a TOML file of settings.")
    ] = "default",
    override: Annotated[
        list[str] | None, typer.Option("--set", help="One more setting, e.g. epochs=20.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, gpu, mps ...: as pytorch-lightning names it.")
    ] = "auto",
    devices: Annotated[
        int, typer.Option(min=1, help="So many of them share each batch, e.g. 2 GPUs.")
    ] = 1,
    precision: Annotated[
        str | None,
        typer.Option(help="32-true, bf16-mixed, 16-mixed ...  [default: the recipe's]"),
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(help="Begin with what this model has learnt; '-' is the shipped one."),
    ] = None,
    name: Annotated[str, typer.Option(help="What the model is called.")] = "unnamed",
    allow_shared_speakers: Annotated[
        bool, typer.Option(help="Go on though a speaker is in two parts; results are marked.")
    ] = False,
) -> None:
    """Train a system on the speakers of one fold and test it on others.

    An interrupted training goes on where its last epoch ended if the same command is given again.
    The folder gets the model with its card, every utterance's probabilities (validation.csv,
    test.csv), scores.json, metrics.csv and a log that TensorBoard shows.

    Examples:
      seqcap train emodb.csv --output runs/emodb

      seqcap train emodb.csv ravdess.csv --folds split.json --output runs/both

      seqcap train mine.csv --labels all --folds loso --fold all --output runs/mine

      seqcap train mine.csv --system CNN_GRU-SeqCap --init-from - --output runs/mine

      seqcap train emodb.csv --recipe paper --system CNN_RecCap --set epochs=30 --output runs/paper
    """
    with needs_extra("train"):
        from seqcap.corpora.folds import ALL_FOLDS, choose_folds
        from seqcap.corpora.labels import apply_labels, label_set_named
        from seqcap.scoring.score_text import report, report_folds
        from seqcap.training.fine_tuning import describe_init_model
        from seqcap.training.run import pool_folds, read_tables, run_fold, training_steps
        from seqcap.training.run_checks import RUN_FILE, check_parts
        from seqcap.training.run_locks import lock_run
        from seqcap.training.settings import read_settings

    settings = read_settings(
        recipe,
        override or (),
        system=system,
        seed=seed,
        precision=precision,
        init_from=init_from,
    )
    table = read_tables(tables)
    label_set = label_set_named(labels, table)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CorpusWarning)  # each fold's training tells of it
        labelled = apply_labels(table, label_set)
    console.print(f"{label_set.description}: {len(labelled):,} of {len(table):,} rows")
    chosen = choose_folds(table, folds, fold, allow_shared_speakers)
    started_from = describe_init_model(settings)
    for one in chosen:  # all of them before the first is trained
        check_parts(labelled, one, label_set, started_from)
    by_fold = {}
    with lock_run(output, "train") as ours:
        if not ours:
            raise SettingsError(f"{output}: another training is at work here; give another folder")
        if fold == ALL_FOLDS and (output / RUN_FILE).exists():
            raise SettingsError(f"{output}: holds the run of one fold; give another folder")
        for place, one in enumerate(chosen):
            folder = output / one.name if fold == ALL_FOLDS else output
            if fold == ALL_FOLDS:
                console.print(f"fold {place + 1} of {len(chosen)}: {one.name}")
            try:
                all_scores = run_fold(
                    table, one, label_set, settings, folder, name, device, devices
                )
            except KeyboardInterrupt:
                console.print("interrupted: the same command goes on behind the last whole epoch")
                raise
            by_fold[one.name] = all_scores
            console.print(f"model: {folder / 'model'}")
            _warn_of_few_steps(console, training_steps(folder), settings.epochs)
        if fold == ALL_FOLDS:
            folders = [output / one.name for one in chosen]
            all_scores = pool_folds(folders, label_set.emotions, output)
    typer.echo(report(all_scores, label_set.emotions))
    if fold == ALL_FOLDS:
        typer.echo(report_folds(by_fold))


def _warn_of_few_steps(console: Console, steps: int, epochs: int) -> None:
    if epochs and steps < FEW_STEPS:
        enough = -(-FEW_STEPS * epochs // steps)
        console.print(
            f"Steps of training: only {steps}, which teach little: the corpus is small. "
            f"--set epochs={enough}, into another folder, gives {enough * steps // epochs}.",
            soft_wrap=True,
        )
