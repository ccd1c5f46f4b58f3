import dataclasses
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr

from seqcap import Answer, Recognizer
from seqcap.audio.high_pass import HighPass
from seqcap.audio.live_speech import LiveSpeech, LiveSpeechDetector
from seqcap.errors import AudioError, SettingsError
from seqcap.models.systems import SYSTEMS, build
from seqcap.recognition.answers import NO_SPEECH
from seqcap.recognition.checkpoint import save_checkpoint
from seqcap.recognition.export import export_model
from seqcap.recognition.running import STREAMING_SYSTEMS
from seqcap.recognition.stream import EMOTION, SPEECH_END, SPEECH_START, Event

STREAMING = [name for name, spec in SYSTEMS.items() if spec.streams]


@pytest.fixture(scope="module")
def recognizer(model_folder):
    return Recognizer.from_pretrained(model_folder, device="cpu")


@pytest.fixture(scope="module")
def speech(samples):
    return np.concatenate([soundfile.read(path, dtype="float32")[0] for path in samples[:4]])


def of_system(recognizer, name):
    checkpoint = recognizer.checkpoint
    system = build(name, len(checkpoint.emotions), seed=0).eval()
    return Recognizer(
        dataclasses.replace(checkpoint, system=system, system_name=name), device="cpu"
    )


def answers_of(stream, waveform, sizes):
    found, start = [], 0
    while start < len(waveform):
        size = next(sizes)
        found += stream.push(waveform[start : start + size])
        start += size
    return found + stream.finish()


def answers_in(found):
    return [each for each in found if isinstance(each, Answer)]


def endless(*sizes):
    while True:
        yield from sizes


def close(probabilities, difference):
    return pytest.approx(list(probabilities.values()), abs=difference)


def test_each_answer_is_that_of_the_last_seconds(recognizer, speech):
    stream = recognizer.stream(horizon_s=2.0, refresh_s=0.5)
    answers = answers_in(answers_of(stream, speech[:64000], endless(1600)))
    assert [answer.end for answer in answers[:5]] == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert answers[4].start == 0.5
    for answer in answers:
        cut = speech[round(answer.start * 16000) : round(answer.end * 16000)]
        expected = recognizer.recognize((cut, 16000), timeline=False)
        assert list(answer.probabilities.values()) == close(expected.probabilities, 1e-3)
        assert answer.file == "<stream>"
    # Bit for bit where rounding of times cuts at the same sample.
    assert answers[0].probabilities == recognizer.recognize((speech[:8000], 16000)).probabilities


@pytest.mark.parametrize("sizes", [(7,), (4321, 0, 50), (10**6,)])
def test_the_size_of_pieces_changes_nothing(recognizer, speech, sizes):
    short = speech[:20000]
    expected = answers_of(recognizer.stream(horizon_s=1.0), short, endless(1600))
    assert answers_of(recognizer.stream(horizon_s=1.0), short, endless(*sizes)) == expected


@pytest.fixture(
    params=[
        pytest.param(name, marks=() if name == "CNN_RecCap" else pytest.mark.slow)
        for name in (*STREAMING, "CNN_RecCap by onnxruntime")
    ]
)
def running(recognizer, request, tmp_path):
    """A recognizer of each system that goes forward only."""
    name, _, by_onnxruntime = request.param.partition(" ")
    made = of_system(recognizer, name)
    if not by_onnxruntime:
        return made
    save_checkpoint(made.checkpoint, tmp_path / "model")
    export_model(tmp_path / "model", tmp_path / "exported", half_weights=False)
    return Recognizer.from_pretrained(tmp_path / "exported", engine="onnx")


def test_a_running_answer_is_that_of_all_so_far(running, speech):
    generator = np.random.default_rng(0)
    stream = running.stream(horizon_s=None, refresh_s=100)
    done = 0
    for size in [300, 340, 1, 159, *generator.integers(50, 4321, 20)]:
        stream.push(speech[done : done + size])
        done += size
        answer = stream.answer()
        if done < 640:
            assert answer is None
            continue
        expected = running.recognize((speech[:done], 16000), timeline=False)
        assert list(answer.probabilities.values()) == close(expected.probabilities, 1e-5)
        assert (answer.end, answer.predicted) == (expected.end, expected.predicted)


@pytest.fixture(scope="module")
def of_speech(recognizer):
    checkpoint = of_system(recognizer, "CNN_SeqCap").checkpoint
    normalisation = checkpoint.normalisation.changed(speech_only=True, high_pass_hz=20.0)
    return Recognizer(dataclasses.replace(checkpoint, normalisation=normalisation), device="cpu")


