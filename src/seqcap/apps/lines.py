"""What every command tells on the error stream, a line each."""

import typer


def tell(line: str) -> None:
    """Writes a line to the error stream under the program's name."""
    typer.echo(f"seqcap: {line}", err=True)
