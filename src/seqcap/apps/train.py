"""`seqcap train`: a model of your own from a corpus table."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from seqcap.apps.extras import needs_extra
from seqcap.apps.options import (
    FOLDS,
    LabelsOption,
    OverrideOption,
    SharedSpeakersOption,
    TablesArgument,
    TrainingDeviceOption,
    lightning_device,
)
from seqcap.apps.scores import print_scores
from seqcap.apps.stopping import say_how_to_resume
from seqcap.errors import CorpusWarning, SettingsError

if TYPE_CHECKING:  # the command imports pandas and torch only when it runs
    import pandas as pd

    from seqcap.corpora.fold import Fold
    from seqcap.corpora.labels import LabelSet
    from seqcap.training.settings import TrainingSettings

FEW_STEPS = 400

OutputOption = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Folder of the run; the model is in 'model' below it.",
    ),
]
FoldsOption = Annotated[
    str,
    typer.Option(metavar="SCHEME", help=FOLDS),
]
FoldOption = Annotated[
    str, typer.Option(metavar="FOLD", help="Its number from 0, its name, or 'all'.")
]
SystemOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="A system; 'seqcap systems' lists them.  [default: CNN_SeqCap]"
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Random seed of weights, shuffling and crops.  [default: 0]"),
]
RecipeOption = Annotated[
    str, typer.Option(metavar="NAME", help="default, paper, five-corpora, whisper, or a TOML file.")
]
DevicesOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Devices that share each batch, e.g. 2 GPUs.")
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="32-true, bf16-mixed or 16-mixed.  [default: the recipe's]"),
]
InitFromOption = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="Begin with a model's weights; '-' is the included model."),
]
NameOption = Annotated[str, typer.Option(metavar="TEXT", help="Name of the model.")]


def train(
    tables: TablesArgument,
    output: OutputOption,
    folds: FoldsOption = "paper",
    fold: FoldOption = "0",
    labels: LabelsOption = "paper4",
    system: SystemOption = None,
    seed: SeedOption = None,
    recipe: RecipeOption = "default",
    override: OverrideOption = None,
    device: TrainingDeviceOption = "auto",
    devices: DevicesOption = 1,
    precision: PrecisionOption = None,
    init_from: InitFromOption = None,
    name: NameOption = "unnamed",
    allow_shared_speakers: SharedSpeakersOption = False,
) -> None:
    """Train a system on one fold and test it on unseen speakers.

    To resume an interrupted training, run the same command again. The folder gets the model with
    its card, the probabilities of every utterance (validation.csv, test.csv), scores.json,
    metrics.csv and a TensorBoard log.

    Examples:
      seqcap train emodb.csv --output runs/emodb
      seqcap train emodb.csv ravdess.csv --folds split.json --output runs/both
      seqcap train mine.csv --labels all --folds loso --fold all --output runs/mine
      seqcap train mine.csv --system Whisper-SeqCap --init-from - --output runs/mine
      seqcap train emodb.csv --recipe paper --set epochs=30 --output runs/paper
    """
    with needs_extra("train"):
        from seqcap.corpora.folds import ALL_FOLDS, choose_folds
        from seqcap.corpora.labels import label_set_named
        from seqcap.models.system_check import check_own_system
        from seqcap.training.run import read_tables
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
    check_own_system(settings.system, len(label_set.emotions), settings.capsules)
    chosen = choose_folds(table, folds, fold, allow_shared_speakers)
    job = _Job(table, label_set, settings, name, lightning_device(device), devices)
    several = fold == ALL_FOLDS
    _tell_labels(job)
    if several:
        _check(job, chosen)
    with say_how_to_resume("the last completed epoch"):
        all_scores, by_fold = _train_folds(job, chosen, output, several)
    print_scores(all_scores, label_set.emotions, by_fold if several else None)


@dataclass(frozen=True)
class _Job:
    """What is trained, the same for all folds."""

    table: "pd.DataFrame"
    label_set: "LabelSet"
    settings: "TrainingSettings"
    name: str
    accelerator: str
    devices: int


def _labelled(job: _Job) -> "pd.DataFrame":
    from seqcap.corpora.labels import apply_labels

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CorpusWarning)  # each fold's training tells of it
        return apply_labels(job.table, job.label_set)


def _tell_labels(job: _Job) -> None:
    kept = len(_labelled(job))
    _console().print(f"{job.label_set.description}: {kept:,} of {len(job.table):,} rows")


def _check(job: _Job, chosen: Sequence["Fold"]) -> None:
    """Checks all folds before the first is trained."""
    from seqcap.training.fine_tuning import describe_init_model
    from seqcap.training.run_checks import check_parts

    started_from = describe_init_model(job.settings)
    for one in chosen:
        check_parts(_labelled(job), one, job.label_set, started_from)


def _train_folds(
    job: _Job, chosen: Sequence["Fold"], output: Path, several: bool
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Trains fold by fold; gives the scores of all together, and of each."""
    from seqcap.training.run import pool_folds
    from seqcap.training.run_checks import RUN_FILE
    from seqcap.training.run_locks import lock_run

    with lock_run(output, "train") as ours:
        if not ours:
            raise SettingsError(f"{output}: another training is at work here; give another folder")
        if several and (output / RUN_FILE).exists():
            raise SettingsError(f"{output}: holds the run of one fold; give another folder")
        by_fold = {}
        for place, one in enumerate(chosen):
            folder = output / one.name if several else output
            if several:
                _console().print(f"fold {place + 1} of {len(chosen)}: {one.name}")
            by_fold[one.name] = _train_fold(job, one, folder)
        if several:
            folders = [output / one.name for one in chosen]
            return pool_folds(folders, job.label_set.emotions, output), by_fold
        return by_fold[chosen[0].name], by_fold


def _train_fold(job: _Job, fold: "Fold", folder: Path) -> dict[str, Any]:
    from seqcap.training.run import is_done, run_fold, training_steps

    finished = is_done(folder)
    scores = run_fold(
        job.table,
        fold,
        job.label_set,
        job.settings,
        folder,
        job.name,
        job.accelerator,
        job.devices,
    )
    if finished:
        _console().print(f"{folder}: finished earlier; nothing was trained again")
    _console().print(f"model: {folder / 'model'}")
    _warn_of_few_steps(training_steps(folder), job.settings.epochs)
    return scores


def _warn_of_few_steps(steps: int, epochs: int) -> None:
    if epochs and steps < FEW_STEPS:
        enough = -(-FEW_STEPS * epochs // steps)
        _console().print(
            f"Steps of training: only {steps}, since the corpus is small. "
            f"--set epochs={enough}, into another folder, gives {enough * steps // epochs}."
        )


def _console() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
