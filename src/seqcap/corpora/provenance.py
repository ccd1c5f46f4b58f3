"""Which data a run used, to the bit: the table's hash and the hash of every file in it."""

import functools
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from seqcap.errors import AudioError


def table_hash(table: pd.DataFrame) -> str:
    """Hashes everything that a table says; another order of rows is another table.

    Choice: files count by their path below the folder that all of them share. So the same corpus in
    another place has the same hash, and so has the same table as CSV and as Parquet.

    Args:
        table: As `read_table` gives it; column file.

    Returns:
        SHA-256, 64 hexadecimal digits.

    Example:
        >>> def mine(folder):
        ...     return pd.DataFrame({"file": [f"{folder}/a.wav", f"{folder}/b.wav"], "start": 0.0})
        >>> table_hash(mine("/data")) == table_hash(mine("/other/place"))
        True
    """
    below = below_shared_folder(table["file"])
    text = table.assign(file=below)[sorted(table.columns)].to_csv(index=False, na_rep="")
    return hashlib.sha256(text.encode()).hexdigest()


def below_shared_folder(files: Iterable[str]) -> list[str]:
    """Names files by their path below the folder that all of them share.

    Args:
        files: Paths; URIs stay as they are.

    Example:
        >>> below_shared_folder(["/data/one/a.wav", "/data/two/b.wav"])
        ['one/a.wav', 'two/b.wav']
    """
    paths = [str(file) for file in files]
    shared = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120
    return [Path(os.path.relpath(path, shared)).as_posix() for path in paths]


def file_hash(file: str | os.PathLike[str]) -> str:
    """Gives the SHA-256 of a file's bytes; read again only after the file has changed.

    Args:
        file: Its path.

    Raises:
        AudioError: there is no such file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a").write_bytes(b"")
        ...     print(file_hash(f"{folder}/a")[:8])
        e3b0c442
    """
    try:
        status = Path(file).stat()
    except OSError:
        raise AudioError(f"{file}: no such file; check the path") from None
    return _file_hash(str(file), status.st_size, status.st_mtime_ns)


def file_hashes(files: Iterable[str]) -> dict[str, str]:
    """Maps each file to the SHA-256 of its bytes, for the record of a run.

    Args:
        files: paths, as in a table's column `file`; each is read once.
    """
    return {file: file_hash(file) for file in dict.fromkeys(files)}


@functools.lru_cache(maxsize=1 << 18)
def _file_hash(file: str, size: int, mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with Path(file).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
