"""How much sound a header promises, and whether the file holds it.

libsndfile shortens a truncated recording to what is there and says nothing. So the sizes in the
headers are read here: WAV (RIFF, RIFX, RF64), AIFF and 8SVX, Wave64, CAF, AU, VOC, NIST SPHERE and
the boxes of MP4, whose table of contents often comes last.
FLAC is found truncated while it is decoded; MP3 and Ogg have files of their own.
"""

import os
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

from seqcap.errors import AudioError

FETCH_AGAIN = "fetch it again, or keep what is left with: ffmpeg -i INPUT out.wav"

# Programs that write into a pipe put such sizes where they do not know better.
_UNKNOWN_32_BIT = 0x7FFF0000
_UNKNOWN_64_BIT = 2**62
_MOST_CHUNKS = 10_000  # a file of zeros is not walked through by chunks of nothing
_ASF_START = b"0&\xb2u"
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
# The outermost boxes of MP4, M4A, MOV and 3GP; what else stands there may be a tag.
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"mfra", b"sidx", b"styp")
_VOC_SOUND = (1, 2, 9)  # types of blocks
# Bytes behind the sound that are no chunk: up to so many are padding or a tag.
_MOST_TRAILING = 4096


@dataclass(frozen=True)
class ChunkLayout:
    """How a container is made of chunks: an identifier, a size, content.

    Attributes:
        first: Where the first chunk begins.
        identifier: Bytes of an identifier.
        size: Format of a size, as in `struct`.
        align: Chunks begin at multiples of it.
        sound: Identifiers of the chunk that holds the samples.
        inside: Bytes in that chunk before the samples.
        counts_itself: Whether a size includes identifier and size.
    """

    first: int
    identifier: int
    size: str
    align: int
    sound: tuple[bytes, ...]
    inside: int = 0
    counts_itself: bool = False


_WAV = ChunkLayout(12, 4, "<I", 2, (b"data",))
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
LAYOUTS = {
    b"RIFF": _WAV,
    b"RF64": _WAV,
    b"BW64": _WAV,
    b"RIFX": ChunkLayout(12, 4, ">I", 2, (b"data",)),
    b"FORM": ChunkLayout(12, 4, ">I", 2, (b"SSND", b"BODY"), inside=8),
    b"caff": ChunkLayout(8, 4, ">q", 1, (b"data",), inside=4),
    b"riff": ChunkLayout(40, 16, "<Q", 8, (_W64_DATA,), counts_itself=True),
}


@dataclass(frozen=True)
class SoundData:
    """The samples in a file, as its header describes them.

    Attributes:
        start: Their first byte.
        size: Their number of bytes; None if the header does not know.
        size_field: Where the size is written, and with what: offset, format, what it adds.
        codec: Format tag of a WAV, 0 elsewhere.
    """

    start: int
    size: int | None
    size_field: tuple[int, str, int] | None = None
    codec: int = 0


@dataclass(frozen=True)
class HeaderFault:
    """A wrong size that can be read around.

    Attributes:
        text: What is wrong, for people; empty if that is no fault.
        patches: Bytes that put it right, by offset.
    """

    text: str
    patches: dict[int, bytes]


def find_sound_data(file: BinaryIO, start: bytes) -> SoundData | None:
    """Finds the samples in a file.

    Args:
        file: The file.
        start: Its first four bytes or more.

    Returns:
        None if there are none, or the container is of another kind.
    """
    magic = start[:4]
    if magic == b"RIFF" and start[8:12] == b"AVI ":  # its first part, all of it if below 1 GB
        size = int.from_bytes(start[4:8], "little")
        return SoundData(8, size if _MOST_CHUNKS < size < _UNKNOWN_32_BIT else None)
    if magic in LAYOUTS:
        return _in_chunks(file, LAYOUTS[magic])
    if magic == _ASF_START:
        return _in_asf(file)
    if magic in (b".snd", b"dns."):
        file.seek(4)
        header = file.read(8)
        if len(header) < 8:
            return None
        order = ">" if magic == b".snd" else "<"
        begin, size = struct.unpack(f"{order}II", header)
        return SoundData(begin, _known(size, 4), (8, f"{order}I", 0))
    if start[4:8] == b"ftyp":
        return _in_boxes(file)
    if magic == b"NIST":
        return _in_nist(file)
    if magic == b"Crea":
        return _in_voc(file)
    return None


