"""`seqcap model`: what a model is, what it was made of and how good it is."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from seqcap.recognition.model_folder import CARD_FILE, SETTINGS_FILE, check_model_folder


class ModelFormat(StrEnum):
    """How a model's description is written."""

    CARD = "card"
    JSON = "json"


def model(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Folder of a model.  [default: the included model]"),
    ] = None,
    output_format: Annotated[
        ModelFormat,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="card, or json: settings and provenance.",
        ),
    ] = ModelFormat.CARD,
) -> None:
    """Show a model's card: data, licences, scores, limits.

    Examples:
      seqcap model
      seqcap model runs/mine/model --format json
    """
    source = check_model_folder(folder)
    card = source / CARD_FILE
    if output_format is ModelFormat.JSON or not card.is_file():
        settings = json.loads((source / SETTINGS_FILE).read_text("utf-8"))
        typer.echo(json.dumps(settings, indent=1, ensure_ascii=False))
        return
    console = Console()
    text = card.read_text("utf-8")
    if console.is_terminal:
        console.print(Markdown(text))
    else:
        typer.echo(text, nl=False)
