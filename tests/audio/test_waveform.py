import io
import os
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from rights import folder_of_a_common_user

from seqcap.audio.waveform import (
    SAMPLE_RATE_HZ,
    duration_s,
    load_waveform,
    waveform_blocks,
)
from seqcap.errors import AudioError, AudioWarning

SAMPLES = Path(__file__).parents[2] / "samples" / "emodb"

# Format, subtype and the largest difference from the tone that the subtype may make.
LOSSLESS = [
    ("WAV", "PCM_U8", 2**-7),
    ("WAV", "PCM_16", 2**-15),
    ("WAV", "PCM_24", 2**-23),
    ("WAV", "PCM_32", 2**-24),
    ("WAV", "FLOAT", 0),
    ("WAV", "DOUBLE", 0),
    ("WAV", "ULAW", 2**-5),
    ("WAV", "ALAW", 2**-5),
    ("WAVEX", "PCM_16", 2**-15),
    ("RF64", "PCM_16", 2**-15),
    ("FLAC", "PCM_S8", 2**-7),
    ("FLAC", "PCM_16", 2**-15),
    ("FLAC", "PCM_24", 2**-23),
]
LOSSY = [("OGG", "VORBIS", 0.03), ("OGG", "OPUS", 0.06), ("MP3", "MPEG_LAYER_III", 0.03)]
RATES_HZ = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 192000]


