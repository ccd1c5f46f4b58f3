"""`seqcap systems`: the paper's systems and their sizes."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

EMOTION_COUNT = 4  # as in Table II


class SystemsFormat(StrEnum):
    """How the systems are written."""

    TABLE = "table"
    JSON = "json"


def systems(
    output_format: Annotated[
        SystemsFormat, typer.Option("--format", help="How to write.")
    ] = SystemsFormat.TABLE,
) -> None:
    """List the paper's systems: parameters for four emotions, and what each can do.

    [bold]Examples[/bold]

    seqcap systems

    seqcap systems --format json
    """
    rows = list(_rows())
    if output_format is SystemsFormat.JSON:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("system", no_wrap=True)
    table.add_column("parameters", justify="right")
    table.add_column("Table II", justify="right")
    table.add_column("section")
    table.add_column("streams")
    table.add_column("any length")
    for row in rows:
        table.add_row(
            row["system"],
            f"{row['parameters']:,}",
            "" if row["paper"] is None else f"{row['paper']:,}",
            row["section"],
            "yes" if row["streams"] else "no",
            "yes" if row["any_length"] else "in pieces",
        )
    Console(highlight=False).print(table)


def _rows() -> list[dict[str, Any]]:
    import torch

    from seqcap.models.capsules import CapsuleSettings
    from seqcap.models.systems import SYSTEMS, count_parameters

    rows = []
    for name, description in SYSTEMS.items():
        with torch.device("meta"):  # shapes without numbers: 131 million parameters cost nothing
            system = description.build(EMOTION_COUNT, CapsuleSettings())
        rows.append(
            {
                "system": name,
                "parameters": count_parameters(system),
                "paper": description.paper_count,
                "section": description.section,
                "streams": description.streams,
                "any_length": description.any_length,
            }
        )
    return rows
