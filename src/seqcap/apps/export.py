"""`seqcap export`: a model as ONNX graphs, for this program and for others."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seqcap.apps.extras import needs_extra
from seqcap.apps.lines import tell


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
    written = export_model(model, folder, half_weights=weights is WeightFormat.FP16)
    for name in written:
        typer.echo(folder / name)
    if len(written) == 2:
        tell(f"{folder}: no samples.onnx, because no graph can do this model's work on samples")
