import numpy as np
import pytest
import soxr
from sounds import encode, make_speech_like

from seqcap.audio.issues import IssueKind
from seqcap.audio.waveform import load_waveform, waveform_blocks

SOUND = make_speech_like(3.0)


def kinds_of(source, **options):
    issues = []
    load_waveform(source, issues=issues, **options)
    return {issue.kind for issue in issues}


def test_clean_speech_has_no_issue():
    assert kinds_of((SOUND, 16000)) == set()


@pytest.mark.parametrize(
    ("samples", "kind"),
    [
        (np.zeros(16000, np.float32), IssueKind.SILENCE),
        (np.clip(30 * SOUND, -1, 1), IssueKind.CLIPPED),
        (SOUND + np.float32(0.02), IssueKind.CONSTANT_OFFSET),
        (SOUND[:6000], IssueKind.SHORT),
        (SOUND + 0.1 * np.random.default_rng(1).normal(size=48000), IssueKind.NOISY),
        (soxr.resample(soxr.resample(SOUND, 16000, 8000), 8000, 16000), IssueKind.NARROW_BAND),
    ],
)
def test_each_issue_is_found_alone(samples, kind):
    assert kinds_of((samples.astype(np.float32), 16000)) == {kind}


def test_a_rate_of_8_khz_is_a_narrow_band():
    assert kinds_of((make_speech_like(3.0, 8000), 8000)) == {IssueKind.NARROW_BAND}


def test_issues_name_the_recording_and_come_with_the_last_block():
    issues = []
    blocks = waveform_blocks(encode(SOUND + 0.05), 1.0, name="the call", issues=issues)
    for _ in range(2):
        next(blocks)
    assert issues == []
    next(blocks)
    assert [issue.kind for issue in issues] == ["constant_offset"]
    assert issues[0].text == "the call: a constant offset of 0.05; check the recorder"


def test_issues_of_long_recordings_are_those_of_the_whole():
    long = np.concatenate((np.zeros(16000 * 40, np.float32), SOUND))
    assert kinds_of((long, 16000)) == set()


def test_minor_issues_raise_no_warning():
    load_waveform((SOUND[:6000] + np.float32(0.05), 16000))  # a warning would fail the test
