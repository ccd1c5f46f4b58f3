"""Files that are there whole or not at all, whatever interrupts their writing."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary file beside `path` to write to; at the end it takes the place of `path`.

    A new file gets the rights that the umask leaves; one that is replaced keeps its own. Of a link
    the file that it points to is replaced.

    Args:
        path: The file to be; its folder is made where it is missing.

    Raises:
        OSError: It cannot be written; `filename` is the path.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder, "a.txt")) as temporary:
        ...         _ = temporary.write_text("all of it")
        ...     print(sorted(os.listdir(folder)))
        ['a.txt']
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.stem}-{secrets.token_hex(4)}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        rights = _rights(target)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        if rights is not None:
            temporary.chmod(rights)
        temporary.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise


def _rights(file: Path) -> int | None:
    """The mode of a file that is there and may be written to; None of one that is not there."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return None
    if not os.access(file, os.W_OK):
        raise PermissionError(13, "Permission denied", str(file))
    return stat.S_IMODE(mode)
