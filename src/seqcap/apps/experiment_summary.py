"""`seqcap experiment summary`: one table over several experiments."""

from pathlib import Path
from typing import Annotated

import typer

from seqcap.apps.extras import needs_extra


def summary(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER", help="Folders of experiments.")
    ],
    card: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the table into this file, between two lines <!-- results -->.",
        ),
    ] = None,
) -> None:
    """Print WA and UA of several experiments in one table.

    Examples:
      seqcap experiment summary runs/emodb runs/ravdess

      seqcap experiment summary results/* --card results/README.md
    """
    with needs_extra("train"):
        from seqcap.reports.summary import MARKER, summarise
        from seqcap.scoring.score_text import write_card

    experiments = [folder for folder in folders if (folder / "plans").is_dir()] or folders
    text = summarise(experiments, card.parent if card else Path())
    if card is None:
        typer.echo(text)
    else:
        write_card(card, text, MARKER)
        typer.echo(f"{card}: written")
