"""Options that several commands share: one name, one meaning, one help text."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEVICES = "auto, cpu, cuda, cuda:1 or mps."


FOLDS = (
    "How speakers are split: paper, paper_swapped, loso, groups:K, corpora, split, or a file of "
    "folds."
)


class ScreenFormat(StrEnum):
    """How a command prints its result."""

    TABLE = "table"
    JSON = "json"


AbstainOption = Annotated[
    float,
    typer.Option(
        metavar="P", min=0, max=1, help="Answer 'uncertain' if the top probability is below P."
    ),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of a model.  [default: the included model]"),
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIR",
        help="Folder of a model; repeat it to average several.  [default: the included model]",
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="NAME", help=f"Where to compute: {DEVICES}")
]
TrainingDeviceOption = Annotated[
    str,
    typer.Option("--device", metavar="NAME", help="Where to compute: auto, cpu, cuda or mps."),
]
ScreenFormatOption = Annotated[
    ScreenFormat,
    typer.Option("--format", "-f", metavar="FORMAT", help="How to print: table or json."),
]
FoldsOption = Annotated[
    str | None,
    typer.Option("--folds", metavar="SCHEME", help=FOLDS),
]
LabelsOption = Annotated[
    str,
    typer.Option(
        "--labels",
        metavar="SET",
        help="Label set (see 'seqcap corpus list'), 'all', or emotions separated by commas.",
    ),
]
SharedSpeakersOption = Annotated[
    bool,
    typer.Option(
        "--allow-shared-speakers",
        help="Accept speakers in both training and test; the results are marked.",
    ),
]
TablesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="TABLE", help="Corpus tables, .csv or .parquet.", show_default=False),
]
OverrideOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Change a setting, e.g. epochs=20; repeatable."
    ),
]


def lightning_device(device: str) -> str:
    """What pytorch-lightning calls a device; "gpu", its own word, is understood as before.

    Example:
        >>> lightning_device("cuda"), lightning_device("cpu")
        ('gpu', 'cpu')
    """
    return "gpu" if device == "cuda" else device
