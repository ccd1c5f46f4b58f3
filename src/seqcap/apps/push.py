"""`seqcap push`: a model of your own on the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from seqcap.recognition.model_folder import check_model_folder


def push(
    model: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the model.")],
    name: Annotated[str, typer.Argument(metavar="NAME/MODEL", help="What it is called there.")],
    private: Annotated[bool, typer.Option("--private", help="Only you can see it.")] = False,
    licence: Annotated[
        str, typer.Option("--licence", help="As the hub names it, e.g. cc-by-4.0 or mit.")
    ] = "",
) -> None:
    """Upload a model with its card to the Hugging Face hub.

    `--model NAME/MODEL` then takes it anywhere. Files other than safetensors, ONNX, JSON and the
    card stay here. 'hf auth login' tells the hub who you are.

    Examples:
      seqcap push runs/mine/model anna/call-emotions --private
      seqcap push runs/mine/model anna/call-emotions --licence cc-by-4.0
    """
    from seqcap.recognition.hub import push_model

    typer.echo(push_model(check_model_folder(model), name, private=private, licence=licence))
