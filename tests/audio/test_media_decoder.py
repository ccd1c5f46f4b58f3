import io
import sys

import numpy as np
import pytest
import soundfile
from sounds import encode, encode_media, make_speech_like

from seqcap.audio.source import opened
from seqcap.audio.waveform import duration_s, load_waveform, waveform_blocks
from seqcap.errors import AudioError, AudioWarning

av = pytest.importorskip("av", reason="the extra `formats`")

LOSSLESS = [
    ("mov", "pcm_s16le", 16000),
    ("matroska", "flac", 16000),
    ("avi", "pcm_s16le", 16000),
    ("wv", "wavpack", 16000),
    ("tta", "tta", 16000),
    ("ogg", "flac", 16000),
    ("ipod", "alac", 16000),
]
# Samples before the sound that a container without a word about them leaves in.
LOSSY = [
    ("ipod", "aac", 44100, 0),
    ("mp4", "aac", 48000, 0),
    ("webm", "libopus", 48000, 0),
    ("adts", "aac", 16000, 1024),
    ("ac3", "ac3", 48000, 256),
    ("flv", "aac", 44100, 1024),
    ("mp3", "libmp3lame", 16000, 0),
]


def make_slow_speech_like(rate_hz, duration_s=2.0):
    """As `make_speech_like`, below 3 kHz, which every codec keeps."""
    waveform = make_speech_like(duration_s, rate_hz).astype(float)
    spectrum = np.fft.rfft(waveform)
    spectrum[round(3000 * duration_s) :] = 0
    return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)


@pytest.mark.parametrize(("container", "codec", "rate_hz"), LOSSLESS)
def test_lossless_media_give_the_samples_that_were_written(container, codec, rate_hz):
    sound = make_speech_like()
    waveform = load_waveform(encode_media(sound, rate_hz, container, codec))
    np.testing.assert_allclose(waveform, sound, atol=2**-15)


@pytest.mark.parametrize(("container", "codec", "rate_hz", "early"), LOSSY)
def test_lossy_media_give_the_written_sound_without_a_shift(container, codec, rate_hz, early):
    content = encode_media(make_slow_speech_like(rate_hz), rate_hz, container, codec)
    waveform = load_waveform(content)
    expected = load_waveform((make_slow_speech_like(rate_hz), rate_hz))
    begin = round(early * 16000 / rate_hz)
    decoded = waveform[begin : begin + len(expected) - 400]
    error = decoded - expected[: len(decoded)]
    assert np.sum(error**2) < 0.15 * np.sum(expected**2)


def test_a_film_gives_its_first_audio_track():
    file = io.BytesIO()
    sounds = [make_speech_like(1.0, seed=seed) for seed in (1, 2)]
    with av.open(file, "w", format="mov") as output:
        film = output.add_stream("mpeg4", rate=5)
        film.width = film.height = 32
        film.pix_fmt = "yuv420p"
        tracks = [output.add_stream("pcm_s16le", rate=16000, layout="mono") for _ in sounds]
        for _ in range(5):
            output.mux(film.encode(av.VideoFrame(32, 32, "yuv420p")))
        output.mux(film.encode(None))
        for track, sound in zip(tracks, sounds, strict=True):
            values = np.round(sound * 32768).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(values, "s16", "mono")
            frame.sample_rate = 16000
            output.mux(track.encode(frame))
            output.mux(track.encode(None))
    np.testing.assert_allclose(load_waveform(file.getvalue()), sounds[0], atol=2**-15)


def test_both_channels_of_a_call_come_through():
    both = np.stack((make_speech_like(seed=1), make_speech_like(seed=2)), axis=1)
    content = encode_media(both, 16000, "matroska", "flac", "stereo")
    for channel, index in (("left", 0), ("right", 1)):
        waveform = load_waveform(content, channel=channel)
        np.testing.assert_allclose(waveform, both[:, index], atol=2**-15)


def test_a_header_that_promises_more_channels_than_ffmpeg_tables_hold_is_refused():
    file = io.BytesIO()
    soundfile.write(file, make_speech_like(1.0), 16000, format="AIFF", subtype="FLOAT")
    damaged = bytearray(file.getvalue())
    place = damaged.index(b"COMM") + 8
    damaged[place : place + 2] = (33).to_bytes(2, "big")
    with pytest.raises(AudioError, match="33 channels; of files of this kind 8 at most"):
        load_waveform(bytes(damaged))


def test_narrow_amr_of_phones_is_read():
    content = encode_media(make_slow_speech_like(8000), 8000, "amr", "libopencore_amrnb")
    assert duration_s(content) == pytest.approx(2.0, abs=0.05)


def test_path_bytes_file_and_pieces_give_the_same(tmp_path):
    content = encode_media(make_speech_like(3.0, 44100), 44100, "ipod", "aac")
    path = tmp_path / "voice memo.txt"  # the ending says nothing
    path.write_bytes(content)
    whole = load_waveform(content)
    assert duration_s(path) == pytest.approx(3.0, abs=0.01)
    np.testing.assert_array_equal(load_waveform(path), whole)
    with path.open("rb") as file:
        np.testing.assert_array_equal(load_waveform(file), whole)
        assert not file.closed
    np.testing.assert_array_equal(np.concatenate(list(waveform_blocks(path, 0.5))), whole)


