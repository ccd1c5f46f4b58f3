import io

import numpy as np
import pytest
import soundfile

from seqcap.audio.pcm import PCMFormat, open_pcm, pcm_frames
from seqcap.errors import AudioError

RAW = PCMFormat(16000)


class Drops(io.RawIOBase):
    """A pipe that gives a few bytes at a time and cannot go back."""

    def __init__(self, content, size):
        self._content, self._size = io.BytesIO(content), size

    def read(self, size=-1):
        return self._content.read(min(self._size, size) if size >= 0 else self._size)


def frames_of(file, raw=RAW):
    kind, blocks = open_pcm(file, raw, "pipe")
    return kind, np.concatenate(list(pcm_frames(kind, blocks)))


def wav(samples, rate, **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", **options)
    return file.getvalue()


@pytest.mark.parametrize("size", [1, 7, 65536])
@pytest.mark.parametrize(("subtype", "kind"), [("PCM_16", "<i2"), ("FLOAT", "<f4")])
def test_a_wav_file_in_drops_is_read_as_libsndfile_reads_it(size, subtype, kind):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (999, 2))
    content = wav(samples, 44100, subtype=subtype)
    found, frames = frames_of(Drops(content, size))
    expected, _ = soundfile.read(io.BytesIO(content), dtype="int16" if kind == "<i2" else "float32")
    assert (found.rate_hz, found.channel_count, found.sample_type) == (44100, 2, kind)
    np.testing.assert_array_equal(frames, expected)


def test_an_unknown_length_is_no_length():
    content = bytearray(wav(np.arange(100) / 100, 8000, subtype="PCM_16"))
    at = content.index(b"data") + 4
    content[at : at + 4] = content[4:8] = b"\xff\xff\xff\xff"  # as ffmpeg writes to a pipe
    assert len(frames_of(io.BytesIO(bytes(content)))[1]) == 100


def test_everything_else_is_raw_samples():
    samples = np.arange(-50, 50, dtype="<i4").reshape(-1, 2)
    kind = PCMFormat(48000, 2, "<i4")
    found, frames = frames_of(Drops(samples.tobytes(), 3), kind)
    assert found == kind
    np.testing.assert_array_equal(frames, samples)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RIFF\0\0\0\0AVI ", "RIFF without WAVE"),
        (b"RIFF\0\0\0\0WAVE", "ends before its samples begin"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "samples before their format"),
        (b"RIFF\0\0\0\0WAVEfmt \2\0\0\0ab", "a damaged WAV header"),
        (b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff", "4294967295 bytes before its samples"),
        (wav(np.zeros(9), 8000, subtype="PCM_24"), "WAV of kind 1 with 24 bits"),
        (wav(np.zeros(9), 8000, subtype="ULAW"), "WAV of kind 7 with 8 bits"),
    ],
)
def test_wav_that_cannot_be_read_is_refused(content, message):
    with pytest.raises(AudioError, match=f"^pipe: {message}"):
        open_pcm(io.BytesIO(content), RAW, "pipe")
