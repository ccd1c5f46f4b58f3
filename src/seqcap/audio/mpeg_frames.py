"""MPEG audio (MP3): its frames are counted, whatever the header says.

An MP3 has no header of its own. Encoders write the number of frames into the first frame (Xing,
Info, VBRI) or nowhere; then libsndfile guesses it from the size of the file, wrongly where the bit
rate varies. So all frames are visited, which takes 0.1 s for an hour, and libsndfile is shown a
file that has the true number in front, without tags and without what is no frame.
"""

import os
import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, TypeAlias

from seqcap.audio.file_view import FileView, Part
from seqcap.audio.truncation import FETCH_AGAIN
from seqcap.errors import AudioError

# kbit/s by (MPEG-1?, layer), ISO/IEC 11172-3 and 13818-3; index 0 is "free format".
_BIT_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}

Kind: TypeAlias = tuple[int, int, int, bool]

_SEARCHED = 65536  # bytes in which the first frame, or the next one after damage, is looked for
_MOST_SEARCHED = 2**21  # bytes without a frame
# Sync, a version and layer that exist, a bit rate that is neither free nor wrong.
_HEADER_START = re.compile(rb"\xff(?=[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef])", re.DOTALL)
_CONFIRMING = 3  # frames in a row that tell MPEG audio from chance
_SLACK_FRAMES = 2  # encoders disagree about counting the frame that holds the count
_MOST_TRAILING = 4096  # bytes behind the last frame that need no word
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class FrameHeader:
    """What four bytes say about a frame.

    Attributes:
        size: Bytes of the frame, header included.
        samples: Samples a channel.
        kind: What cannot change within a stream: version, layer, sampling rate, whether mono.
        tag_offset: Where a Xing tag would stand in the frame.
    """

    size: int
    samples: int
    kind: Kind
    tag_offset: int


@lru_cache(maxsize=4096)
def parse_frame_header(header: bytes) -> FrameHeader | None:
    """Reads a frame's header; None if the four bytes are none, or of a free format.

    Args:
        header: Four bytes.

    Example:
        >>> parse_frame_header(bytes.fromhex("fffb9064")).size
        417
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate_index, bits = header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or layer == 4 or rate_index == 3 or bits in (0, 15):
        return None
    rate_hz = _RATES_HZ[version][rate_index]
    is_first = version == 3
    bit_rate = 1000 * _BIT_RATES[is_first, layer if is_first else min(layer, 2)][bits - 1]
    padding = header[2] >> 1 & 1
    if layer == 1:
        size, samples = (12 * bit_rate // rate_hz + padding) * 4, 384
    else:
        samples = 1152 if is_first or layer == 2 else 576
        size = samples // 8 * bit_rate // rate_hz + padding
    is_mono = header[3] >> 6 == 3
    side = (17 if is_mono else 32) if is_first else (9 if is_mono else 17)
    return FrameHeader(size, samples, (version, layer, rate_hz, is_mono), 4 + side)


@dataclass(frozen=True)
class FrameScan:
    """All frames of a stream.

    Attributes:
        runs: First and last byte + 1 of frames in a row, the tag's frame left out.
        count: How many frames there are, the tag's frame left out.
        first: Header of the first frame.
        first_bytes: Its four bytes.
        tag: The frame with the encoder's count (Xing, Info or VBRI), or nothing.
        end: Where frames of another kind begin: another recording; the end of the file if none.
        rest: Bytes of a last frame that is not whole.
        skipped: Bytes between frames that belong to none and to no tag.
    """

    runs: list[tuple[int, int]]
    count: int
    first: FrameHeader
    first_bytes: bytes
    tag: bytes
    end: int
    rest: int
    skipped: int

    @property
    def sample_count(self) -> int:
        """The number of samples a channel, padding included."""
        return self.count * self.first.samples

    @property
    def promised(self) -> int | None:
        """The number of frames that the encoder wrote down."""
        place = _count_place(self.tag, self.first)
        return None if place is None else int(struct.unpack_from(">I", self.tag, place)[0])


class _Window:
    """Bytes of a file by position, read in blocks."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file, self.end = file, end
        self._base, self._bytes = 0, b""

    def get(self, position: int, count: int) -> bytes:
        count = min(count, self.end - position)
        if count <= 0:
            return b""
        inside = position - self._base
        if not 0 <= inside <= len(self._bytes) - count:
            self._file.seek(position)
            self._bytes = self._file.read(min(max(count, _READ_BYTES), self.end - position))
            self._base, inside = position, 0
        return self._bytes[inside : inside + count]


