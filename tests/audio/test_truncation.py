import io
import re
import struct

import numpy as np
import pytest
import soundfile
from sounds import encode, make_speech_like

from seqcap.audio.truncation import find_sound_data
from seqcap.audio.waveform import duration_s, load_waveform
from seqcap.errors import AudioError, AudioWarning

# All that libsndfile writes, but for what has no size in its header: PAF, PVF and IRCAM.
CONTAINERS = [
    "WAV",
    "WAVEX",
    "RF64",
    "W64",
    "AIFF",
    "AU",
    "CAF",
    "SVX",
    "VOC",
    "NIST",
    "AVR",
    "MPC2K",
    "MAT4",
    "MAT5",
    "HTK",
    "WVE",
]
EIGHT_KHZ = {"WVE"}


def encode_two_seconds(container, subtype=None):
    rate_hz = 8000 if container in EIGHT_KHZ else 16000
    return encode(make_speech_like(2.0, rate_hz), rate_hz, container, subtype)


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_whole_recording_in_any_container_is_read_to_its_end(container):
    assert len(load_waveform(encode_two_seconds(container))) == 32000


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_recording_in_any_container_is_refused(container, share, capfd):
    content = encode_two_seconds(container)
    with pytest.raises(AudioError, match=r"truncated|not a sound file that can be read"):
        load_waveform(content[: int(len(content) * share)])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        (container, subtype)
        for container in ("WAV", "W64", "AIFF", "AU", "CAF")
        for subtype in soundfile.available_subtypes(container)
        if not re.match("G72|NMS|MPEG|DWVW_12|GSM", subtype)
    ],
)
def test_every_coding_is_read_whole_and_refused_truncated(container, subtype):
    content = encode_two_seconds(container, subtype)
    assert len(load_waveform(content)) == pytest.approx(32000, abs=1100)
    with pytest.raises(AudioError, match=r"truncated|not a sound file that can be read"):
        load_waveform(content[: len(content) * 6 // 10])


def with_sizes(container, size):
    """The recording as an interrupted recorder, or one that writes into a pipe, leaves it."""
    content = bytearray(encode_two_seconds(container))
    if container == "AU":
        content[8:12] = struct.pack(">I", size)
        return bytes(content)
    identifier, form, offset = {
        "WAV": (b"data", "<I", 4),
        "RIFX": (b"data", ">I", 4),
        "AIFF": (b"SSND", ">I", 4),
        "CAF": (b"data", ">q", 4),
        "W64": (b"data", "<Q", 16),
    }[container]
    at = content.rindex(identifier) + offset
    struct.pack_into(form, content, at, size)
    return bytes(content)


@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU", "CAF", "W64"])
def test_a_size_of_zero_is_an_interrupted_recorder_and_all_is_read(container):
    content = with_sizes(container, 0)
    with pytest.warns(AudioWarning, match=r"says 0 bytes of sound, [\d,]+ follow: the recorder"):
        waveform = load_waveform(content)
    whole = load_waveform(encode_two_seconds(container))
    np.testing.assert_array_equal(waveform[: len(whole)], whole)
    assert duration_s(content) == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    ("container", "size"),
    [
        ("WAV", 0xFFFFFFFF),
        ("WAV", 0x7FFFFFFF),
        ("WAV", 0xFFFFFFFF - 44),
        ("AIFF", 0x7FFFFFFF),
        ("AIFF", 0xFFFFFFFF),
        ("AU", 0xFFFFFFFF),
        ("CAF", -1),
    ],
)
def test_a_size_that_stands_for_unknown_is_read_to_the_end(container, size):
    whole = load_waveform(encode_two_seconds(container))
    np.testing.assert_array_equal(load_waveform(with_sizes(container, size))[:32000], whole)


def test_an_rf64_of_an_interrupted_recorder_is_read():
    content = bytearray(encode_two_seconds("RF64"))
    at = content.index(b"ds64") + 16
    content[at : at + 8] = bytes(8)
    with pytest.warns(AudioWarning, match="the recorder was interrupted"):
        assert len(load_waveform(bytes(content))) == 32000


def test_an_empty_recording_with_a_tag_behind_it_stays_empty():
    content = encode(np.zeros(0), container="WAV")
    tag = b"LIST" + struct.pack("<I", 4) + b"INFO"
    with pytest.raises(AudioError, match=r"0\.00 s of audio"):
        load_waveform(content + tag)


def test_audio_behind_the_length_in_the_header_is_named():
    content = with_sizes("WAV", 32000)
    with pytest.warns(AudioWarning, match=r"the 32,000 bytes .* promises, 32,000 more follow"):
        assert len(load_waveform(content)) == 16000


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_joined_files_are_read_to_the_end(container):
    content = encode_two_seconds(container)
    whole = load_waveform(content)
    np.testing.assert_array_equal(load_waveform(content * 3), np.tile(whole, 3))
    assert duration_s(content * 3) == 6.0
    part = load_waveform(content * 3, start_s=1.5, end_s=2.5)
    np.testing.assert_array_equal(part, np.concatenate((whole[24000:], whole[:8000])))
    with pytest.raises(AudioError, match="truncated"):
        load_waveform((content * 3)[:-9000])


@pytest.mark.parametrize(("first", "second"), [("AIFF", "AIFF"), ("AU", "AU"), ("WAV", "FLAC")])
def test_another_recording_behind_the_first_is_named(first, second):
    with pytest.warns(AudioWarning, match=r"bytes of sound .* more follow, which were not read"):
        load_waveform(encode_two_seconds(first) + encode_two_seconds(second))


def test_a_flac_that_counts_too_few_samples_is_read_to_its_end():
    content = bytearray(encode_two_seconds("FLAC"))
    content[21] &= 0xF0
    content[22:26] = struct.pack(">I", 5000)
    with pytest.warns(AudioWarning, match="its header counts too few samples"):
        assert len(load_waveform(bytes(content))) == 32000


def test_joined_files_of_other_rates_are_refused():
    content = encode_two_seconds("WAV") + encode(make_speech_like(), 8000)
    with pytest.raises(AudioError, match="part 2 1 at 8000 Hz; split it"):
        load_waveform(content)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "AIFF", "AU", "W64", "CAF", "RF64"])
