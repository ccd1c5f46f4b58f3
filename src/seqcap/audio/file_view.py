"""Parts of a file, and bytes put in between, read as one file.

libsndfile is shown such a view where a header is wrong: an unfinished recording with its true
size, an MP3 with its true count of frames, one of several recordings joined in one file.
"""

import bisect
import itertools
import os
from collections.abc import Sequence
from typing import BinaryIO, TypeAlias

Part: TypeAlias = bytes | tuple[int, int]  # bytes as they are, or first and last byte + 1


class FileView:
    """A file made of parts of another one, for reading only.

    Choice: it never raises: libsndfile calls it from C, where an exception would be printed. A
    position behind the end reads nothing; before the beginning there is none to go to.

    Args:
        file: A seekable binary file; its own position is of no concern.
        parts: In order.

    Example:
        >>> import io
        >>> FileView(io.BytesIO(b"0123456789"), [b"ab", (3, 5), (8, 10)]).read()
        b'ab3489'
    """

    def __init__(self, file: BinaryIO, parts: Sequence[Part]) -> None:
        self._file = file
        self._parts = [p for p in parts if (len(p) if isinstance(p, bytes) else p[1] - p[0]) > 0]
        sizes = [len(p) if isinstance(p, bytes) else p[1] - p[0] for p in self._parts]
        self._starts = [0, *itertools.accumulate(sizes)]
        self._position = 0

    def __len__(self) -> int:
        """The number of bytes."""
        return self._starts[-1]

    def tell(self) -> int:
        """The position of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a position, counted as in `io.IOBase.seek`."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence, len(self))
        if origin + offset >= 0:
            self._position = origin + offset
        return self._position

    def read(self, count: int = -1) -> bytes:
        """Reads the next bytes; fewer only at the end, or where the file cannot be read."""
        end = len(self) if count < 0 else min(self._position + count, len(self))
        pieces = []
        while self._position < end:
            index = bisect.bisect_right(self._starts, self._position) - 1
            inside = self._position - self._starts[index]
            piece = self._read_part(index, inside, end - self._position)
            if not piece:
                break
            pieces.append(piece)
            self._position += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: memoryview) -> int:
        """Reads the next bytes into a buffer; gives their number."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _read_part(self, index: int, inside: int, count: int) -> bytes:
        part = self._parts[index]
        if isinstance(part, bytes):
            return part[inside : inside + count]
        try:
            self._file.seek(part[0] + inside)
            return self._file.read(min(count, part[1] - part[0] - inside))
        except (OSError, ValueError):  # a disk that fails, a file that was closed meanwhile
            return b""


def whole_view(file: BinaryIO) -> FileView:
    """The view of a whole file.

    Args:
        file: Binary, can be rewound.

    Example:
        >>> import io
        >>> len(whole_view(io.BytesIO(b"abc")))
        3
    """
    return FileView(file, [(0, file.seek(0, os.SEEK_END))])


def patched_view(file: BinaryIO, patches: dict[int, bytes]) -> FileView:
    """The view of a whole file with other bytes at some positions.

    Args:
        file: Binary, can be rewound.
        patches: Bytes by their position.

    Example:
        >>> import io
        >>> patched_view(io.BytesIO(b"abcdef"), {1: b"X", 4: b"YZ"}).read()
        b'aXcdYZ'
    """
    parts: list[Part] = []
    position = 0
    for start, content in sorted(patches.items()):
        parts += [(position, start), content]
        position = start + len(content)
    return FileView(file, [*parts, (position, file.seek(0, os.SEEK_END))])
