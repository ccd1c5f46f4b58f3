"""Sound that comes through a pipe without end: WAV of unknown length, or raw samples.

Axis order: ``(frame, channel)``.
"""

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from seqcap.errors import AudioError

_RAW = "raw samples or WAV with 16- or 32-bit samples are expected: ffmpeg ... -f wav -"
_LONGEST_CHUNK = 2**20  # what stands before the samples of a WAV file is short
_EXTENSIBLE = 0xFFFE  # the real format code follows later
# (format code of WAV, bits) and names as ffmpeg has them
_WAV_TYPES = {(1, 16): "<i2", (1, 32): "<i4", (3, 32): "<f4"}
# How FLAC, Ogg, MP3 with tags, WebM, AIFF, AU and CAF begin. Others begin as samples may.
_OTHER_FILES = (b"fLaC", b"OggS", b"ID3", b"\x1aE\xdf\xa3", b"FORM", b".snd", b"caff")
SAMPLE_TYPES = {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4"}


@dataclass(frozen=True)
class PCMFormat:
    """How samples lie in a stream of bytes.

    Attributes:
        rate_hz: Sampling rate, Hz.
        channel_count: Channels of a frame.
        sample_type: One sample, as NumPy names it.
    """

    rate_hz: int
    channel_count: int = 1
    sample_type: str = "<i2"

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return self.channel_count * np.dtype(self.sample_type).itemsize


def open_pcm(file: BinaryIO, raw: PCMFormat, name: str) -> tuple[PCMFormat, Iterator[bytes]]:
    """Begins to read a stream of bytes, as soon as they come.

    Args:
        file: Binary; is never rewound.
        raw: What it holds if it does not begin as a WAV file.
        name: What errors call it.

    Returns:
        How its samples lie, and the bytes of them that were read already or come.

    Raises:
        AudioError: A WAV file of samples that cannot be read, or another file.

    Example:
        >>> import io
        >>> kind, blocks = open_pcm(io.BytesIO(bytes(8)), PCMFormat(16000), "pipe")
        >>> [len(frames) for frames in pcm_frames(kind, blocks)]
        [2, 2]
    """
    start = _exactly(file, 4)
    rest = iter(lambda: _some(file), b"")
    if start.startswith(_OTHER_FILES):
        raise AudioError(f"{name}: a compressed or other file; {_RAW}")
    if start != b"RIFF":
        return raw, itertools.chain([start] if start else [], rest)
    if _exactly(file, 8)[4:] != b"WAVE":
        raise AudioError(f"{name}: RIFF without WAVE; {_RAW}")
    found: PCMFormat | None = None
    while True:
        header = _exactly(file, 8)
        if len(header) < 8:
            raise AudioError(f"{name}: ends before its samples begin; {_RAW}")
        chunk, size = header[:4], struct.unpack("<I", header[4:])[0]
        if chunk == b"data":
            if found is None:
                raise AudioError(f"{name}: samples before their format; {_RAW}")
            return found, rest
        if size > _LONGEST_CHUNK:
            raise AudioError(f"{name}: {size} bytes before its samples; {_RAW}")
        content = _exactly(file, size + size % 2)
        if chunk == b"fmt ":
            found = _wav_format(content, name)


def pcm_frames(kind: PCMFormat, blocks: Iterator[bytes]) -> Iterator[NDArray[Any]]:
    """Gives the frames of a stream, ``(frame, channel)``, as their bytes come.

    Args:
        kind: Of the samples.
        blocks: Bytes, cut anywhere.
    """
    rest = b""
    for block in blocks:
        rest += block
        whole = len(rest) // kind.frame_bytes * kind.frame_bytes
        if whole:
            samples = np.frombuffer(rest[:whole], kind.sample_type)
            yield samples.reshape(-1, kind.channel_count)
            rest = rest[whole:]


def _wav_format(content: bytes, name: str) -> PCMFormat:
    if len(content) < 16:
        raise AudioError(f"{name}: a damaged WAV header; {_RAW}")
    code, channel_count, rate_hz, _, _, bits = struct.unpack("<HHIIHH", content[:16])
    if code == _EXTENSIBLE and len(content) >= 26:
        code = struct.unpack("<H", content[24:26])[0]
    if (code, bits) not in _WAV_TYPES or channel_count == 0:
        raise AudioError(
            f"{name}: WAV of kind {code} with {bits} bits and {channel_count} channels; {_RAW}"
        )
    return PCMFormat(rate_hz, channel_count, _WAV_TYPES[code, bits])


def _some(file: BinaryIO) -> bytes:
    """What has come, at least one byte, without waiting for more; nothing at the end."""
    read = getattr(file, "read1", file.read)
    block: bytes = read(65536)
    return block


def _exactly(file: BinaryIO, size: int) -> bytes:
    found = b""
    while len(found) < size and (block := file.read(size - len(found))):
        found += block
    return found
