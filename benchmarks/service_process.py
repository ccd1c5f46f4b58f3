"""Starts `seqcap serve` as a process, for programs and tests that are its clients."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import httpx

_PATIENCE_S = 120


def free_port() -> int:
    """Finds a port of this machine that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def start_service(
    options: Sequence[str] = (),
    before_start: Callable[[], None] | None = None,
    stderr: int | None = None,
) -> tuple["subprocess.Popen[str]", str]:
    """Starts `seqcap serve` with one worker on a free port, and waits until it answers.

    Args:
        options: More options of the command.
        before_start: Called in the new process before the command starts.
        stderr: As for `subprocess.Popen`.

    Returns:
        The process and the URL. The process may have ended if the options are wrong.
    """
    port = free_port()
    command = [sys.executable, "-m", "seqcap", "serve", "--workers", "1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, *options], preexec_fn=before_start, stderr=stderr, text=True
    )
    url = f"http://127.0.0.1:{port}"
    deadline_s = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline_s:
        try:
            httpx.get(f"{url}/healthz")
            break
        except httpx.TransportError:
            time.sleep(0.1)
    return process, url
