"""One run, one worker: locks that processes and machines on a shared folder respect.

`filelock` takes flock(2) on Unix. The kernel holds such a lock for an open file, not for a name
on disk: it is gone when its process ends, in whatever way, kill -9 and power cuts included, and
the empty file that stays behind means nothing. Between machines it is as good as the file system:
Linux turns flock on NFS into a lock at the server (NFSv4; NFSv3 with lockd), which lets go of a
dead machine's locks after its lease, about 90 s; a folder mounted with `nolock` or
`local_lock=flock` locks for one machine only, and must not be shared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

# Whoever only looks whether a run is locked holds its lock for less than a millisecond.
_PATIENCE_S = 0.5


def lock_file(folder: Path, name: str) -> Path:
    """Where the lock of a run stands.

    Example:
        >>> lock_file(Path("runs"), "CNN-paper-1-s0-0123456789ab").as_posix()
        'runs/locks/CNN-paper-1-s0-0123456789ab.lock'
    """
    return folder / "locks" / f"{name}.lock"


@contextmanager
def lock_run(folder: Path, name: str) -> Iterator[bool]:
    """Takes the lock of a run, if it is free.

    Args:
        folder: Of the experiment.
        name: Of the run.

    Yields:
        True if the run is ours until the end of the block, False if somebody else has it.
    """
    file = lock_file(folder, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=_PATIENCE_S, poll_interval=0.05)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def is_locked(folder: Path, name: str) -> bool:
    """Says whether a process is doing a run, on this machine or another; leaves no trace."""
    file = lock_file(folder, name)
    if not file.exists():
        return False
    lock = FileLock(file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False
