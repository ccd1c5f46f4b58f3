"""`seqcap push`: a model of your own on the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from seqcap.recognition.model_folder import check_model_folder


def push(
    model: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the model.")],
    name: Annotated[str, typer.Argument(metavar="NAME/MODEL", help="Its name on the hub.")],
    private: Annotated[bool, typer.Option("--private", help="Only you can see it.")] = False,
    licence: Annotated[
        str,
        typer.Option(
            "--licence", metavar="NAME", help="Licence, as the hub names it: cc-by-4.0, mit ..."
        ),
    ] = "",
) -> None:
    """Upload a model with its card to the Hugging Face hub.

    Log in first with 'hf auth login'. Only safetensors, ONNX and JSON files and the card are
    uploaded. Afterwards, '--model NAME/MODEL' works on any machine.

    Examples:
      seqcap push runs/mine/model anna/call-emotions --private
      seqcap push runs/mine/model anna/call-emotions --licence cc-by-4.0
    """
    from seqcap.recognition.hub import push_model

    typer.echo(push_model(check_model_folder(model), name, private=private, licence=licence))
