"""How a command is stopped from outside: SIGTERM ends it as Ctrl-C does."""

import signal
import threading
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM came, as `kill`, a batch system or a container sends it."""


def stop_by_sigterm() -> None:
    """Turns SIGTERM into an exception, so that what is done is kept and said."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)


def _stop(signal_number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def was_terminated(error: BaseException | None) -> bool:
    """Whether an exception comes from SIGTERM, however many others it became.

    Example:
        >>> was_terminated(Terminated()), was_terminated(KeyboardInterrupt())
        (True, False)
    """
    while error is not None and not isinstance(error, Terminated):
        error = error.__cause__ or error.__context__
    return error is not None
