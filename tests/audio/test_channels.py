import numpy as np
import pytest
from sounds import encode, make_speech_like

from seqcap.audio.channels import mean_of_channels
from seqcap.audio.issues import IssueKind
from seqcap.audio.waveform import load_waveform
from seqcap.errors import AudioError, AudioWarning

LEFT, RIGHT = make_speech_like(seed=1), make_speech_like(seed=2)
BOTH = np.stack((LEFT, RIGHT), axis=1)


@pytest.mark.parametrize(
    ("channel", "expected"),
    [("left", LEFT), ("right", RIGHT), (1, LEFT), ("2", RIGHT), ("mix", (LEFT + RIGHT) / 2)],
)
def test_a_channel_is_chosen_by_name_or_number(channel, expected):
    for source in ((BOTH, 16000), encode(BOTH, subtype="FLOAT")):
        np.testing.assert_allclose(load_waveform(source, channel=channel), expected, atol=1e-7)


@pytest.mark.parametrize("channel", [0, -1, "centre", "1.5", ""])
def test_an_invalid_channel_is_refused(channel):
    with pytest.raises(AudioError, match="mix, left, right or a number from 1 on is expected"):
        load_waveform((BOTH, 16000), channel=channel)


def test_an_absent_channel_is_refused():
    with pytest.raises(AudioError, match="channel 2 was requested; it has 1"):
        load_waveform((LEFT, 16000), channel="right")


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_channels_that_cancel_give_the_loudest_and_a_warning(delay):
    voice = np.convolve(LEFT, np.ones(16) / 4, "same").astype(np.float32)  # little above 1 kHz
    opposite = np.stack((0.8 * voice, -np.roll(voice, delay)), axis=1)
    with pytest.warns(AudioWarning, match="cancel out in their mean; channel 2, the loudest, is"):
        waveform = load_waveform((opposite, 16000))
    np.testing.assert_array_equal(waveform, opposite[:, 1])


@pytest.mark.parametrize(
    "frames",
    [
        BOTH,
        np.stack((LEFT, LEFT), axis=1),
        np.stack((LEFT, np.zeros_like(LEFT)), axis=1),
        np.stack((LEFT, *[np.zeros_like(LEFT)] * 5), axis=1),
        np.stack((LEFT, np.roll(LEFT, 7)), axis=1),
    ],
)
def test_channels_that_do_not_cancel_are_averaged_without_a_warning(frames):
    waveform = load_waveform((frames, 16000))
    np.testing.assert_allclose(waveform, mean_of_channels(frames), atol=1e-7)


def test_a_chosen_channel_has_no_warning_of_cancelling():
    issues = []
    load_waveform((np.stack((LEFT, -LEFT), axis=1), 16000), channel="left", issues=issues)
    assert IssueKind.CHANNELS_CANCEL not in {issue.kind for issue in issues}
