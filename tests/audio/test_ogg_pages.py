import io

import numpy as np
import pytest
from sounds import encode, make_speech_like

from seqcap.audio.ogg_pages import scan_pages
from seqcap.audio.waveform import duration_s, load_waveform
from seqcap.errors import AudioError, AudioWarning

SUBTYPES = ["VORBIS", "OPUS"]


def encode_ogg(subtype, seed=0, duration_s=8.0):
    return encode(make_speech_like(duration_s, seed=seed), 16000, "OGG", subtype)


def page_starts(content):
    starts, at = [], 0
    while (at := content.find(b"OggS\0", at)) >= 0:
        starts.append(at)
        at += 1
    return starts


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_chained_recordings_are_read_to_the_end(subtype):
    first, second = encode_ogg(subtype, 1), encode_ogg(subtype, 2, 3.0)
    expected = np.concatenate((load_waveform(first), load_waveform(second)))
    np.testing.assert_array_equal(load_waveform(first + second), expected)
    assert duration_s(first + second) == 11.0
    assert len(load_waveform(first + b"\0" * 77 + second)) == len(expected)


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_one_recording_is_one_link_with_an_end(subtype):
    content = encode_ogg(subtype)
    chain = scan_pages(io.BytesIO(content), "a")
    assert chain.links == [(0, len(content))]
    assert chain.is_ended
    assert not chain.is_damaged


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_a_missing_last_page_is_named(subtype):
    content = encode_ogg(subtype)
    with pytest.warns(AudioWarning, match="its last page is missing; all before was read"):
        assert len(load_waveform(content[: page_starts(content)[-1]])) > 16000


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_a_missing_page_in_the_middle_is_damage(subtype):
    content = encode_ogg(subtype, duration_s=30.0)
    starts = page_starts(content)
    middle = len(starts) // 2
    assert middle > 2
    content = content[: starts[middle]] + content[starts[middle + 1] :]
    assert scan_pages(io.BytesIO(content), "a").is_damaged
    with pytest.raises(AudioError, match=r"truncated or damaged after 2\d\.\d\d s of the 30\.00"):
        load_waveform(content)


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_an_end_inside_a_page_is_a_truncation(subtype):
    content = encode_ogg(subtype)
    for missing in (1, 100):
        with pytest.raises(AudioError, match=f"truncated, its last {missing} bytes are missing"):
            load_waveform(content[:-missing])
