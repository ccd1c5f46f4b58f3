"""`seqcap model`: what a model is, what it was made of and how good it is."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

import seqcap.recognition
from seqcap.errors import CheckpointError

# As in seqcap.recognition.checkpoint, which imports torch.
PRETRAINED_FOLDER = Path(seqcap.recognition.__path__[0], "pretrained")
WEIGHTS_FILE, SETTINGS_FILE, CARD_FILE = "model.safetensors", "model.json", "CARD.md"


class ModelFormat(StrEnum):
    """How a model's description is written."""

    CARD = "card"
    JSON = "json"


def model(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A model; the shipped one by default.")
    ] = None,
    output_format: Annotated[
        ModelFormat, typer.Option("--format", help="Its card, or its settings and provenance.")
    ] = ModelFormat.CARD,
) -> None:
    """Show a model's card: corpora, licences, speakers, scores, limits.

    [bold]Examples[/bold]

    seqcap model

    seqcap model runs/mine/model --format json
    """
    source = check_model(folder)
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


def check_model(folder: Path | None) -> Path:
    """Finds a model without importing torch.

    Args:
        folder: Where it lies; None for the shipped one.

    Returns:
        Its folder.

    Raises:
        CheckpointError: There is none.
    """
    source = folder or PRETRAINED_FOLDER
    if not (source / SETTINGS_FILE).is_file() or not (source / WEIGHTS_FILE).is_file():
        raise CheckpointError(
            f"{source}: no model here; a folder with {SETTINGS_FILE} and {WEIGHTS_FILE} is "
            "expected, as 'seqcap train' writes it"
        )
    return source
