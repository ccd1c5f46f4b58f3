"""Where recordings come from: paths, bytes, file objects and arrays, opened alike.

Files are decoded by libsndfile, and what it refuses by FFmpeg's libraries. Content decides which,
never the ending of a name.
"""

import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy.typing as npt
import soundfile

from seqcap.audio.file_view import FileView, patched_view, whole_view
from seqcap.audio.issues import IssueKind
from seqcap.audio.mpeg_frames import mpeg_view, scan_frames
from seqcap.audio.ogg_pages import scan_pages
from seqcap.audio.recording import (
    ArrayRecording,
    FileRecording,
    JoinedRecording,
    Recording,
    SequentialFile,
)
from seqcap.audio.truncation import LAYOUTS, check_log, check_whole, find_sound_data
from seqcap.errors import AudioError

Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | tuple[npt.NDArray[Any], int]
Issues: TypeAlias = list[tuple[IssueKind, str]]

_CONVERT = "convert it with: ffmpeg -i INPUT out.wav"
_GET_FORMATS = "m4a, mp4, webm, wma, amr and others need: pip install 'seqcap[formats]'"

_MPEG_IN_WAV = (0x50, 0x55)
# Containers of FFmpeg that may hold MPEG frames, and must not be taken for a damaged MP3.
_MEDIA_STARTS = (b"\x1aE\xdf\xa3", b"0&\xb2u", b"FLV", b"#!AMR", b"\x00\x00\x01\xba", b"G@")
_FLAC_START = b"fLaC\x00\x00\x00\x22"  # marker and the header of STREAMINFO
_SEARCH_BYTES = 1 << 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MOST_FLAC_BLOCKS = 1000
_FLAC_OVERHEAD = 16384  # bytes of frames' headers in a short file


def source_name(source: Source, name: str | None = None) -> str:
    r"""Tells what errors and answers call a source.

    Args:
        source: As in `load_waveform`.
        name: What it is to be called; its own name if None.

    Returns:
        The name given, the path, the name of a file object, or ``<bytes>``, ``<file object>`` or
        ``<array>``. A path that is no UTF-8 shows its odd bytes as ``\xff``.

    Examples:
        >>> source_name("a.wav"), source_name(b"RIFF"), source_name(b"RIFF", "the call")
        ('a.wav', '<bytes>', 'the call')
    """
    if name:
        return printable(name)
    if isinstance(source, (str, os.PathLike)):
        return printable(os.fsdecode(source))
    if isinstance(source, tuple):
        return "<array>"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "<bytes>"
    if not hasattr(source, "read"):
        return "<source>"
    own_name = getattr(source, "name", None)  # a number where a descriptor was opened
    return printable(own_name) if isinstance(own_name, str) else "<file object>"


def printable(path: str) -> str:
    r"""Shows a path as one line of text: odd bytes as ``\xff``, a line break as ``\n``.

    Args:
        path: May hold bytes that are no text.

    Example:
        >>> print(printable("bad\udcff.wav"), printable("two\nlines.wav"), printable("töne.wav"))
        bad\xff.wav two\nlines.wav töne.wav
    """
    try:
        text = os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # what no file can be called
        text = path.encode("utf-8", "backslashreplace").decode()
    if not _CONTROL.search(text):
        return text
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def rereadable(source: Source) -> Source:
    """Keeps what can be read only once: a pipe, ``/dev/fd/63``, a download.

    Args:
        source: As in `load_waveform`.

    Returns:
        The source itself, or a file object of the same name that holds its content.

    Raises:
        AudioError: It cannot be opened.
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        if not _is_pipe(path):
            return source
        with _file_at(path, source_name(source)) as file:
            return _KeptFile(file.read(), source_name(source))
    if hasattr(source, "read") and not cast(BinaryIO, source).seekable():
        return _rewound(cast(BinaryIO, source), source_name(source))
    return source


@contextmanager
def opened(source: Source, name: str | None) -> Iterator[Recording]:
    """Opens a source and closes what it opened, not what it was given.

    Args:
        source: Path, bytes, binary file or array with its rate.
        name: For errors; the source's own if None.
    """
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
        start = file.read(64)
        if not start:
            raise AudioError(f"{name}: empty (0 bytes); a recording is expected, fetch it again")
        yield _opened_file(file, start, name, stack, is_own=isinstance(source, (str, os.PathLike)))


def _opened_file(
    file: BinaryIO, start: bytes, name: str, stack: ExitStack, *, is_own: bool
) -> Recording:
    """Opens a file by libsndfile, or by FFmpeg's libraries where that refuses."""
    issues: Issues = []
    views, least = _views(file, start, name, issues)
    try:
        if views is None and is_own and not isinstance(file, _KeptFile):
            # Read by its descriptor a file is read twice as fast, without calls into Python.
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            sounds = [stack.enter_context(SequentialFile(file.fileno(), closefd=False))]
        else:
            shown = views or [whole_view(file)]
            sounds = [stack.enter_context(SequentialFile(view)) for view in shown]
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        reason = getattr(error, "error_string", "no header").rstrip(".")
        return _opened_by_ffmpeg(file, name, issues, stack, reason)
    if sum(sound.frames for sound in sounds) < least:
        return _opened_by_ffmpeg(
            file, name, issues, stack, "libsndfile finds less sound than it has"
        )
    for sound in sounds:
        check_log(sound.extra_info, sound.format, sound.frames, name)
    recordings = [FileRecording(sound, name, issues) for sound in sounds]
    return recordings[0] if len(recordings) == 1 else JoinedRecording(recordings)


