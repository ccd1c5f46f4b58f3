"""How a command is stopped from outside: SIGTERM ends it as Ctrl-C does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from seqcap.apps.lines import tell


class Terminated(KeyboardInterrupt):
    """SIGTERM came, as `kill`, a batch system or a container sends it."""


_received: list[int] = []  # signals that asked for the end


def stop_by_signals() -> None:
    """Turns SIGTERM, like Ctrl-C, into an exception, so that what is done is kept and said."""
    _received.clear()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored
            signal.signal(signal.SIGINT, _stop)


def _stop(signal_number: int, frame: FrameType | None) -> NoReturn:
    _received.append(signal_number)
    raise Terminated if signal_number == signal.SIGTERM else KeyboardInterrupt


def was_asked_to_stop() -> bool:
    """Whether a signal came: compiled modules that are just imported make another error of it."""
    return bool(_received)


def was_terminated(error: BaseException | None) -> bool:
    """Whether an exception comes from SIGTERM, however many others it became.

    Example:
        >>> was_terminated(Terminated()), was_terminated(KeyboardInterrupt())
        (True, False)
    """
    if signal.SIGTERM in _received:
        return True
    while error is not None and not isinstance(error, Terminated):
        error = error.__cause__ or error.__context__
    return error is not None


@contextmanager
def say_how_to_resume(behind: str) -> Iterator[None]:
    """Tells, if Ctrl-C or SIGTERM ends the block, that the same command goes on.

    Args:
        behind: What is done and kept.
    """
    try:
        yield
    except KeyboardInterrupt:
        tell(f"interrupted; run the same command to resume after {behind}")
        raise
