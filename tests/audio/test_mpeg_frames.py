import io
import struct

import numpy as np
import pytest
from sounds import encode, encode_media, make_speech_like

from seqcap.audio.mpeg_frames import parse_frame_header, scan_frames
from seqcap.audio.waveform import duration_s, load_waveform
from seqcap.errors import AudioError, AudioWarning

SOUND = make_speech_like(6.0)
# Half noise, half near-silence: a variable bit rate starts high and falls.
UNEVEN = np.concatenate((make_speech_like(2.0), 1e-4 * make_speech_like(6.0))).astype(np.float32)
ID3 = b"ID3\3\0\0\0\0\7\x68" + b"\0" * 1000  # 1,000 bytes


def encode_mp3(samples, bit_rate_mode="CONSTANT"):
    import soundfile

    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", 16000, 1, "MPEG_LAYER_III", format="MP3", bitrate_mode=bit_rate_mode,
        compression_level=0.9,
    ) as written:  # fmt: skip
        written.write(samples)
    return file.getvalue()


def without_tag(content):
    """The same frames without the encoder's own count."""
    scan = scan_frames(io.BytesIO(content))
    return content[scan.runs[0][0] :]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_the_encoders_count_is_the_number_of_frames(mode):
    content = encode_mp3(UNEVEN, mode)
    scan = scan_frames(io.BytesIO(content))
    assert scan.promised in ([scan.count] if mode == "VARIABLE" else [None])
    assert (scan.rest, scan.skipped) == (0, 0)
    assert len(load_waveform(content)) == pytest.approx(len(UNEVEN), abs=1152)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_without_a_count_is_read_to_its_end(mode):
    content = without_tag(encode_mp3(UNEVEN, mode))
    waveform = load_waveform(content)
    assert duration_s(content) == len(waveform) / 16000
    early = 576  # of the encoder, which nothing tells
    decoded = waveform[early : early + 32000]
    error = decoded - UNEVEN[:32000]
    assert np.sum(error**2) < 0.5 * np.sum(UNEVEN**2)
    assert 0 < len(waveform) - len(UNEVEN) < 3 * 1152


@pytest.mark.parametrize(
    "before",
    [ID3, ID3 + ID3, bytes(500), b"garbage" * 300, b"\xff\xfb" * 99, b"HTTP/1.1 200"],
)
@pytest.mark.parametrize("behind", [b"", b"TAG" + bytes(125), b"APETAGEX" + bytes(24)])
def test_tags_and_what_stands_in_front_change_nothing(before, behind):
    content = encode_mp3(SOUND)
    expected = load_waveform(content)
    np.testing.assert_array_equal(load_waveform(before + content + behind), expected)


@pytest.mark.parametrize("between", [b"", ID3, b"TAG" + bytes(125)])
def test_joined_mp3_files_are_read_to_the_end(between):
    content = encode_mp3(SOUND)
    waveform = load_waveform(content + between + content)
    assert len(waveform) == pytest.approx(2 * len(SOUND), abs=3 * 1152)
    halves = np.sum(waveform[: len(SOUND)] ** 2), np.sum(waveform[len(SOUND) :] ** 2)
    assert halves[0] == pytest.approx(halves[1], rel=0.05)


@pytest.mark.parametrize(("rate_hz", "channel_count"), [(44100, 1), (16000, 2)])
def test_joined_mp3_files_of_other_kinds_are_refused(rate_hz, channel_count):
    other = np.stack([make_speech_like(2.0, rate_hz)] * channel_count, axis=1)
    content = encode_mp3(SOUND) + encode(other, rate_hz, "MP3")
    with pytest.raises(AudioError, match=r"several recordings in one file, of other kinds.*split"):
        load_waveform(content)


def test_damage_between_frames_is_passed_over_and_named():
    content = encode_mp3(SOUND)
    middle = len(content) // 2
    damaged = content[:middle] + b"\0\1\2\3" * 700 + content[middle + 1000 :]
    with pytest.warns(AudioWarning, match=r"[\d,]+ bytes between its frames are no sound"):
        assert len(load_waveform(without_tag(damaged))) > 0.8 * len(SOUND)


def test_fewer_frames_than_were_counted_are_a_truncation():
    content = encode_mp3(SOUND, "VARIABLE")
    with pytest.raises(AudioError, match=r"truncated or damaged after [23]\.\d\d s of the 6"):
        load_waveform(content[: len(content) // 2])


def test_an_end_inside_a_frame_is_named_where_nothing_was_counted():
    content = without_tag(encode_mp3(SOUND))
    with pytest.warns(AudioWarning, match="ends inside a frame, as if cut off"):
        load_waveform(content[:-10])


def test_a_vbri_count_is_corrected():
    scan = scan_frames(io.BytesIO(encode_mp3(SOUND)))
    content = without_tag(encode_mp3(SOUND))
    header = bytearray(scan.first_bytes)
    header[2] = header[2] & 0x0D | 9 << 4
    frame = bytearray(parse_frame_header(bytes(header)).size)
    frame[:4] = header
    frame[36:40] = b"VBRI"
    struct.pack_into(">HHHII", frame, 40, 1, 0, 75, len(content), 20)
    assert len(load_waveform(bytes(frame) + content)) > len(SOUND)


def test_mp2_is_read_to_its_end():
    content = encode_media(SOUND, 16000, "mp2", "mp2")
    assert len(load_waveform(content)) == pytest.approx(len(SOUND), abs=1152)


def test_mp3_inside_a_wav_is_read_to_its_end():
    frames = without_tag(encode_mp3(SOUND))
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 16000, 4000, 1, 0, 12, 1, 2, 576, 1, 1393)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"fact" + struct.pack("<II", 4, 1000) + b"data" + struct.pack("<I", len(frames))
    content = b"RIFF" + struct.pack("<I", len(body) + len(frames)) + body + frames
    assert len(load_waveform(content)) == pytest.approx(len(SOUND), abs=3 * 1152)


@pytest.mark.parametrize("header", ["00000000", "ffe00000", "fffb0064", "fffbf064", "fffb9c64"])
def test_what_is_no_header_is_none(header):
    assert parse_frame_header(bytes.fromhex(header)) is None


def test_other_formats_have_no_frames():
    for container in ("WAV", "FLAC", "OGG"):
        assert scan_frames(io.BytesIO(encode(SOUND, container=container))) is None