def check_whole(file: BinaryIO, data: SoundData, name: str) -> HeaderFault | None:
    """Compares what a header promises with what the file holds.

    Args:
        file: Binary, can be rewound.
        data: What the header says.
        name: Of the recording, for errors.

    Returns:
        What is wrong and can be read around; None if all is well.

    Raises:
        AudioError: Sound is missing at the end.
    """
    end = file.seek(0, os.SEEK_END)
    if data.size is None:
        return _sized(data, end)
    missing = data.start + data.size - end
    if missing > 0:
        if data.start >= end:
            missing = data.size
        raise AudioError(f"{name}: truncated, its last {missing} bytes are missing; {FETCH_AGAIN}")
    if data.size_field is None or missing == 0:
        return None
    behind = -missing
    if data.size == 0 and not _is_chunk(file, data.start, end):
        offset, form, extra = data.size_field
        largest = 2 ** (8 * struct.calcsize(form)) - 1
        patch = struct.pack(form, min(behind + extra, largest))
        text = f"its header says 0 bytes of sound, {behind:,} follow: the recorder was interrupted"
        return HeaderFault(f"{text}; all of them were read", {offset: patch})
    if behind > _MOST_TRAILING and not _is_chunk(file, data.start + data.size, end):
        text = f"behind the {data.size:,} bytes of sound that its header promises"
        return HeaderFault(f"{text}, {behind:,} more follow, which were not read", {})
    return None


def _sized(data: SoundData, end: int) -> HeaderFault | None:
    """Gives a Wave64 that does not know its size the true one, which libsndfile needs."""
    if data.size_field is None or data.size_field[1] != "<Q":
        return None
    offset, form, extra = data.size_field
    return HeaderFault("", {offset: struct.pack(form, max(0, end - data.start) + extra)})


_LOGGED = re.compile(r"truncated|^Data length \d+ should be", re.MULTILINE)
_COUNTED = re.compile(r"^\s*(?:Frames|Rows : \d+\s+Cols|Cols) *: (\d+)", re.MULTILINE)


def check_log(log: str, container: str, frame_count: int, name: str) -> None:
    """Looks for truncation in what libsndfile notes about rarer containers.

    Args:
        log: Of libsndfile.
        container: Its name in libsndfile.
        frame_count: Frames that the file says it has.
        name: Of the recording, for errors.

    Raises:
        AudioError: It notes more frames than it can give.
    """
    if container not in ("AVR", "MAT4", "MAT5", "MPC2K", "WVE", "VOC"):
        return
    counts = [int(count) for count in _COUNTED.findall(log)]
    if _LOGGED.search(log) or (counts and counts[-1] > frame_count):
        raise AudioError(f"{name}: truncated, its header promises more sound; {FETCH_AGAIN}")


def _known(size: int, width: int) -> int | None:
    """The size, or None for those that stand for "not known"."""
    unknown = size < 0 or size >= (_UNKNOWN_32_BIT if width == 4 else _UNKNOWN_64_BIT)
    return None if unknown else size


