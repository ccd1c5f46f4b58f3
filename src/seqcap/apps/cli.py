"""`seqcap`: the command line.

What every command shares: a user's mistake is one line and exit status 2, never a traceback;
nothing heavy is imported before it is needed.
"""

import os
import sys
from typing import Annotated, NoReturn

import typer

from seqcap import __version__
from seqcap.apps.corpus import corpus_app
from seqcap.apps.evaluate import evaluate
from seqcap.apps.experiment import experiment_app
from seqcap.apps.extras import needs_extra
from seqcap.apps.lines import tell, warnings_as_lines
from seqcap.apps.listen import listen
from seqcap.apps.model import model
from seqcap.apps.predict import predict
from seqcap.apps.serve import serve
from seqcap.apps.systems import systems
from seqcap.apps.train import train
from seqcap.errors import SeqcapError

app = typer.Typer(
    name="seqcap",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (predict, listen, serve, model, systems, train, evaluate):
    app.command()(command)
app.add_typer(corpus_app)
app.add_typer(experiment_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seqcap {__version__}")
        raise typer.Exit


@app.callback()
def seqcap(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Recognise emotion in speech with sequential capsule networks.

    [bold]Examples[/bold]

    seqcap predict speech.wav

    seqcap predict recordings/ --timeline

    seqcap predict recordings/ --output emotions.csv
    """
    context.with_resource(warnings_as_lines())


def main() -> NoReturn:
    """Runs the command line; what goes wrong by a user's hand becomes one line."""
    try:
        try:
            with needs_extra("train"):
                app(prog_name="seqcap")
        finally:
            sys.stdout.flush()
    except SeqcapError as error:
        tell(str(error))
        sys.exit(2)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.filename is None:
            raise
        tell(f"{error.filename2 or error.filename}: {error.strerror}")
        sys.exit(2)
    raise AssertionError("a command line ends by SystemExit")