def _views(
    file: BinaryIO, start: bytes, name: str, issues: Issues
) -> tuple[list[FileView] | None, int]:
    """What libsndfile is to be shown, None for the file as it is; and the least number of frames.

    Raises:
        AudioError: The file is truncated.
    """
    magic = start[:4]
    if magic == b"OggS":
        chain = scan_pages(file, name)
        if chain.is_damaged:
            issues.append((IssueKind.DAMAGED, "pages are missing in between"))
        if not chain.is_ended:
            issues.append((IssueKind.UNFINISHED, "its last page is missing; all before was read"))
        return _links(file, chain.links), 0
    if magic == b"fLaC":
        starts = _flac_starts(file)
        ends = [*starts[1:], file.seek(0, os.SEEK_END)]
        if len(starts) == 1 and (patches := _miscounted_flac(file, ends[0])):
            text = "its header counts too few samples; all of them were read"
            issues.append((IssueKind.UNFINISHED, text))
            return [patched_view(file, patches)], 0
        return _links(file, list(zip(starts, ends, strict=True))), 0
    if magic == b"RIFF" and len(links := _wav_links(file)) > 1:
        for link in links:
            view = cast(BinaryIO, FileView(file, [link]))
            if (part := find_sound_data(view, magic)) is not None:
                check_whole(view, part, name)
        return _links(file, links), 0
    data = find_sound_data(file, start)
    if data is not None and data.codec in _MPEG_IN_WAV and data.size is not None:
        return _mpeg_views(file, name, issues, data.start, data.start + data.size)
    if data is not None:
        fault = check_whole(file, data, name)
        if fault is None:
            return None, 0
        if fault.text:
            issues.append((IssueKind.UNFINISHED, fault.text))
        return [patched_view(file, fault.patches)] if fault.patches else None, 0
    if magic in LAYOUTS or start[4:8] == b"ftyp" or start.startswith(_MEDIA_STARTS):
        return None, 0
    return _mpeg_views(file, name, issues)


def _wav_links(file: BinaryIO) -> list[tuple[int, int]]:
    """Where recordings begin and end in a WAV file: several if files were joined."""
    end = file.seek(0, os.SEEK_END)
    starts, start = [0], 0
    while True:
        file.seek(start + 4)
        start += 8 + int.from_bytes(file.read(4), "little")
        start += start % 2
        file.seek(start)
        header = file.read(12)
        if header[:4] != b"RIFF" or header[8:] != b"WAVE":
            break
        starts.append(start)
    return list(zip(starts, [*starts[1:], end], strict=True))


def _links(file: BinaryIO, links: list[tuple[int, int]]) -> list[FileView] | None:
    return [FileView(file, [link]) for link in links] if len(links) > 1 else None


