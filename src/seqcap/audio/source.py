"""Where recordings come from: paths, bytes, file objects and arrays, opened alike.

Files are decoded by libsndfile, which is told nothing but their content.
"""

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy.typing as npt
import soundfile

from seqcap.audio.recording import ArrayRecording, FileRecording, Recording, SequentialFile
from seqcap.audio.truncation import check_whole
from seqcap.errors import AudioError

Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | tuple[npt.NDArray[Any], int]

_READABLE = "WAV, FLAC, OGG (Vorbis, Opus) and MP3 can be read"
_CONVERT = "convert others with: ffmpeg -i INPUT out.wav"


def source_name(source: Source, name: str | None = None) -> str:
    """Tells what errors and answers call a source.

    Args:
        source: As in `load_waveform`.
        name: What it is to be called; its own name if None.

    Returns:
        The name given, the path, the name of a file object, or ``<bytes>``, ``<file object>`` or
        ``<array>``.

    Examples:
        >>> source_name("a.wav"), source_name(b"RIFF"), source_name(b"RIFF", "the call")
        ('a.wav', '<bytes>', 'the call')
    """
    if name:
        return name
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    if isinstance(source, tuple):
        return "<array>"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "<bytes>"
    if not hasattr(source, "read"):
        return "<source>"
    own_name = getattr(source, "name", None)  # a number where a descriptor was opened
    return own_name if isinstance(own_name, str) else "<file object>"


@contextmanager
def opened(source: Source, name: str | None) -> Iterator[Recording]:
    """Opens a source and closes what it opened, not what it was given."""
    name = source_name(source, name)
    if isinstance(source, tuple):
        yield ArrayRecording(source, name)
        return
    with ExitStack() as stack:
        if isinstance(source, (str, os.PathLike)):
            file = stack.enter_context(_file_at(os.fsdecode(source), name))
        elif isinstance(source, (bytes, bytearray, memoryview)):
            file = io.BytesIO(source)
        elif hasattr(source, "read"):
            file = source
        else:
            raise AudioError(
                f"{name}: a {type(source).__name__}; a path, bytes, a binary file or"
                " (array, rate) is expected"
            )
        file = _rewound(file, name)
        start = file.read(4)
        if not start:
            raise AudioError(f"{name}: empty (0 bytes); a recording is expected, fetch it again")
        check_whole(file, start, name)
        file.seek(0)
        try:
            sound = stack.enter_context(SequentialFile(_faster(source, file, start)))
        except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: named *.raw
            reason = getattr(error, "error_string", "no header").rstrip(".")
            raise AudioError(
                f"{name}: not a sound file that can be read ({reason}); {_READABLE}, {_CONVERT}"
            ) from error
        yield FileRecording(sound, name)


def _faster(source: Source, file: BinaryIO, start: bytes) -> BinaryIO | str:
    """Gives the path in place of its open file where libsndfile would see the same in both.

    Choice: content decides, never the ending. Given a path libsndfile takes any "*.mp3" for one,
    so only clear content goes there, which is read twice as fast without calls into Python.
    """
    if not isinstance(source, (str, os.PathLike)) or isinstance(file, io.BytesIO):
        return file
    path = os.fsdecode(source)
    clear = start in (b"RIFF", b"fLaC", b"OggS") and not path.lower().endswith(".mp3")
    return path if clear else file


def _file_at(path: str, name: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except IsADirectoryError:
        raise AudioError(f"{name}: a folder; one recording is expected, name its files") from None
    except (FileNotFoundError, ValueError):  # ValueError: a null character in the path
        raise AudioError(f"{name}: no such file; check the path") from None
    except OSError as error:
        raise AudioError(f"{name}: cannot be opened ({error.strerror}); check its rights") from None


def _rewound(file: BinaryIO, name: str) -> BinaryIO:
    """Goes to the beginning, by way of memory where a file (a pipe, a download) cannot go back."""
    if not isinstance(file.read(0), bytes):
        raise AudioError(f"{name}: a file opened as text; open it as binary, mode 'rb'")
    if not file.seekable():
        return io.BytesIO(file.read())
    file.seek(0)
    return file
