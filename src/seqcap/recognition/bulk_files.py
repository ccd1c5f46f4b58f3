"""Files of bulk recognition: of this machine, in buckets, in whatever fsspec knows.

A place is a path of this machine, or a URI. Arrow's own file systems serve S3, Google Cloud
Storage, Azure and Hadoop; fsspec those that it has a package for.
"""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fsspec.core
import pyarrow as pa
from pyarrow import fs

from seqcap.errors import SettingsError
from seqcap.files import atomic_write

_ARROW_SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")


class FoundFile(NamedTuple):
    """A file below a folder.

    Attributes:
        place: Its path or URI.
        size: In bytes.
    """

    place: str
    size: int


def is_uri(place: str) -> bool:
    """Tells a URI from a path.

    Args:
        place: Path or URI.

    Example:
        >>> is_uri("s3://calls/2024"), is_uri("/data/calls")
        (True, False)
    """
    return "://" in place


def join(folder: str, name: str) -> str:
    """Names a file in a folder.

    Args:
        folder: Path or URI.
        name: Of a file, or a path below the folder.

    Example:
        >>> join("s3://calls/", "a.wav")
        's3://calls/a.wav'
    """
    return f"{folder.rstrip('/')}/{name}" if is_uri(folder) else str(Path(folder, name))


def locate(place: str) -> tuple[Any, str]:
    """Finds the Arrow file system of a place, and its path there.

    Args:
        place: Path or URI.

    Raises:
        SettingsError: Nothing serves such URIs, or the service refuses.
    """
    if not is_uri(place):
        return fs.LocalFileSystem(), os.fspath(place)
    scheme, _, rest = place.partition("://")
    bucket, slash, path = rest.partition("/")
    try:
        if scheme in _ARROW_SCHEMES:
            system, root = _arrow_file_system(scheme, bucket)
            return system, root.rstrip("/") + slash + path
        system, path = fsspec.core.url_to_fs(place)  # which it keeps
        return fs.PyFileSystem(fs.FSSpecHandler(system)), path
    except (OSError, ValueError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingsError(
            f"{place}: cannot be reached ({reason}); s3://, gs://, abfs://, hdfs:// and whatever "
            "fsspec has a package for are expected"
        ) from error


@functools.lru_cache(maxsize=64)
def _arrow_file_system(scheme: str, bucket: str) -> tuple[Any, str]:
    """Finds the file system, and the bucket's path there, without a name that may precede it."""
    system, root = fs.FileSystem.from_uri(f"{scheme}://{bucket}")
    return system, root


def read_bytes(place: str) -> bytes:
    """Reads a whole file.

    Args:
        place: Path or URI.

    Raises:
        OSError: It cannot be read.
        SettingsError: As `locate`.
    """
    system, path = locate(place)
    with system.open_input_stream(path) as stream:
        return bytes(stream.read())


def open_file(place: str) -> Any:
    """Opens a file that is read here and there; errors as `read_bytes`.

    Args:
        place: Path or URI.
    """
    system, path = locate(place)
    return system.open_input_file(path)


def write_bytes(place: str, content: bytes) -> None:
    """Writes a file that is there whole or not at all; errors as `read_bytes`.

    Args:
        place: Path or URI; its folder is made.
        content: All of the file.
    """
    if not is_uri(place):
        with atomic_write(place) as temporary:
            temporary.write_bytes(content)
        return
    system, path = locate(place)
    system.create_dir(path.rpartition("/")[0], recursive=True)
    with system.open_output_stream(path) as stream:  # a bucket has an object once it is closed
        stream.write(content)


def kind_of(place: str) -> str:
    """Says what is at a place: "file", "folder" or "nothing".

    Args:
        place: Path or URI.
    """
    if not is_uri(place):
        return "folder" if Path(place).is_dir() else "file" if Path(place).exists() else "nothing"
    system, path = locate(place)
    info = system.get_file_info(path)
    return {fs.FileType.File: "file", fs.FileType.Directory: "folder"}.get(info.type, "nothing")


def files_below(folder: str) -> Iterator[FoundFile]:
    """Gives the files below a folder, folder by folder in alphabetical order.

    Hidden files and folders are left out; a link to a folder is followed once.

    Args:
        folder: Path or URI.

    Raises:
        OSError: A folder cannot be listed.
    """
    yield from _below(folder, set())


def _below(folder: str, seen: set[str]) -> Iterator[FoundFile]:
    real = folder if is_uri(folder) else os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    folders = []
    for name, is_folder, size in sorted(_entries(folder)):
        if name.startswith("."):
            continue
        if is_folder:
            folders.append(name)
        else:
            yield FoundFile(join(folder, name), size)
    for name in folders:
        yield from _below(join(folder, name), seen)


def _entries(folder: str) -> Iterator[tuple[str, bool, int]]:
    if not is_uri(folder):
        # By the operating system, whose names may be no UTF-8.
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    yield entry.name, True, 0
                elif entry.is_file():  # neither pipes nor broken links
                    yield entry.name, False, entry.stat().st_size
        return
    system, path = locate(folder)
    for info in system.get_file_info(fs.FileSelector(path, recursive=False)):
        yield info.base_name, info.type is fs.FileType.Directory, info.size or 0


def reason_of(error: Exception) -> str:
    """Says in one line why a file could not be read.

    Args:
        error: Of the operating system or of Arrow.

    Example:
        >>> reason_of(FileNotFoundError(2, "No such file or directory"))
        'No such file or directory'
    """
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0].partition(" Detail: ")[0].strip().rstrip(".")


READ_ERRORS = (OSError, pa.ArrowException)