def test_a_part_is_that_part_of_the_whole():
    content = encode_media(make_speech_like(3.0), 16000, "ipod", "aac")
    whole = load_waveform(content)
    part = load_waveform(content, start_s=1.25, end_s=2.5)
    np.testing.assert_array_equal(part, whole[20000:40000])
    with pytest.raises(AudioError, match="ends behind its end, check the end"):
        load_waveform(content, end_s=4.0)


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz"),
    [("ipod", "aac", 16000), ("mp4", "aac", 16000), ("mov", "pcm_s16le", 16000),
     ("3gp", "libopencore_amrnb", 8000)],
)  # fmt: skip
def test_a_film_that_is_cut_before_its_table_of_contents_is_named_as_truncated(
    container, codec, rate_hz
):
    content = encode_media(make_speech_like(3.0, rate_hz), rate_hz, container, codec)
    load_waveform(content)
    load_waveform(content + b"TAG" + bytes(125))
    with pytest.raises(AudioError, match=r"truncated, its last [\d]+ bytes are missing"):
        load_waveform(content[: 2 * len(content) // 5])


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz", "kind"),
    [
        ("ac3", "ac3", 48000, "unfinished"),
        ("eac3", "eac3", 48000, "unfinished"),
        ("mpeg", "mp2", 16000, "unfinished"),
        ("mpegts", "aac", 16000, "damaged"),
        ("adts", "aac", 16000, "damaged"),
    ],
)
def test_a_stream_that_knows_no_length_tells_when_its_last_frame_is_cut(
    container, codec, rate_hz, kind
):
    content = encode_media(make_speech_like(3.0, rate_hz), rate_hz, container, codec)
    for size, expected in ((len(content), []), (2 * len(content) // 5 + 37, [kind])):
        issues = []
        load_waveform(content[:size], issues=issues)
        assert [issue.kind.value for issue in issues] == expected


def test_a_cut_off_film_is_refused_as_a_truncated_wav_is():
    content = encode_media(make_speech_like(3.0), 16000, "matroska", "flac")
    with pytest.raises(AudioError, match=r"truncated or damaged after [01]\.\d+ s of the 3\.00 s"):
        load_waveform(content[: len(content) // 2])
    with pytest.raises(AudioError, match="truncated, its last"):
        load_waveform(encode_media(make_speech_like(), 16000, "ipod", "aac")[:9000])


@pytest.mark.parametrize(("container", "codec"), [("asf", "wmav2"), ("avi", "pcm_s16le")])
def test_a_file_shorter_than_its_header_says_is_truncated(container, codec):
    content = encode_media(make_speech_like(3.0), 16000, container, codec)
    assert duration_s(content) == pytest.approx(3.0, abs=0.2)
    with pytest.raises(AudioError, match=r"truncated, its last [\d]+ bytes are missing"):
        load_waveform(content[: len(content) // 2])


def test_damaged_packets_are_counted_and_many_are_refused():
    content = bytearray(encode_media(make_speech_like(5.0), 16000, "matroska", "aac"))
    some = content.copy()
    some[40000:40060] = b"\xff" * 60
    with pytest.warns(AudioWarning, match=r"damaged packets of sound were left out"):
        load_waveform(bytes(some))
    content[5000:40000] = bytes(35000)
    with pytest.raises(AudioError, match="damaged"):
        load_waveform(bytes(content))


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '{path}'\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
    ],
)
def test_a_play_list_opens_no_other_file(tmp_path, content, capfd):
    other = tmp_path / "private.wav"
    other.write_bytes(encode(make_speech_like()))
    for named in (str(other), other.as_uri(), "private.wav"):
        with pytest.raises(AudioError, match="not a sound file that can be read"):
            load_waveform(content.replace(b"{path}", named.encode()))
    assert capfd.readouterr() == ("", "")


def test_a_film_without_sound_says_so():
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        film = output.add_stream("mpeg4", rate=5)
        film.width = film.height = 32
        film.pix_fmt = "yuv420p"
        output.mux(film.encode(av.VideoFrame(32, 32, "yuv420p")))
        output.mux(film.encode(None))
    with pytest.raises(AudioError, match="no sound in it"):
        load_waveform(file.getvalue())


def test_without_the_extra_the_error_names_it(monkeypatch):
    content = encode_media(make_speech_like(), 16000, "ipod", "aac")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"pip install 'seqcap\[formats\]', or convert it with"):
        load_waveform(content)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "W64", "CAF", "AU"])
def test_ffmpeg_gets_only_formats_that_libsndfile_cannot_read(monkeypatch, tmp_path, container):
    monkeypatch.setitem(sys.modules, "av", None)
    content = encode(make_speech_like(), container=container)
    path = tmp_path / "a"
    path.write_bytes(content)
    for source in (content, path):
        with opened(source, None) as recording:
            assert recording.frame_count == 32000