def scan_frames(
    file: BinaryIO, start: int = 0, end: int | None = None, *, searched: int = _SEARCHED
) -> FrameScan | None:
    """Visits all frames of an MPEG audio stream.

    Args:
        file: The file.
        start: Where the stream begins.
        end: Where it ends; the end of the file if None.
        searched: In how many bytes behind tags the first frame is looked for.

    Returns:
        None if it is no such stream.
    """
    end = file.seek(0, os.SEEK_END) if end is None else end
    window = _Window(file, end)
    position = _behind_tags(window, start, end)
    start_frame = parse_frame_header(window.get(position, 4))
    if start_frame is not None and position + start_frame.size > end:
        found: int | None = position  # a file that is shorter than one frame
    else:
        found = _next_frame(window, position, min(end, position + searched), None)
    if found is None:
        return None
    first_bytes = window.get(found, 4)
    first = parse_frame_header(first_bytes)
    if first is None:
        return None
    tag = b""
    runs: list[list[int]] = []
    count = skipped = rest = 0
    position = found
    while position < end:
        frame = parse_frame_header(window.get(position, 4))
        if frame is None or frame.kind != first.kind:
            behind = _behind_tags(window, position, end)
            following = _next_frame(window, behind, min(end, behind + _MOST_SEARCHED), None)
            if following is None:
                skipped += end - behind if end - behind > _MOST_TRAILING else 0
                break
            found_frame = parse_frame_header(window.get(following, 4))
            if found_frame is None or found_frame.kind != first.kind:
                end = following
                break
            skipped += following - behind
            position = following
            continue
        if position + frame.size > end:
            rest = end - position
            break
        content = window.get(position, min(frame.size, 200))
        if _count_place(content, frame) is not None:
            if not tag and not runs:
                tag = window.get(position, frame.size)
        else:
            count += 1
            if runs and runs[-1][1] == position:
                runs[-1][1] = position + frame.size
            else:
                runs.append([position, position + frame.size])
        position += frame.size
    spans = [(a, b) for a, b in runs]
    return FrameScan(spans, count, first, first_bytes, tag, end, rest, skipped)


def mpeg_view(file: BinaryIO, scan: FrameScan, name: str) -> FileView:
    """The stream as libsndfile should see it: the true count in front, frames alone behind.

    Args:
        file: Binary, can be rewound.
        scan: As `scan_frames` gives it.
        name: Of the recording, for errors.

    Raises:
        AudioError: The encoder counted more frames than there are, or there is none.
    """
    promised = scan.promised
    if scan.count == 0:
        raise AudioError(f"{name}: truncated inside its first frame; {FETCH_AGAIN}")
    if promised is not None and promised > scan.count + _SLACK_FRAMES:
        seconds = scan.first.samples / scan.first.kind[2]
        raise AudioError(
            f"{name}: truncated or damaged after {scan.count * seconds:.2f} s of the"
            f" {promised * seconds:.2f} s that its header promises; {FETCH_AGAIN}"
        )
    if scan.first.kind[1] != 3:  # layers I and II know no tag, and seldom another bit rate
        return FileView(file, scan.runs)
    size = sum(end - start for start, end in scan.runs)
    parts: list[Part] = [_counting_frame(scan, size), *scan.runs]
    return FileView(file, parts)


def _counting_frame(scan: FrameScan, size: int) -> bytes:
    """The tag's frame with the true count, or a new one where there is none."""
    if scan.tag:
        frame = bytearray(scan.tag)
        place = _count_place(scan.tag, scan.first) or 0
        is_vbri = scan.tag[36:40] == b"VBRI"
        if abs(struct.unpack_from(">I", frame, place)[0] - scan.count) > _SLACK_FRAMES:
            struct.pack_into(">I", frame, place, scan.count)
        if is_vbri:
            struct.pack_into(">I", frame, place - 4, len(frame) + size)
        elif frame[place - 1] & 2:  # how many bytes the stream has
            struct.pack_into(">I", frame, place + 4, len(frame) + size)
        return bytes(frame)
    header = bytearray(scan.first_bytes)
    header[1] |= 1  # no checksum
    for bits in range(9, 15):  # a bit rate whose frames are large enough
        header[2] = header[2] & 0x0D | bits << 4
        made = parse_frame_header(bytes(header))
        if made is not None and made.size >= made.tag_offset + 16:
            frame = bytearray(made.size)
            frame[:4] = header
            tag = b"Info" + struct.pack(">III", 3, scan.count, len(frame) + size)
            frame[made.tag_offset : made.tag_offset + len(tag)] = tag
            return bytes(frame)
    return b""


def _count_place(frame: bytes, header: FrameHeader) -> int | None:
    """Where the count of frames stands in a tag's frame; None if it is no such frame."""
    if header.kind[1] != 3:
        return None
    at = header.tag_offset
    if frame[at : at + 4] in (b"Xing", b"Info") and len(frame) >= at + 16:
        return at + 8 if frame[at + 7] & 1 else None
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return 50
    return None


def _behind_tags(window: _Window, position: int, end: int) -> int:
    """Passes over ID3v2, ID3v1 and APE tags and over zeros."""
    while position < end:
        head = window.get(position, 32)
        if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            position += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head[:3] == b"TAG":
            position += 128
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            size = int.from_bytes(head[12:16], "little")
            position += size + 32 if head[23] & 0x20 else 32
        elif head and not any(head):
            block = window.get(position, _SEARCHED)
            position += len(block) - len(block.lstrip(b"\0"))
        else:
            break
    return min(position, end)


def _next_frame(window: _Window, position: int, end: int, kind: Kind | None) -> int | None:
    """Looks for the next place where some frames follow one another."""
    while position < end - 3:
        block = window.get(position, min(end - position, _SEARCHED))
        for match in _HEADER_START.finditer(block):
            if _frames_follow(window, position + match.start(), kind):
                return position + match.start()
        position += max(1, len(block) - 2)  # a header may reach into the next block
    return None


def _frames_follow(window: _Window, position: int, kind: Kind | None) -> bool:
    """Whether frames of one kind follow one another, up to a tag or the end at least."""
    for index in range(_CONFIRMING):
        header = window.get(position, 4)
        frame = parse_frame_header(header)
        if frame is None or (kind is not None and frame.kind != kind):
            at_end = position == window.end or header[:3] in (b"TAG", b"ID3", b"APE")
            return index > 0 and at_end
        kind = frame.kind
        position += frame.size
    return True