def test_a_running_answer_is_that_of_the_speech_so_far(of_speech, speech):
    noise = np.random.default_rng(0).normal(0, 1e-3, 20000).astype(np.float32)
    whole = np.concatenate((noise, speech[:30000], noise, speech[30000:60000], noise))
    stream = of_speech.stream(horizon_s=None, refresh_s=100)
    as_it_is = of_speech.checkpoint.normalisation.changed(speech_only=False, high_pass_hz=0.0)
    checkpoint = dataclasses.replace(of_speech.checkpoint, normalisation=as_it_is)
    of_sound = Recognizer(checkpoint, device="cpu")
    live, high_pass, joined = LiveSpeech(LiveSpeechDetector()), HighPass(20.0), []
    predicted = []
    for start in range(0, len(whole), 5000):
        piece = whole[start : start + 5000]
        stream.push(piece)
        joined.append(live.push(piece, high_pass(piece))[0])
        spoken = np.concatenate(joined)
        answer = stream.answer()
        predicted.append(answer.predicted)
        if len(spoken):
            expected = of_sound.recognize((spoken, 16000), timeline=False)
            assert list(answer.probabilities.values()) == close(expected.probabilities, 1e-5)
        else:
            assert answer.predicted == NO_SPEECH
    assert predicted[:3] == [NO_SPEECH] * 3
    assert 40000 < len(spoken) < len(whole) - 30000
    assert predicted[-1] == of_speech.recognize((whole, 16000)).predicted


@pytest.fixture(scope="module")
def levelled(of_speech):
    normalisation = of_speech.checkpoint.normalisation.changed(target_rms=0.0018)
    checkpoint = dataclasses.replace(of_speech.checkpoint, normalisation=normalisation)
    return Recognizer(checkpoint, device="cpu")


def last_of(recognizer, waveform, *sizes):
    found = answers_of(recognizer.stream(horizon_s=None, refresh_s=100), waveform, endless(*sizes))
    return list(answers_in(found)[-1].probabilities.values())


def test_a_running_answer_hears_soft_speech_at_its_level(levelled, speech):
    loud, soft = (last_of(levelled, speech * gain, 1600) for gain in np.float32([1, 0.03]))
    whole = levelled.recognize((speech, 16000), timeline=False)
    assert loud == close(whole.probabilities, 0.05)
    assert loud == pytest.approx(soft, abs=0.02)  # the detector hears them alike
    kept = levelled.checkpoint.normalisation.changed(target_rms=0.0)
    unlevelled = Recognizer(dataclasses.replace(levelled.checkpoint, normalisation=kept))
    assert last_of(unlevelled, speech, 1600) != pytest.approx(loud, abs=0.02)


def test_the_size_of_pieces_changes_no_level(levelled, speech):
    expected = last_of(levelled, speech, 1600)
    assert last_of(levelled, speech, 10**6) == pytest.approx(expected, abs=1e-6)
    stream = levelled.stream(horizon_s=None, refresh_s=0.05)  # answers in between measure early
    assert list(
        answers_in(answers_of(stream, speech, endless(1600)))[-1].probabilities.values()
    ) == pytest.approx(expected, abs=1e-6)


def test_a_running_answer_to_noise_is_no_speech(of_speech):
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, 32000).astype(np.float32)
    found = answers_of(of_speech.stream(horizon_s=None), noise, endless(1600))
    assert {answer.predicted for answer in answers_in(found)} == {NO_SPEECH}
    assert answers_in(found)[-1].to_dict()["anger"] is None


@pytest.mark.slow
def test_a_running_answer_keeps_little(running, speech):
    stream = running.stream(horizon_s=None, refresh_s=100)
    for start in range(0, 480000, 1000):
        at = start % 48000
        stream.push(speech[at : at + 1000])
    own = stream._answering._running
    kept = sum(rows.all.size for rows in own._features)
    assert 4 * kept * 120 < 10e6  # bytes: 30 s, an hour of which is 120
    assert len(own._samples) / 160 < 250
    assert len(own._powers) <= 3000


def test_systems_that_stream_are_known_without_torch():
    assert tuple(STREAMING) == STREAMING_SYSTEMS


def test_a_running_answer_to_silence_is_uncertain(recognizer, speech):
    stream = recognizer.stream(horizon_s=None)
    stream.push(np.zeros(30000, np.float32))
    assert stream.answer().predicted == "uncertain"
    stream.push(speech[:3000])
    whole = np.concatenate((np.zeros(30000, np.float32), speech[:3000]))
    expected = recognizer.recognize((whole, 16000), timeline=False)
    assert list(stream.answer().probabilities.values()) == close(expected.probabilities, 1e-5)


@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_other_rates_and_channels_answer_as_their_recording(recognizer, rate_hz):
    generator = np.random.default_rng(1)
    stereo = generator.uniform(-0.3, 0.3, (2 * rate_hz, 2)).astype(np.float32)
    stream = recognizer.stream(rate_hz, channel_count=2, horizon_s=None, refresh_s=0.5)
    answers = answers_in(answers_of(stream, stereo, endless(777)))
    expected = recognizer.recognize((stereo, rate_hz), timeline=False)
    assert answers[-1].end == expected.end == 2.0
    assert list(answers[-1].probabilities.values()) == close(expected.probabilities, 1e-5)


@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_channels_that_cancel_answer_as_in_a_recording(recognizer, speech, rate_hz):
    voice = soxr.resample(speech[:32000], 16000, rate_hz)
    opposed = np.stack((voice, -0.9 * voice), axis=1)
    stream = recognizer.stream(rate_hz, channel_count=2, horizon_s=5.0, refresh_s=1.0)
    answer = answers_in(answers_of(stream, opposed, endless(777)))[-1]
    expected = recognizer.recognize((voice, rate_hz), timeline=False)
    assert list(answer.probabilities.values()) == close(expected.probabilities, 1e-5)
    assert "channels_cancel" in [warning.kind.value for warning in answer.warnings]


