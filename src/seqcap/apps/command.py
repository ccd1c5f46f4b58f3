"""The class of all commands: examples in the help, and old names of options."""

import re
from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand, TyperGroup

_EXAMPLES = "Examples:"
# Names of 0.1, understood until 0.3 and shown nowhere.
_OLD_OPTIONS = {
    "--one-speaker": ["--adapt"],
    "--same-speaker": ["--adapt"],
    "--even-emotions": ["--balanced-prior"],
    "--strangers": ["--unknown-speakers"],
    "--start-from": ["--init-from"],
    "--json": ["--format", "json"],
}


class Command(TyperCommand):
    """A command whose docstring may end with a block of examples, a line each."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the command line, old names of options included."""
        known = {name for parameter in self.params for name in parameter.opts}
        return super().parse_args(ctx, _with_new_names(args, known))

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Writes the explanation in lines of the terminal's width, examples as they are."""
        _format_examples(self, super().format_help_text, ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments, without the types that Typer adds, and options."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            name, text = record
            if parameter.param_type_name == "argument":
                sections["Arguments"].append((re.sub(r" <[^<>]*>$", "", name), text))
            else:
                sections["Options"].append((name, text))
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class CommandGroup(TyperGroup):
    """A group of commands whose docstring may end with a block of examples, a line each."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Writes the explanation in lines of the terminal's width, examples as they are."""
        _format_examples(self, super().format_help_text, ctx, formatter)


def _format_examples(
    command: Any, format_explanation: Callable[[Any, Any], None], ctx: Any, formatter: Any
) -> None:
    whole = command.help or ""
    command.help, _, examples = whole.partition(_EXAMPLES)
    try:
        format_explanation(ctx, formatter)
    finally:
        command.help = whole
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    if lines:
        with formatter.section(_EXAMPLES.rstrip(":")):
            for line in lines:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def _with_new_names(args: list[str], known: set[str]) -> list[str]:
    """Replaces options of earlier versions.

    Example:
        >>> _with_new_names(["a.csv", "--start-from=-", "--json"], {"--init-from", "--format"})
        ['a.csv', '--init-from=-', '--format', 'json']
    """
    result: list[str] = []
    for place, arg in enumerate(args):
        if arg == "--":
            return [*result, *args[place:]]
        name, equals, value = arg.partition("=")
        new = _OLD_OPTIONS.get(name, []) if name not in known else []
        result += [f"{new[0]}{equals}{value}", *new[1:]] if new else [arg]
    return result