def test_a_header_that_claims_gigabytes_takes_no_memory(container):
    tracemalloc = pytest.importorskip("tracemalloc")
    if container == "FLAC":
        content = bytearray(encode_two_seconds("FLAC")[:100])
        content[21] |= 0x0F
        content[22:26] = b"\xff" * 4
    else:
        size = 0x7FFE0000 if container in ("WAV", "AIFF", "AU", "RF64") else 2**32
        content = encode_two_seconds(container)
        if container == "RF64":
            content = bytearray(content)
            struct.pack_into("<Q", content, content.index(b"ds64") + 16, 2**32)
        else:
            content = bytearray(with_sizes(container, size))
        begin = (
            content.rindex(b"SSND" if container == "AIFF" else b"data")
            if (container != "AU")
            else 24
        )
        content = content[: begin + 60]
    tracemalloc.start()
    with pytest.raises(AudioError):
        load_waveform(bytes(content))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20


def test_a_file_of_zeros_behind_a_header_is_not_walked_through():
    content = b"RIFF\xff\xff\xff\x00WAVE" + bytes(16_000_000)
    file = CountingFile(content)
    assert find_sound_data(file, b"RIFF") is None
    assert file.reads < 20_000


class CountingFile(io.BytesIO):
    reads = 0

    def read(self, *arguments):
        self.reads += 1
        return super().read(*arguments)


def test_where_a_flac_is_cut_is_said_within_seconds():
    content = encode(make_speech_like(8.0), container="FLAC")
    with pytest.raises(AudioError) as caught:
        load_waveform(io.BytesIO(content[: len(content) * 3 // 4]))
    after_s = float(re.search(r"damaged after ([\d.]+) s of the 8.00 s", str(caught.value))[1])
    assert 5 < after_s < 6.5
