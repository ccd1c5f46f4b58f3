"""What every command tells on the error stream, a line each."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from seqcap.errors import AudioWarning, CorpusWarning

_OURS = (AudioWarning, CorpusWarning)


def tell(line: str) -> None:
    """Writes a line to the error stream under the program's name."""
    typer.echo(f"seqcap: {line}", err=True)


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Shows warnings about recordings and corpora like everything else that is told."""
    with warnings.catch_warnings():
        for category in _OURS:
            warnings.simplefilter("always", category)
        show_others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: object) -> None:
            if issubclass(category, _OURS):
                tell(str(message))
            else:
                show_others(message, category, *place)  # type: ignore[arg-type]

        warnings.showwarning = show  # type: ignore[assignment]
        yield
