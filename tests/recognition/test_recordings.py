import itertools
import os
import sys
import threading

import numpy as np
import pytest
from sounds import encode, make_speech_like

from seqcap.audio.normalisation import Normalisation, NormalisationSettings
from seqcap.recognition.answers import Failure
from seqcap.recognition.recordings import (
    batches_by_length,
    piece_bounds,
    prepare,
    read_ahead,
    read_recording,
)

PLAIN = Normalisation(np.zeros(512, np.float32), np.ones(512, np.float32))


def make_source(duration_s):
    return (np.full(round(16000 * duration_s), 0.1, np.float32), 16000)


def test_groups_are_bounded_by_files():
    groups = read_ahead([make_source(0.1)] * 130)
    assert [len(group) for group in groups] == [64, 64, 2]


def test_groups_are_bounded_by_their_duration():
    groups = read_ahead([make_source(50)] * 4)
    assert [len(group) for group in groups] == [3, 1]


def test_failures_keep_their_place():
    (group,) = read_ahead([make_source(0.1), b"", make_source(0.2)])
    assert [isinstance(entry, Failure) for entry in group] == [False, True, False]


def test_the_next_group_is_read_while_one_is_worked_on():
    second_read = threading.Event()

    def sources():
        yield from [make_source(0.1)] * 65
        second_read.set()

    groups = read_ahead(sources())
    next(groups)
    assert second_read.wait(timeout=60)


def test_pieces_cover_every_frame_once():
    for frame_count in (1, 49, 199, 200, 201, 249, 250, 399, 400, 449, 450, 12345):
        bounds = piece_bounds(frame_count)
        assert bounds[0][0] == 0
        assert bounds[-1][1] == frame_count
        assert all(left[1] == right[0] for left, right in itertools.pairwise(bounds))
        assert all(behind - first >= min(50, frame_count) for first, behind in bounds)


def test_batches_hold_every_recording_once_and_at_most_12_s_unless_one_alone_is_longer():
    counts = np.random.default_rng(0).integers(1, 3000, 200).tolist()
    batches = list(batches_by_length(counts))
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    assert max(map(len, batches)) > 1
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(counts[i] for i in batch) <= 1200


def test_a_long_recording_comes_in_blocks_of_whole_pieces_that_join_to_the_whole():
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000 * 75 + 7000).astype(np.float32)
    level = Normalisation(PLAIN.mean, PLAIN.deviation, NormalisationSettings(target_rms=0.01))
    (recording,) = prepare([read_recording((noise, 16000))], level)
    assert not recording.recording.is_short
    blocks = list(recording.blocks())
    assert [len(block) for block in blocks] == [3000, 3000, 1544]
    np.testing.assert_allclose(np.concatenate(blocks), level.spectrogram(noise), atol=1e-5)
    np.testing.assert_array_equal(blocks[0], next(recording.blocks()))  # read anew each time


@pytest.mark.parametrize("speech_s", [3.0, 30.0, 70.0])  # whole, in blocks, and decoded again
def test_silence_around_a_recording_is_trimmed(speech_s):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, int(16000 * speech_s)).astype(np.float32)
    quiet = np.full(16000, 1e-4, np.float32)
    trimming = Normalisation(
        PLAIN.mean, PLAIN.deviation, NormalisationSettings(target_rms=0.01, trim_db=30.0)
    )
    (recording,) = prepare(
        [read_recording((np.concatenate((quiet, noise, quiet)), 16000))], trimming
    )
    assert (recording.recording.start_s, recording.recording.end_s) == (0.0, speech_s + 2)
    assert recording.bounds[0][0] == 90
    frames = np.concatenate(list(recording.blocks()))
    assert len(frames) == sum(recording.sizes) == (speech_s + 0.2) * 100
    whole = trimming.spectrogram(np.concatenate((quiet, noise, quiet)))
    np.testing.assert_allclose(frames, whole, atol=1e-5)
    assert frames[:5].mean() < frames[10:15].mean() - 4  # quiet, then speech


def test_a_recording_of_20_s_is_one_block_with_or_without_its_samples_in_memory():
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 320000).astype(np.float32)
    recording = read_recording((noise, 16000))
    assert recording.is_short
    assert recording.waveform is not None
    (held,) = prepare([recording], PLAIN)[0].blocks()
    assert len(held) == 2000
    assert recording.release().waveform is None
    (again,) = prepare([recording.release()], PLAIN)[0].blocks()
    np.testing.assert_array_equal(held, again)


def test_a_long_recording_of_which_less_than_20_s_are_left_loses_nothing():
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 15 * 16000).astype(np.float32)
    quiet = np.full(10 * 16000, 1e-4, np.float32)
    trimming = PLAIN.changed(trim_db=30.0)
    (prepared,) = prepare(
        [read_recording((np.concatenate((quiet, noise, quiet)), 16000))], trimming
    )
    assert not prepared.recording.is_short
    assert sum(len(block) for block in prepared.blocks()) == sum(prepared.sizes) == 1520


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes among files")
def test_a_pipe_of_a_long_recording_is_read_once_and_decoded_twice():
    content = encode(np.tile(make_speech_like(10.0), 7))
    reading, writing = os.pipe()

    def write():
        with os.fdopen(writing, "wb") as file:
            file.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    recording = read_recording(f"/dev/fd/{reading}")
    thread.join()
    os.close(reading)
    assert recording.waveform is None
    assert sum(map(len, recording.decode())) == 70 * 16000


def test_issues_come_with_the_recording():
    recording = read_recording((make_speech_like(3.0, 8000), 8000))
    assert [issue.kind for issue in recording.issues] == ["narrow_band"]
