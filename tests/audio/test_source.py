import io
import os
import sys
import threading

import numpy as np
import pytest
from sounds import encode, make_speech_like

from seqcap.audio.source import printable, rereadable, source_name
from seqcap.audio.waveform import load_waveform
from seqcap.errors import AudioError

CONTENT = encode(make_speech_like())
posix = pytest.mark.skipif(sys.platform == "win32", reason="no such paths there")


@posix
@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_path_that_is_no_utf8_is_read(tmp_path, container):
    path = os.path.join(os.fsencode(tmp_path), b"bad\xff.wav")  # noqa: PTH118
    content = encode(make_speech_like(), container=container)
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(content)
    expected = load_waveform(content)
    np.testing.assert_array_equal(load_waveform(os.fsdecode(path)), expected)
    assert source_name(os.fsdecode(path)) == f"{tmp_path}/bad\\xff.wav"


@posix
def test_an_error_about_such_a_path_can_be_printed(tmp_path):
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"bad\xff.wav"))  # noqa: PTH118
    with pytest.raises(AudioError) as caught:
        load_waveform(path)
    assert (
        str(caught.value).encode()
        == f"{tmp_path}/bad\\xff.wav: no such file; check the path".encode()
    )
    assert printable("töne.wav") == "töne.wav"


def feed(write):
    thread = threading.Thread(target=write)
    thread.start()
    return thread


def write_all(descriptor):
    with os.fdopen(descriptor, "wb") as file:
        file.write(CONTENT)


@posix
def test_a_pipe_given_by_its_descriptor_is_read_once():
    reading, writing = os.pipe()
    thread = feed(lambda: write_all(writing))
    try:
        np.testing.assert_array_equal(load_waveform(f"/dev/fd/{reading}"), load_waveform(CONTENT))
    finally:
        thread.join()
        os.close(reading)


@posix
def test_a_named_pipe_is_kept_for_reading_again(tmp_path):
    path = tmp_path / "call.wav"
    os.mkfifo(path)
    thread = feed(lambda: path.write_bytes(CONTENT))
    kept = rereadable(path)
    thread.join()
    for _ in range(2):
        np.testing.assert_array_equal(load_waveform(kept), load_waveform(CONTENT))
    assert source_name(kept) == str(path)


@posix
def test_a_device_is_refused():
    for path in ("/dev/zero", "/dev/null"):
        with pytest.raises(AudioError, match=r": a device; a file or a pipe is expected"):
            load_waveform(path)


def test_a_source_that_can_be_read_again_is_unchanged(tmp_path):
    for source in (tmp_path, str(tmp_path / "a.wav"), CONTENT, io.BytesIO(CONTENT)):
        assert rereadable(source) is source


def test_the_ending_of_a_name_decides_nothing(tmp_path):
    for container in ("WAV", "FLAC", "OGG", "AIFF", "MP3"):
        content = encode(make_speech_like(), container=container)
        for ending in ("wav", "mp3", "raw", "flac", "txt"):
            path = tmp_path / f"a.{ending}"
            path.write_bytes(content)
            np.testing.assert_array_equal(load_waveform(path), load_waveform(content))
