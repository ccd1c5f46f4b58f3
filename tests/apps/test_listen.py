import io
import json
import sys

import numpy as np
import pytest
import soundfile

from seqcap import Recognizer
from seqcap.recognition.stream import Event


@pytest.fixture
def listen(seqcap, model_folder, monkeypatch):
    def run(content, *arguments):
        standard_input = io.TextIOWrapper(io.BytesIO(content))
        monkeypatch.setattr(sys, "stdin", standard_input)
        return seqcap("listen", "-", *arguments, "--model", model_folder)

    return run


def assert_rows(text, expected):
    rows = [json.loads(line) for line in text.splitlines()]
    for row, each in zip(rows, expected, strict=True):
        if isinstance(each, Event):
            assert (row["event"], row["at"]) == (each.kind, each.at_s)
            assert row.get("emotion", "") == each.emotion
        else:
            assert (row["file"], row["start"], row["end"]) == ("<stdin>", each.start, each.end)
            assert row["predicted"] == each.predicted
            for emotion, probability in each.probabilities.items():
                assert row[emotion] == pytest.approx(probability, abs=1e-5)


def test_a_wav_file_that_flows_in_is_answered_as_its_stream(listen, samples, model_folder):
    run = listen(samples[1].read_bytes(), "--format", "jsonl", "--horizon", 2, "--refresh", 1)
    waveform, rate = soundfile.read(samples[1], dtype="int16")
    stream = Recognizer.from_pretrained(model_folder).stream(rate, horizon_s=2, refresh_s=1)
    assert (run.status, run.err) == (0, "")
    assert_rows(run.out, stream.push(waveform) + stream.finish())


def test_raw_samples_are_described_by_options(listen, samples, model_folder):
    waveform, rate = soundfile.read(samples[0], dtype="float32")
    stereo = np.stack((waveform, waveform / 2), 1)
    run = listen(
        stereo.tobytes(),
        *("--format", "jsonl", "--rate", rate, "--channels", 2, "--samples", "f32le", "--running"),
    )
    stream = Recognizer.from_pretrained(model_folder).stream(rate, channel_count=2, horizon_s=None)
    assert_rows(run.out, stream.push(stereo) + stream.finish())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"ID3\4" + bytes(4000), "a compressed or other file"),
        (b"OggS" + bytes(4000), "a compressed or other file"),
        (b"", "ended before 0.04 s of sound came"),
        (bytes(100), "ended before 0.04 s of sound came"),
    ],
)
def test_what_is_no_live_sound_is_refused(listen, content, reason):
    run = listen(content)
    assert (run.status, run.out) == (2, "")
    assert f"<stdin>: {reason}" in run.err


def test_a_terminal_gets_a_line_for_each_answer(listen, samples):
    run = listen(samples[0].read_bytes())
    assert "0.00 to 0.50 s" in run.out
    assert "speech start" in run.out


def test_a_model_that_needs_whole_recordings_has_no_running_answer(seqcap, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(100))))
    run = seqcap("listen", "-", "--running")
    assert run.status == 2
    assert "needs whole recordings" in run.err


def test_a_recording_is_not_live_sound(seqcap):
    run = seqcap("listen", "speech.wav")
    assert run.status == 2
    assert "for a recording: seqcap predict speech.wav" in run.err


def test_a_missing_library_is_named(seqcap, monkeypatch):
    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    run = seqcap("listen")
    assert run.status == 2
    assert "the library PortAudio (PortAudio library not found)" in run.err
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    run = seqcap("listen")
    assert run.status == 2
    assert "the package sounddevice; pip install 'seqcap[listen]'" in run.err


def test_channels_that_cancel_are_warned_of_once(listen, samples):
    waveform, rate = soundfile.read(samples[0], dtype="float32")
    opposed = np.stack((waveform, -0.9 * waveform), 1).tobytes()
    options = ("--rate", rate, "--channels", 2, "--samples", "f32le")
    for running in ((), ("--running",)):
        run = listen(opposed, *options, *running)
        assert run.out.count("warning: its channels cancel out in their mean; channel 1, the") == 1