def _in_chunks(file: BinaryIO, layout: ChunkLayout) -> SoundData | None:
    width = struct.calcsize(layout.size)
    header_size = layout.identifier + width
    end = file.seek(0, os.SEEK_END)
    position, codec, large_size, large_at = layout.first, 0, None, 0
    for _ in range(_MOST_CHUNKS):
        if position + header_size > end:
            break
        file.seek(position)
        header = file.read(header_size + 16)
        identifier = header[: layout.identifier]
        (size,) = struct.unpack_from(layout.size, header, layout.identifier)
        if layout.counts_itself:
            size -= header_size
        begin = position + header_size
        if identifier == b"fmt ":
            codec = struct.unpack_from(layout.size[0] + "H", header.ljust(24, b"\0"), 8)[0]
        if identifier == b"ds64" and len(header) == header_size + 16:
            large_size, large_at = struct.unpack_from("<Q", header, 16)[0], position + 16
        if identifier in layout.sound:
            field = (position + layout.identifier, layout.size)
            if size == 0xFFFFFFFF and large_size is not None:
                return SoundData(begin, _known(large_size, 8), (large_at, "<Q", 0), codec)
            inside = 0 if identifier == b"BODY" else layout.inside
            extra = inside + (header_size if layout.counts_itself else 0)
            known = _known(size, width)
            if layout.counts_itself and known is None and size < 0:
                known = 0  # Wave64 written into a pipe: a size of 0, its own header left out
            size_left = None if known is None else max(0, known - inside)
            return SoundData(begin + inside, size_left, (*field, extra), codec)
        if size < 0:
            return None
        position = begin + size
        position += -position % layout.align if layout.align > 1 else 0
    return None


def _in_asf(file: BinaryIO) -> SoundData | None:
    """The size of the whole file, as Windows Media's file properties have it."""
    file.seek(0)
    head = file.read(8192)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or len(head) < at + 48:
        return None
    size = int.from_bytes(head[at + 40 : at + 48], "little")
    return SoundData(0, size if _MOST_CHUNKS < size < _UNKNOWN_64_BIT else None)


def _in_boxes(file: BinaryIO) -> SoundData | None:
    """Finds the box that the file ends in; None if it ends behind one."""
    end = file.seek(0, os.SEEK_END)
    position = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        header = file.read(16)
        size, start = int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, start = int.from_bytes(header[8:], "big"), 16
        if header[4:8] not in _BOXES or size < start:  # 0: up to the end
            return None
        if position + size > end:
            return SoundData(position + start, size - start)
        position += size
    return None


def _in_nist(file: BinaryIO) -> SoundData | None:
    file.seek(8)
    try:
        begin = int(file.read(8))
        file.seek(0)
        text = file.read(min(begin, 65536)).decode("latin-1")
        fields = dict(re.findall(r"^(\w+) -i (\d+)", text, re.MULTILINE))
        size = int(fields["sample_count"]) * int(fields["sample_n_bytes"])
        # Choice: compressed ones (shorten) hold fewer bytes; libsndfile refuses them.
        return SoundData(begin, size * int(fields.get("channel_count", 1)))
    except (KeyError, ValueError):
        return None


def _in_voc(file: BinaryIO) -> SoundData | None:
    """Walks through the blocks; one of sound that reaches beyond the end counts."""
    end = file.seek(0, os.SEEK_END)
    file.seek(20)
    header = file.read(2)
    position = begin = int.from_bytes(header, "little")
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        block = file.read(4)
        if position < 22 or len(block) < 4 or block[0] == 0:
            return None
        size = int.from_bytes(block[1:], "little")
        # Sox counts a dozen bytes too few: what follows the first block may be its last samples.
        is_first, left = position == begin, end - position
        if position + 4 + size > end and block[0] in _VOC_SOUND and (is_first or left > 32):
            return SoundData(position + 4, size)
        position += 4 + size
    return None


def _begins_recording(header: bytes) -> bool:
    return header[:4] in (*LAYOUTS, b".snd", b"fLaC", b"OggS", b"NIST", b"Crea")


def _is_chunk(file: BinaryIO, position: int, end: int) -> bool:
    """Whether what begins there looks like chunks or a tag, not like samples."""
    file.seek(position)
    header = file.read(8)
    if _begins_recording(header):
        return False
    if header[:3] in (b"TAG", b"ID3") or header.startswith(b"APETAGEX"):
        return True
    if len(header) < 8 or not all(0x20 <= byte < 0x7F for byte in header[:4]):
        return False
    sizes = [struct.unpack(order, header[4:])[0] for order in ("<I", ">I")]
    return any(position + 8 + size <= end + 1 for size in sizes)