def test_running_answers_take_the_loudest_channel_once_they_cancel(recognizer, speech):
    stream = recognizer.stream(channel_count=2, horizon_s=None)
    assert not answers_in(stream.push(np.stack((speech[:8000], speech[:8000]), axis=1)))[
        -1
    ].warnings
    stream = recognizer.stream(channel_count=2, horizon_s=None, refresh_s=5.0)
    found = answers_of(stream, np.stack((speech, -0.9 * speech), axis=1)[:64000], endless(777))
    answer = answers_in(found)[-1]
    known = np.concatenate((0.05 * speech[:1600], speech[1600:64000]))  # 0.1 s later
    expected = recognizer.recognize((known, 16000), timeline=False)
    assert list(answer.probabilities.values()) == close(expected.probabilities, 1e-5)
    assert [warning.kind.value for warning in answer.warnings] == ["channels_cancel"]
    assert SPEECH_START in [each.kind for each in found if isinstance(each, Event)]


def test_integers_are_scaled_as_in_a_recording(recognizer, speech):
    integers = np.round(speech[:16000] * 32767).astype(np.int16)
    (answer,) = answers_in(recognizer.stream(refresh_s=1.0).push(integers))
    expected = recognizer.recognize((integers, 16000), timeline=False)
    assert answer.probabilities == expected.probabilities


def test_events_tell_when_speech_starts_ends_and_changes(recognizer, samples):
    first, second = (soundfile.read(path, dtype="float32")[0] for path in samples[:2])
    pause = np.zeros(24000, np.float32)
    stream = recognizer.stream(refresh_s=0.5, horizon_s=1.0)
    whole = np.concatenate((pause, first, pause, second))
    found = answers_of(stream, whole, endless(500))
    events = [each for each in found if isinstance(each, Event)]
    turns = [event for event in events if event.kind != EMOTION]
    assert [turn.kind for turn in turns] == 2 * [SPEECH_START, SPEECH_END]
    starts = np.array([1.5, 3 + len(first) / 16000])
    ends = np.array([1.5 + len(first) / 16000, len(whole) / 16000])
    assert [turn.at_s for turn in turns[::2]] == pytest.approx(starts, abs=0.4)
    assert [turn.at_s for turn in turns[1::2]] == pytest.approx(ends, abs=0.4)
    told = [event.emotion for event in events if event.kind == EMOTION]
    answers = [answer.predicted for answer in answers_in(found)]
    changes = [a for a, before in zip(answers, ["", *answers], strict=False) if a != before]
    assert told == changes
    assert told[0] == "uncertain"
    assert len(told) > 1


def test_noise_is_no_speech(recognizer):
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, 32000).astype(np.float32)
    found = answers_of(recognizer.stream(), noise, endless(1600))
    assert {each.kind for each in found if isinstance(each, Event)} == {EMOTION}


def test_models_that_need_whole_recordings_are_refused_by_name(recognizer):
    with pytest.raises(SettingsError, match=r"^random needs whole recordings \(system CNN_GRU\)"):
        of_system(recognizer, "CNN_GRU").stream(horizon_s=None)
    trimmed = dataclasses.replace(
        recognizer.checkpoint, normalisation=recognizer.checkpoint.normalisation.changed(trim_db=30)
    )
    with pytest.raises(SettingsError, match=r"\(normalisation\.trim_db 30\).*model 'stream'"):
        Recognizer(trimmed).stream(horizon_s=None)


@pytest.mark.parametrize(
    "wrong", [{"horizon_s": 0.0}, {"refresh_s": 0.0}, {"channel_count": 0}, {"horizon_s": np.nan}]
)
def test_numbers_out_of_range_are_refused(recognizer, wrong):
    with pytest.raises(SettingsError, match=r"at least .* is needed"):
        recognizer.stream(**wrong)


def test_invalid_samples_are_refused_and_the_stream_continues(recognizer, speech):
    stream = recognizer.stream()
    stream.push(speech[:4000])
    with pytest.raises(AudioError, match=r"^<stream>: samples of shape \(10, 2\)"):
        stream.push(np.zeros((10, 2), np.float32))
    with pytest.raises(AudioError, match="NaN or infinite"):
        stream.push(np.full(10, np.nan, np.float32))
    (answer,) = answers_in(stream.push(speech[4000:8000]))
    assert answer.probabilities == recognizer.recognize((speech[:8000], 16000)).probabilities
    with pytest.raises(AudioError, match="sampling rate of 10 Hz"):
        recognizer.stream(10)


@pytest.mark.slow
def test_the_last_seconds_need_no_more_memory_however_long_the_stream(recognizer, speech):
    stream = recognizer.stream(horizon_s=1.0, refresh_s=1000)
    stream.push(speech)
    tracemalloc.start()
    for _ in range(60):
        stream.push(speech[:16000])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 500_000
