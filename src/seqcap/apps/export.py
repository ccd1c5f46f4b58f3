"""`seqcap export`: a model as ONNX graphs, for this program and for others."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seqcap.apps.extras import needs_extra


class WeightFormat(StrEnum):
    """How weights are stored; arithmetic is in float32 in any case."""

    FP16 = "fp16"
    FP32 = "fp32"


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Folder of the model; '-' is the included one.")
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="New folder of the exported model.")
    ],
    weights: Annotated[
        WeightFormat,
        typer.Option(metavar="FORMAT", help="fp16: half the size, rounded; or fp32."),
    ] = WeightFormat.FP16,
    licence: Annotated[
        str,
        typer.Option("--licence", metavar="NAME", help="Licence to write into samples.onnx."),
    ] = "see card",
) -> None:
    """Write a model with ONNX graphs, so that it runs without torch.

    'seqcap predict' runs encode.onnx and decide.onnx. Other programs and browsers can run
    samples.onnx, one graph from samples (16 kHz, mono) to probabilities. Graphs are written only
    if they give the same probabilities as torch.

    Examples:
      seqcap export runs/mine/model exported/mine
      seqcap export runs/mine/model exported/mine --weights fp32
      seqcap export - exported/included
    """
    with needs_extra("export"):
        from seqcap.recognition.export import export_model
    half = weights is WeightFormat.FP16
    for name in export_model(model, folder, half_weights=half, licence=licence):
        typer.echo(folder / name)
