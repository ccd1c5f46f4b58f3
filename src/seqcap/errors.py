"""Errors a user can cause: each text says what came, what was expected, the way out."""

import difflib
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_NAMED = 3  # recordings that a warning about many of them names


class SeqcapError(Exception):
    """Something cannot be used; the text is one line meant for the user."""


class AudioError(SeqcapError):
    """A recording that is missing, unreadable, too short or not made of numbers."""


class CorpusError(SeqcapError):
    """A corpus table, folder or fold that cannot be used as it is."""


class SettingsError(SeqcapError):
    """A setting or an option that is unknown or out of its range."""


class CheckpointError(SeqcapError):
    """A saved system that is missing, incomplete or made by another kind of program."""


class MissingExtraError(SeqcapError):
    """A command that needs packages which the light core does not install."""


class AudioWarning(UserWarning):
    """A recording that is used, but whose answer is less certain (silence, clipping)."""


class CorpusWarning(UserWarning):
    """A corpus that is used, but is incomplete or unusual."""


def suggestion(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Gives the way out of an unknown name: the nearest known one, or all that there are.

    Args:
        word: That is unknown.
        known: Names that would do, in the order in which they are listed.
        prefix: Stands before each of them.

    Example:
        >>> suggestion("tabel5", ["table4", "table5"]), suggestion("mine", ["a", "b"], "in.")
        ("did you mean 'table5'?", 'there are in.a, in.b')
    """
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"did you mean '{prefix}{near[0]}'?"
    return f"there are {', '.join(prefix + name for name in names)}"


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    r"""Shows warnings about recordings and corpora as lines on the error stream, as commands do.

    Example:
        >>> import contextlib, io
        >>> with contextlib.redirect_stderr(io.StringIO()) as told, warnings_as_lines():
        ...     warnings.warn("a.wav: 2 % of the samples are clipped", AudioWarning)
        >>> told.getvalue()
        'seqcap: a.wav: 2 % of the samples are clipped\n'
    """
    ours = (AudioWarning, CorpusWarning)
    with warnings.catch_warnings():
        for category in ours:
            warnings.simplefilter("always", category)
        show_others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: object) -> None:
            if issubclass(category, ours):
                sys.stderr.write(f"seqcap: {message}\n")
            else:
                show_others(message, category, *place)  # type: ignore[arg-type]

        warnings.showwarning = show  # type: ignore[assignment]
        yield


@contextmanager
def gather_warnings() -> Iterator[None]:
    """Turns equal warnings about many recordings into one, with their number and first names.

    Warnings are equal if they differ in the name before the first colon and in numbers only.

    Example:
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     with gather_warnings():
        ...         for name, share in (("a.wav", 1.5), ("b.wav", 2.0)):
        ...             warnings.warn(f"{name}: {share} % clipped", AudioWarning)
        >>> str(caught[0].message)
        '2 recordings (a.wav, b.wav): 1.5 % clipped'
    """
    kept: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            for category in (AudioWarning, CorpusWarning):
                if not _is_ignored(category):
                    warnings.simplefilter("always", category)
            try:
                yield
            finally:
                kept = list(caught)
    finally:
        _warn_again(kept)


def _warn_again(caught: list[warnings.WarningMessage]) -> None:
    groups: dict[tuple[type[Warning], str], list[str]] = {}
    for one in caught:
        if not issubclass(one.category, (AudioWarning, CorpusWarning)):
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)
            continue
        text = str(one.message)
        kind = re.sub(r"[\d.,]+", "0", text.partition(": ")[2] or text)
        groups.setdefault((one.category, kind), []).append(text)
    for (category, _), texts in groups.items():
        warnings.warn(_joined(texts), category, stacklevel=4)


def _is_ignored(category: type[Warning]) -> bool:
    for action, _, of, _, _ in warnings.filters:
        if issubclass(category, of):
            return action == "ignore"
    return False


def _joined(texts: list[str]) -> str:
    names = list(dict.fromkeys(text.partition(": ")[0] for text in texts))
    if len(names) == 1:
        return texts[0]
    shown = ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
    return f"{len(names)} recordings ({shown}): {texts[0].partition(': ')[2]}"
