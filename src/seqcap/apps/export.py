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
        str, typer.Argument(metavar="MODEL", help="Folder of the model; - is the shipped one.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the new model goes.")],
    weights: Annotated[
        WeightFormat,
        typer.Option(metavar="FORMAT", help="fp16: rounded once, half the size; or fp32."),
    ] = WeightFormat.FP16,
    licence: Annotated[
        str, typer.Option("--licence", help="Of the weights, written into samples.onnx.")
    ] = "see card",
) -> None:
    """Write a model with ONNX graphs, so that it runs without torch.

    DIR becomes a model's folder. encode.onnx and decide.onnx are what `seqcap predict` runs.
    samples.onnx is one graph from samples (16 kHz, mono) to probabilities, for other programs and
    browsers. Graphs that answer otherwise than torch are not written.

    Examples:
      seqcap export runs/mine/model exported/mine
      seqcap export runs/mine/model exported/mine --weights fp32
      seqcap export - exported/shipped
    """
    with needs_extra("export"):
        from seqcap.recognition.export import export_model
    half = weights is WeightFormat.FP16
    for name in export_model(model, folder, half_weights=half, licence=licence):
        typer.echo(folder / name)