def make_tone(rate_hz=SAMPLE_RATE_HZ, duration_s=1.0, frequency_hz=440.0, level=0.5):
    """A tone that fades in and out, so that its ends are not what a resampler is judged by."""
    time_s = np.arange(round(rate_hz * duration_s)) / rate_hz
    fade = np.sin(np.pi * time_s / duration_s)
    return (level * fade * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def encode(samples, rate_hz=SAMPLE_RATE_HZ, container="WAV", subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


def message_of(source, **options):
    with pytest.raises(AudioError) as caught:
        load_waveform(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# What comes in.


@pytest.mark.parametrize(("container", "subtype", "tolerance"), LOSSLESS + LOSSY)
def test_every_format_gives_the_tone_that_was_written(container, subtype, tolerance):
    tone = make_tone()
    waveform = load_waveform(encode(tone, container=container, subtype=subtype))
    assert waveform.dtype == np.float32
    assert waveform.shape == tone.shape
    np.testing.assert_allclose(waveform, tone, atol=tolerance, rtol=0)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("channel_count", [1, 2])
def test_every_rate_gives_the_tone_at_16_khz(rate_hz, channel_count):
    tone = np.stack([make_tone(rate_hz)] * channel_count, axis=1)
    waveform = load_waveform(encode(tone, rate_hz, subtype="FLOAT"))
    np.testing.assert_allclose(waveform, make_tone(), atol=2e-5, rtol=0)


def test_resampling_removes_frequencies_above_8_khz():
    waveform = load_waveform((make_tone(48000, frequency_hz=11000.0), 48000))
    assert np.abs(waveform).max() < 1e-4


@pytest.mark.parametrize("channel_count", [1, 2, 3, 6])
def test_channels_are_averaged(channel_count):
    frames = np.random.default_rng(0).uniform(-0.9, 0.9, (5000, channel_count))
    frames = frames.astype(np.float32)
    for source in ((frames, SAMPLE_RATE_HZ), encode(frames, subtype="FLOAT")):
        np.testing.assert_allclose(load_waveform(source), frames.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize(("container", "subtype", "tolerance"), LOSSLESS + LOSSY)
def test_path_bytes_file_and_array_give_the_same(tmp_path, container, subtype, tolerance):
    content = encode(make_tone(48000), 48000, container, subtype)
    path = tmp_path / "töne 1.sound"  # the ending says nothing
    path.write_bytes(content)
    array, rate_hz = soundfile.read(path, dtype="float32")
    expected = load_waveform(path)
    for source in (str(path), content, bytearray(content), io.BytesIO(content), (array, rate_hz)):
        np.testing.assert_array_equal(load_waveform(source), expected)
    with path.open("rb") as file:
        file.seek(1000)  # a file object is read from its beginning and stays open
        np.testing.assert_array_equal(load_waveform(file), expected)
        assert not file.closed
    assert duration_s(path) == duration_s(content) == len(array) / rate_hz


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes among files")
def test_a_pipe_gives_the_same():
    content = encode(make_tone(duration_s=0.5))
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        end.write(content)
    with os.fdopen(reading, "rb") as end:
        np.testing.assert_array_equal(load_waveform(end), load_waveform(content))


@pytest.mark.parametrize(
    ("dtype", "subtype"),
    [("uint8", "PCM_U8"), ("int16", "PCM_16"), ("int32", "PCM_32"), (">i2", "PCM_16")],
)
def test_an_integer_array_is_scaled_as_its_file_is(dtype, subtype):
    values = np.random.default_rng(0).integers(-128, 127, 3000)
    array = values + 128 if dtype == "uint8" else values << 8 * (np.dtype(dtype).itemsize - 1)
    written = (values << 24).astype(np.int32)
    np.testing.assert_array_equal(
        load_waveform((array.astype(dtype), SAMPLE_RATE_HZ)),
        load_waveform(encode(written, subtype=subtype)),
    )


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64", ">f4"])
def test_other_arrays_are_scaled_to_one(dtype):
    halves = np.tile([0.5, -0.5, 0.25], 500)
    array = (halves * 128 if dtype == "int8" else halves).astype(dtype)
    waveform = load_waveform((array, SAMPLE_RATE_HZ))
    assert waveform.dtype == np.float32
    assert waveform.dtype.isnative
    np.testing.assert_array_equal(waveform, halves.astype(np.float32))


def test_an_array_is_not_changed():
    array = np.random.default_rng(0).integers(-3000, 3000, (4000, 2), dtype=np.int16)
    copy = array.copy()
    load_waveform((array, 44100))
    np.testing.assert_array_equal(array, copy)


def test_a_waveform_at_16_khz_is_not_copied():
    tone = make_tone()
    assert np.shares_memory(load_waveform((tone, SAMPLE_RATE_HZ)), tone)


# Parts and blocks.


@pytest.mark.parametrize(("container", "subtype", "tolerance"), LOSSLESS + LOSSY)
def test_a_part_is_that_part_of_the_whole(container, subtype, tolerance):
    content = encode(make_tone(duration_s=2.0), container=container, subtype=subtype)
    whole = load_waveform(content)
    for start_s, end_s in ((0.0, 0.5), (0.5, 1.25), (1.9, None), (0.123456, 1.987654)):
        part = load_waveform(content, start_s=start_s, end_s=end_s)
        end = None if end_s is None else round(end_s * SAMPLE_RATE_HZ)
        expected = whole[round(start_s * SAMPLE_RATE_HZ) : end]
        np.testing.assert_array_equal(part, expected)


def test_a_part_is_cut_before_it_is_resampled():
    tone = make_tone(44100, duration_s=2.0)
    np.testing.assert_array_equal(
        load_waveform((tone, 44100), start_s=0.5, end_s=1.5),
        load_waveform((tone[22050:66150], 44100)),
    )


def test_an_end_may_pass_the_recordings_by_a_frame():
    assert load_waveform((make_tone(), SAMPLE_RATE_HZ), end_s=1.005).shape == (SAMPLE_RATE_HZ,)


@settings(max_examples=25)
@given(
    rate_hz=st.sampled_from(RATES_HZ),
    source_duration_s=st.floats(0.05, 3.0),
    block_s=st.floats(0.04, 1.5),
    channel_count=st.integers(1, 3),
)
def test_blocks_joined_are_the_whole(rate_hz, source_duration_s, block_s, channel_count):
    tone = make_tone(rate_hz, source_duration_s)
    source = (np.stack([tone] * channel_count, axis=1), rate_hz)
    blocks = list(waveform_blocks(source, block_s))
    assert {len(block) for block in blocks[:-1]} <= {round(block_s * SAMPLE_RATE_HZ)}
    assert 0 < len(blocks[-1]) <= round(block_s * SAMPLE_RATE_HZ)
    np.testing.assert_array_equal(np.concatenate(blocks), load_waveform(source))


@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")])
@pytest.mark.parametrize("block_s", [7.0, 30.0, 45.0])
def test_blocks_of_a_long_file_joined_are_the_whole(container, subtype, block_s):
    content = encode(make_tone(22050, duration_s=100.0), 22050, container, subtype)
    expected = load_waveform(content, start_s=5.0, end_s=99.0)
    blocks = waveform_blocks(content, block_s, start_s=5.0, end_s=99.0)
    np.testing.assert_array_equal(np.concatenate(list(blocks)), expected)
    assert len(expected) == 94 * SAMPLE_RATE_HZ


def test_unfinished_blocks_close_their_file(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encode(make_tone()))
    blocks = waveform_blocks(path, 0.1)
    next(blocks)
    blocks.close()  # a file left open would be a ResourceWarning, an error here
    path.unlink()


def test_blocks_shorter_than_the_least_are_refused():
    with pytest.raises(AudioError, match=r"^blocks of 0.01 s; at least 0.04 s is needed$"):
        next(waveform_blocks((make_tone(), SAMPLE_RATE_HZ), 0.01))


# Streams whose header does not know their length.


def unknown_length_flac(samples):
    content = bytearray(encode(samples, container="FLAC"))
    content[8 + 13] &= 0xF0  # the 36 bits of STREAMINFO that count the samples
    content[8 + 14 : 8 + 18] = bytes(4)
    return bytes(content)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFF000])
def test_a_wav_written_into_a_pipe_is_read_to_its_end(size):
    content = bytearray(encode(make_tone()))
    content[4:8] = content[40:44] = struct.pack("<I", size)
    np.testing.assert_array_equal(load_waveform(bytes(content)), load_waveform(encode(make_tone())))
    assert duration_s(bytes(content)) == 1.0


def test_a_flac_written_into_a_pipe_is_read_to_its_end():
    tone = make_tone(duration_s=2.0)
    content = unknown_length_flac(tone)
    whole = load_waveform(encode(tone, container="FLAC"))
    np.testing.assert_array_equal(load_waveform(content), whole)
    np.testing.assert_array_equal(load_waveform(content, start_s=0.5, end_s=1), whole[8000:16000])
    assert duration_s(content) == 2.0
    assert message_of(content, start_s=3.0) == (
        "<bytes>: 2.00 s long; a part from 3.0 s begins behind its end, check the start"
    )
    assert message_of(content, end_s=3.0) == (
        "<bytes>: 2.00 s long; a part to 3.0 s ends behind its end, check the end"
    )


# What cannot be worked with.


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "none.wav"
    assert message_of(path) == f"{path}: no such file; check the path"
    assert message_of("null\0.wav") == "null\\x00.wav: no such file; check the path"
    assert message_of("\ud800.wav") == "\\ud800.wav: no such file; check the path"
    assert message_of("a\nb.wav") == "a\\nb.wav: no such file; check the path"
    assert message_of(path, name="the call") == "the call: no such file; check the path"


def test_an_open_file_is_called_by_its_name(tmp_path):
    path = tmp_path / "empty.wav"
    path.touch()
    with path.open("rb") as file:
        assert message_of(file).startswith(f"{path}: empty (0 bytes)")


def test_a_folder_is_refused(tmp_path):
    assert message_of(tmp_path) == (
        f"{tmp_path}: a folder; one recording is expected, name its files"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="rights of Unix")
def test_a_file_without_rights_is_refused():
    with folder_of_a_common_user() as folder:
        path = folder / "mine.wav"
        path.write_bytes(encode(make_tone()))
        path.chmod(0)
        reason = "cannot be opened (Permission denied); check its rights"
        assert message_of(path) == f"{path}: {reason}"


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.wav"
    path.touch()
    reason = "empty (0 bytes); a recording is expected, fetch it again"
    assert message_of(path) == f"{path}: {reason}"
    assert message_of(b"") == f"<bytes>: {reason}"
    assert message_of(io.BytesIO()) == f"<file object>: {reason}"


@pytest.mark.parametrize("ending", ["wav", "mp3", "flac", "raw", "txt"])
@pytest.mark.parametrize("content", [b"hello world\n" * 999, bytes(3000), b"RIFF", b"OggS\0fLaC"])
def test_a_file_that_is_not_audio_is_refused(tmp_path, ending, content, capfd):
    path = tmp_path / f"letter.{ending}"
    path.write_bytes(content)
    message = message_of(path)
    assert message.startswith(f"{path}: ")
    assert "not a sound file that can be read" in message or "truncated" in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ALAW"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
def test_a_truncated_wav_is_refused(container, subtype):
    content = encode(make_tone(), container=container, subtype=subtype)
    for missing in (1, 1000, len(content) // 2):
        assert message_of(content[:-missing]) == (
            f"<bytes>: truncated, its last {missing} bytes are missing;"
            " fetch it again, or keep what is left with: ffmpeg -i INPUT out.wav"
        )


def test_chunks_around_the_data_are_no_truncation():
    content = encode(make_tone())
    odd = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    body = content[8:36] + odd + content[36:] + odd
    whole = load_waveform(b"RIFF" + struct.pack("<I", len(body)) + body)
    np.testing.assert_array_equal(whole, load_waveform(content))


def test_a_truncated_flac_is_refused_wherever_it_is_cut():
    content = encode(make_tone(duration_s=2.0), container="FLAC")
    for cut in (*range(len(content) // 50, len(content), len(content) // 50), len(content) - 1):
        message = message_of(content[:cut])
        assert re.search(r"truncated or damaged after \d\.\d\d s of the 2\.00 s", message)


def test_a_truncated_flac_gives_its_good_blocks_first():
    content = encode(make_tone(duration_s=100.0), container="FLAC")
    blocks = waveform_blocks(content[: len(content) * 3 // 4], 10.0)
    assert len(next(blocks)) == 160000
    with pytest.raises(AudioError, match=r"of the 100\.00 s that its header promises; fetch it"):
        list(blocks)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_truncated_ogg_is_refused_wherever_it_is_cut(subtype):
    content = encode(make_tone(duration_s=2.0), container="OGG", subtype=subtype)
    for cut in (*range(20, len(content), 499), len(content) - 1):
        assert re.search("truncated|not a sound file", message_of(content[:cut]))


def test_a_truncated_mp3_is_refused():
    content = encode(make_tone(duration_s=2.0), container="MP3", subtype="MPEG_LAYER_III")
    message = message_of(content[: len(content) * 6 // 10])
    assert re.search(r"truncated or damaged after [01]\.\d\d s of the 2\.\d\d s", message)


@pytest.mark.parametrize("sample_count", [0, 1, 100, 639])
def test_too_short_a_recording_is_refused_with_the_least_duration(sample_count):
    tone = make_tone()[:sample_count]
    expected = f"{sample_count // 160 / 100:.2f} s of audio; at least 0.04 s is needed"
    assert message_of((tone, SAMPLE_RATE_HZ)) == f"<array>: {expected}"
    assert message_of(encode(tone)) == f"<bytes>: {expected}"
    with pytest.raises(AudioError, match=f"^speech.wav: {expected}$"):
        next(waveform_blocks(encode(tone), name="speech.wav"))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_least_is_enough_at_every_rate(rate_hz):
    sample_count = round(0.04 * rate_hz)
    assert load_waveform((np.full(sample_count, 0.1), rate_hz)).shape == (640,)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(subtype, value):
    tone = make_tone()
    tone[8000] = value
    expected = (
        "NaN or infinite samples, the first at 0.50 s; finite ones are expected, repair or cut them"
    )
    assert message_of(encode(tone, subtype=subtype)) == f"<bytes>: {expected}"
    assert message_of((tone, SAMPLE_RATE_HZ), start_s=0.25) == f"<array>: {expected}"
    assert load_waveform((tone, SAMPLE_RATE_HZ), start_s=0.6).shape == (6400,)


def test_integers_in_floating_point_are_refused():
    assert message_of((make_tone(level=20000.0), SAMPLE_RATE_HZ)) == (
        "<array>: samples as large as 19997.5; floating-point samples in [-1, 1] are expected,"
        " divide 16-bit values by 32768"
    )


@pytest.mark.parametrize("rate_hz", [0, -16000, 999, 768001, np.nan, np.inf, "fast", None])
def test_an_invalid_rate_is_refused(rate_hz):
    assert message_of((make_tone(), rate_hz)) == (
        f"<array>: a sampling rate of {rate_hz} Hz; 1000 to 768000 Hz is expected"
    )


@pytest.mark.parametrize("rate_hz", [1, 999, 768001, 2_000_000_000])
def test_an_invalid_rate_is_refused_in_a_file(rate_hz):
    content = bytearray(encode(make_tone()))
    content[24:28] = struct.pack("<I", rate_hz)
    assert message_of(bytes(content)) == (
        f"<bytes>: a sampling rate of {rate_hz} Hz; 1000 to 768000 Hz is expected"
    )


@pytest.mark.parametrize(
    ("start_s", "end_s", "reason"),
    [
        (-1.0, None, "a part from -1.0 s to the end; 0 <= start < end is expected"),
        (0.5, 0.5, "a part from 0.5 s to 0.5 s; 0 <= start < end is expected"),
        (0.5, 0.2, "a part from 0.5 s to 0.2 s; 0 <= start < end is expected"),
        (np.nan, None, "a part from nan s to the end; 0 <= start < end is expected"),
        (0.0, np.nan, "a part from 0.0 s to nan s; 0 <= start < end is expected"),
        (0.0, np.inf, "a part from 0.0 s to inf s; 0 <= start < end is expected"),
        (1.0, None, "1.00 s long; a part from 1.0 s begins behind its end, check the start"),
        (0.0, 1.5, "1.00 s long; a part to 1.5 s ends behind its end, check the end"),
        (0.5, 0.51, "0.01 s of audio; at least 0.04 s is needed"),
    ],
)
def test_a_part_outside_the_recording_is_refused(start_s, end_s, reason):
    for source, name in (
        ((make_tone(), SAMPLE_RATE_HZ), "<array>"),
        (encode(make_tone()), "<bytes>"),
    ):
        assert message_of(source, start_s=start_s, end_s=end_s) == f"{name}: {reason}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            (np.zeros((2, 16000), np.float32), 16000),
            "<array>: an array of shape (2, 16000); (samples,) or (samples, channels) is expected,"
            " transpose it",
        ),
        (
            (np.zeros((9, 2, 2), np.float32), 16000),
            "<array>: an array of shape (9, 2, 2); (samples,) or (samples, channels) is expected,"
            " transpose it",
        ),
        (
            (np.zeros(16000, np.int64), 16000),
            "<array>: int64 samples; int8, uint8, int16, int32 or floating point in [-1, 1] is"
            " expected, convert them",
        ),
        (
            (16000, np.zeros(16000)),
            "<array>: a tuple that is not (array, rate); give the array first",
        ),
        (
            np.zeros(16000),
            "<source>: a ndarray; a path, bytes, a binary file or (array, rate) is expected",
        ),
        (
            io.StringIO("hello"),
            "<file object>: a file opened as text; open it as binary, mode 'rb'",
        ),
    ],
)
def test_an_invalid_source_is_refused(source, message):
    assert message_of(source) == message


# What is worked with, in doubt.


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_digital_silence_is_a_warning(container):
    subtype = soundfile.default_subtype(container)
    with pytest.warns(AudioWarning, match="^<bytes>: digital silence; speech is expected, its"):
        load_waveform(encode(np.zeros(16000), 44100, container, subtype))


def test_a_silent_part_is_a_warning_and_a_loud_one_is_not():
    source = (np.concatenate((np.zeros(16000), make_tone())), SAMPLE_RATE_HZ)
    load_waveform(source, start_s=0.5)
    with pytest.warns(AudioWarning, match="digital silence"):
        load_waveform(source, end_s=0.9)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAW"])
def test_clipping_is_a_warning(subtype):
    content = encode(np.clip(make_tone(level=1.5), -1, 1), subtype=subtype)
    with pytest.warns(AudioWarning, match=r"^<bytes>: \d+\.\d % of the samples are clipped;"):
        load_waveform(content)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_normalised_recording_is_no_warning(subtype):
    noise = np.random.default_rng(0).laplace(size=48000)
    load_waveform(encode(noise / np.abs(noise).max(), subtype=subtype))


def test_clipping_is_counted_across_pieces():
    tone = np.zeros(16000 * 40)
    tone[16000 * 30 - 2000 : 16000 * 30 + 2002] = 1.0  # pieces are 30 s long
    with pytest.warns(AudioWarning, match="<array>: 0.6 % of the samples are clipped"):
        blocks = list(waveform_blocks((tone, SAMPLE_RATE_HZ), 1.0))
    assert len(blocks) == 40


# Real speech.


def test_samples_of_the_repository_are_read_without_a_warning():
    paths = sorted(SAMPLES.glob("*.wav"))
    assert len(paths) == 8
    for path in paths:
        waveform = load_waveform(path)
        assert len(waveform) / SAMPLE_RATE_HZ == duration_s(path)
        assert 0.1 < np.abs(waveform).max() <= 1
