"""`seqcap`: the command line.

What every command shares: a user's mistake is one line and exit status 2, never a traceback;
nothing heavy is imported before it is needed; SIGTERM ends a command like Ctrl-C, with status 143.
"""

import contextlib
import errno
import io
import os
import sys
from typing import Annotated, NoReturn

import typer

from seqcap import __version__
from seqcap.apps.bulk import bulk
from seqcap.apps.command import Command, CommandGroup
from seqcap.apps.corpus import corpus_app
from seqcap.apps.evaluate import evaluate
from seqcap.apps.experiment import experiment_app
from seqcap.apps.explain import explain
from seqcap.apps.export import export
from seqcap.apps.extras import needs_extra
from seqcap.apps.lines import tell
from seqcap.apps.listen import listen
from seqcap.apps.model import model
from seqcap.apps.predict import predict
from seqcap.apps.push import push
from seqcap.apps.serve import serve
from seqcap.apps.static_page import page
from seqcap.apps.stopping import stop_by_signals, was_asked_to_stop, was_terminated
from seqcap.apps.systems import systems
from seqcap.apps.train import train
from seqcap.errors import SeqcapError, warnings_as_lines

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

app = typer.Typer(
    name="seqcap",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    *(predict, bulk, listen, serve, page, explain),
    *(model, systems, train, evaluate, export, push),
)
for command in COMMANDS:
    app.command(cls=Command)(command)
app.add_typer(corpus_app)
app.add_typer(experiment_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seqcap {__version__}")
        raise typer.Exit


@app.callback(cls=CommandGroup)
def seqcap(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Recognise emotion in speech with sequential capsule networks.

    Examples:
      seqcap predict speech.wav
      seqcap predict recordings/ --timeline
      seqcap predict recordings/ --output emotions.csv
      seqcap predict --help
    """
    context.with_resource(warnings_as_lines())


def main() -> NoReturn:
    """Runs the command line; a user's mistake becomes one line."""
    stop_by_signals()
    _buffer_standard_output()
    try:
        try:
            with needs_extra("train"):
                app(prog_name="seqcap")
        finally:
            sys.stdout.flush()
    except SeqcapError as error:
        tell(str(error))
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has stopped
        _close_standard_output()
        sys.exit(1)
    except (SystemExit, KeyboardInterrupt) as end:
        if was_terminated(end):
            sys.exit(143)
        sys.exit(130 if isinstance(end, KeyboardInterrupt) else end.code)
    except Exception as error:
        if was_asked_to_stop():
            sys.exit(143 if was_terminated(error) else 130)
        if not isinstance(error, OSError):
            raise
        if error.filename is None and error.errno not in _FULL:
            raise
        tell(f"{error.filename2 or error.filename or 'standard output'}: {error.strerror}")
        _close_standard_output()
        sys.exit(2)
    raise AssertionError("a command line ends by SystemExit")


def _buffer_standard_output() -> None:
    """Buffers what PYTHONUNBUFFERED leaves unbuffered, where a full disk would go unnoticed."""
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.RawIOBase):
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(raw), sys.stdout.encoding, "backslashreplace", line_buffering=True
        )
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _close_standard_output() -> None:
    """Sends what is still to be written nowhere, so that the end of the program says nothing."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
