"""One run, one worker: locks that processes and machines on a shared folder respect.

`filelock` uses flock(2) on Unix. The kernel ties such a lock to an open file. It is released when
its process ends in any way, kill -9 and power cuts included; the empty file on disk means nothing.
Between machines the lock depends on the file system. Linux turns flock on NFS into a lock at the
server (NFSv4; NFSv3 with lockd), which releases a dead machine's locks after its lease, about 90 s.
A folder mounted with `nolock` or `local_lock=flock` locks on one machine only: do not share it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

# A process that only checks a lock holds it for less than a millisecond.
_PATIENCE_S = 0.5


def lock_file(folder: Path, name: str) -> Path:
    """Gives the path of a run's lock.

    Args:
        folder: Folder of the experiment.
        name: Name of the run.

    Example:
        >>> lock_file(Path("runs"), "CNN-paper-1-s0-0123456789ab").as_posix()
        'runs/locks/CNN-paper-1-s0-0123456789ab.lock'
    """
    return folder / "locks" / f"{name}.lock"


@contextmanager
def lock_run(folder: Path, name: str) -> Iterator[bool]:
    """Takes the lock of a run, if it is free.

    Args:
        folder: Folder of the experiment.
        name: Name of the run.

    Yields:
        True if this process holds the lock until the end of the block, False if another does.
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
    """Says whether a process holds the lock of a run, on this machine or another.

    Args:
        folder: Folder of the experiment.
        name: Name of the run.
    """
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
