"""What to say when a command needs more than the light core."""

from collections.abc import Iterator
from contextlib import contextmanager

from seqcap.errors import MissingExtraError


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turns a missing package into one line with the way out.

    Args:
        extra: Name of the extra that holds it.

    Example:
        >>> with needs_extra("train"):
        ...     import no_such_package
        Traceback (most recent call last):
            ...
        seqcap.errors.MissingExtraError: this command needs the package no_such_package; \
pip install 'seqcap[train]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "seqcap").partition(".")[0] == "seqcap":  # our own mistake
            raise
        raise MissingExtraError(
            f"this command needs the package {error.name}; pip install 'seqcap[{extra}]'"
        ) from error
