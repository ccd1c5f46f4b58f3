"""`seqcap systems`: the paper's systems, ours, and their sizes."""

import json
from typing import Any

import typer

from seqcap.apps.options import ScreenFormat, ScreenFormatOption
from seqcap.apps.terminal import print_table

EMOTION_COUNT = 4  # as in Table II


def systems(output_format: ScreenFormatOption = ScreenFormat.TABLE) -> None:
    """List the systems, with trained parameters and abilities.

    Examples:
      seqcap systems
      seqcap systems --format json
    """
    rows = list(_rows())
    if output_format is ScreenFormat.JSON:
        typer.echo(json.dumps(rows, indent=1))
        return
    print_table(
        ("system", "section", "streams", "any length", "parameters", "Table II"),
        [
            (
                row["system"],
                row["section"],
                "yes" if row["streams"] else "no",
                "yes" if row["any_length"] else "in segments",
                f"{row['parameters']:,}",
                "" if row["paper"] is None else f"{row['paper']:,}",
            )
            for row in rows
        ],
        left=4,
    )


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