def _mpeg_views(
    file: BinaryIO, name: str, issues: Issues, start: int = 0, end: int | None = None
) -> tuple[list[FileView] | None, int]:
    views: list[FileView] = []
    least = 0
    while (scan := scan_frames(file, start, end)) is not None:
        if scan.skipped:
            text = f"{scan.skipped:,} bytes between its frames are no sound"
            issues.append((IssueKind.DAMAGED, text))
        if scan.rest:
            text = "it ends inside a frame, as if cut off; all frames before were read"
            issues.append((IssueKind.UNFINISHED, text))
        views.append(mpeg_view(file, scan, name))
        # Encoders add up to two frames, which libsndfile leaves out.
        least += max(0, scan.sample_count - 4 * scan.first.samples)
        start = scan.end
    return views or None, least


def _flac_starts(file: BinaryIO) -> list[int]:
    """Where recordings begin in a FLAC file: several if files were joined."""
    starts, position = [], 0
    file.seek(0)
    tail = b""
    while block := file.read(_SEARCH_BYTES):
        block = tail + block
        offset = block.find(_FLAC_START)
        while offset >= 0:
            starts.append(position - len(tail) + offset)
            offset = block.find(_FLAC_START, offset + 1)
        position += len(block) - len(tail)
        tail = block[-len(_FLAC_START) + 1 :]
    return starts or [0]


def _miscounted_flac(file: BinaryIO, size: int) -> dict[int, bytes]:
    """Patches the count of a FLAC file that is larger than so many samples would be unpacked."""
    file.seek(8)
    header = file.read(18)  # STREAMINFO up to its count of samples
    if len(header) < 18:
        return {}
    fields = int.from_bytes(header[10:18], "big")
    count, bits, channel_count = (
        fields & 0xFFFFFFFFF,
        (fields >> 36 & 31) + 1,
        (fields >> 41 & 7) + 1,
    )
    position = 4
    for _ in range(_MOST_FLAC_BLOCKS):  # metadata: pictures are no sound
        file.seek(position)
        block = file.read(4)
        position += 4 + int.from_bytes(block[1:], "big")
        if len(block) < 4 or block[0] & 0x80:
            break
    largest = count * bits * channel_count // 8
    if not count or size - position < 1.1 * largest + _FLAC_OVERHEAD:
        return {}
    return {21: bytes([header[13] & 0xF0, 0, 0, 0, 0])}  # not known: libsndfile reads to the end


def _opened_by_ffmpeg(
    file: BinaryIO, name: str, issues: Issues, stack: ExitStack, reason: str
) -> Recording:
    refusal = f"{name}: not a sound file that can be read ({reason})"
    try:
        import av

        from seqcap.audio.media_decoder import MediaRecording
    except ImportError:
        raise AudioError(f"{refusal}; {_GET_FORMATS}, or {_CONVERT}") from None
    try:
        view = whole_view(file)
        recording = stack.enter_context(closing(MediaRecording(cast(BinaryIO, view), name)))
    except (av.error.FFmpegError, ValueError, NotImplementedError, RuntimeError) as error:
        raise AudioError(f"{refusal}; {_CONVERT}") from error
    recording.issues += issues
    return recording


def _is_pipe(path: str) -> bool:
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _file_at(path: str, name: str) -> BinaryIO:
    try:
        file = Path(path).open("rb")  # noqa: SIM115  # the caller closes it
    except IsADirectoryError:
        raise AudioError(f"{name}: a folder; one recording is expected, name its files") from None
    except (FileNotFoundError, ValueError):  # ValueError: a null character in the path
        raise AudioError(f"{name}: no such file; check the path") from None
    except OSError as error:
        raise AudioError(f"{name}: cannot be opened ({error.strerror}); check its rights") from None
    if stat.S_ISCHR(os.fstat(file.fileno()).st_mode):
        file.close()
        raise AudioError(f"{name}: a device; a file or a pipe is expected, '-' for standard input")
    return file


class _KeptFile(io.BytesIO):
    """What came by a pipe, under the pipe's name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def _rewound(file: BinaryIO, name: str) -> BinaryIO:
    """Goes to the beginning; a pipe or a download, which cannot go back, is kept."""
    if not isinstance(file.read(0), bytes):
        raise AudioError(f"{name}: a file opened as text; open it as binary, mode 'rb'")
    if not file.seekable():
        return _KeptFile(file.read(), name)
    file.seek(0)
    return file
