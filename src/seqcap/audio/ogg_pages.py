"""Ogg: the recordings that one file chains, and whether the last page is there (RFC 3533).

A chained file is legal and what `cat a.ogg b.ogg` makes; libsndfile reads its first link alone.
"""

import os
from dataclasses import dataclass
from typing import BinaryIO

from seqcap.audio.truncation import FETCH_AGAIN
from seqcap.errors import AudioError

_HEADER_BYTES = 27
_FIRST, _LAST = 2, 4  # flags of a page
_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class OggChain:
    """What the pages of a file tell.

    Attributes:
        links: First and last byte + 1 of each link.
        is_ended: Whether the last link has its last page.
        is_damaged: Whether pages are missing in between.
    """

    links: list[tuple[int, int]]
    is_ended: bool
    is_damaged: bool


def scan_pages(file: BinaryIO, name: str) -> OggChain:
    """Visits all pages of an Ogg file.

    Args:
        file: Binary, can be rewound.
        name: Of the recording, for errors.

    Raises:
        AudioError: It ends inside a page.
    """
    end = file.seek(0, os.SEEK_END)
    links: list[list[int]] = []
    following: dict[bytes, int] = {}  # of each stream: the number of its next page
    open_streams: set[bytes] = set()
    in_head = is_damaged = False
    position = 0
    while position < end:
        file.seek(position)
        header = file.read(_HEADER_BYTES + 255)
        if header[:4] != b"OggS":
            found = _find_page(file, position + 1, end)
            position = end if found is None else found
            continue
        count = header[26] if len(header) >= _HEADER_BYTES else 0
        lacing = header[_HEADER_BYTES : _HEADER_BYTES + count]
        size = _HEADER_BYTES + count + sum(lacing)
        if len(header) < _HEADER_BYTES or len(lacing) < count or position + size > end:
            missing = position + size - end
            raise AudioError(
                f"{name}: truncated, its last {missing} bytes are missing; {FETCH_AGAIN}"
            )
        flags, stream, number = header[5], header[14:18], int.from_bytes(header[18:22], "little")
        if flags & _FIRST:
            if not in_head:  # the first page of a link; more streams may follow it
                links.append([position, position])
                following.clear()
                open_streams.clear()
            open_streams.add(stream)
        in_head = bool(flags & _FIRST)
        is_damaged = is_damaged or following.get(stream, number) != number
        following[stream] = (number + 1) % 2**32
        if flags & _LAST:
            open_streams.discard(stream)
        position += size
        if links:
            links[-1][1] = position
    return OggChain([(a, b) for a, b in links], not open_streams, is_damaged)


def _find_page(file: BinaryIO, position: int, end: int) -> int | None:
    """Looks for the next page behind bytes that belong to none."""
    while position < end - 4:
        file.seek(position)
        block = file.read(_READ_BYTES)
        offset = block.find(b"OggS\0")
        if offset >= 0:
            return position + offset
        position += max(1, len(block) - 4)
    return None
