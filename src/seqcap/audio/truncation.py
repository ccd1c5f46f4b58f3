"""Recordings that end too early, found by what their containers promise.

libsndfile reads a truncated WAV or OGG to where it ends and says nothing; FLAC and MP3 are found
while they are decoded.
"""

import os
import struct
from typing import BinaryIO

from seqcap.errors import AudioError

# Programs that write WAV into a pipe put such sizes where they do not know better.
_UNKNOWN_WAV_SIZE = 0x7FFF0000

FETCH_AGAIN = "fetch it again, or keep what is left with: ffmpeg -i INPUT out.wav"


def check_whole(file: BinaryIO, start: bytes, name: str) -> None:
    """Refuses a truncated WAV or OGG, which libsndfile would shorten without a word."""
    missing = 0
    if start in (b"RIFF", b"RIFX", b"RF64"):
        missing = _missing_from_wav(file, start)
    elif start == b"OggS":
        missing = _missing_from_ogg(file)
    if missing > 0:
        raise AudioError(f"{name}: truncated, its last {missing} bytes are missing; {FETCH_AGAIN}")


def _missing_from_wav(file: BinaryIO, start: bytes) -> int:
    """Counts the bytes that the data chunk promises beyond the end of the file."""
    order = ">" if start == b"RIFX" else "<"
    end = file.seek(0, os.SEEK_END)
    position = 12
    size_64 = _UNKNOWN_WAV_SIZE
    while True:
        file.seek(position)
        header = file.read(24)
        if len(header) < 8:
            return 0  # no data chunk at all: libsndfile says so
        size = int(struct.unpack_from(order + "I", header, 4)[0])
        if header[:4] == b"ds64" and len(header) == 24:
            size_64 = int(struct.unpack_from("<Q", header, 16)[0])
        if header[:4] == b"data":
            if size == 0xFFFFFFFF and start == b"RF64":
                size = size_64
            elif size >= _UNKNOWN_WAV_SIZE:
                return 0
            return max(0, position + 8 + size - end)
        position += 8 + size + size % 2


def _missing_from_ogg(file: BinaryIO) -> int:
    """Counts the bytes that the last page promises beyond the end of the file."""
    end = file.seek(0, os.SEEK_END)
    tail_start = max(0, end - 2 * 65307)  # two pages of the largest size
    file.seek(tail_start)
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS\0")) :]
    if len(page) < 27:
        return 27 - len(page)
    segment_count = page[26]
    segments = page[27 : 27 + segment_count]
    return max(0, 27 + segment_count + sum(segments) - len(page))
