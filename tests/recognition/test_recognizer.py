import dataclasses
import io
import itertools

import numpy as np
import pytest
import soundfile

from seqcap import Answer, Failure, Recognizer
from seqcap.errors import AudioError, AudioWarning, CheckpointError, SettingsError


@pytest.fixture(scope="module")
def recognizer(model_folder):
    return Recognizer.from_pretrained(model_folder, device="cpu")


@pytest.fixture(scope="module")
def alone(recognizer, samples):
    """What each sample gets when nothing stands beside it."""
    return [recognizer.recognize(path) for path in samples]


def assert_same(answer, expected):
    assert (answer.start, answer.end) == (expected.start, expected.end)
    assert answer.predicted == expected.predicted
    assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-5)


def make_noise(duration_s, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-0.5, 0.5, round(16000 * duration_s)).astype(np.float32)


def test_probabilities_are_in_the_models_order_and_sum_to_one(recognizer, alone):
    for answer in alone:
        assert tuple(answer.probabilities) == recognizer.emotions
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-6)
        assert answer.probabilities[answer.predicted] == answer.confidence


def test_recordings_get_different_answers(alone):
    assert np.ptp([answer.confidence for answer in alone]) > 0.01


def test_every_door_gives_the_same_answer(recognizer, samples, alone):
    path, expected = samples[0], alone[0]
    content = path.read_bytes()
    sound = soundfile.read(path, dtype="float32")
    doors = {
        str(path): str(path),
        "<bytes>": content,
        "<file object>": io.BytesIO(content),
        "<array>": sound,
    }
    for name, source in doors.items():
        answer = recognizer.recognize(source)
        assert answer.file == name
        assert_same(answer, expected)
    with path.open("rb") as file:
        assert_same(recognizer.recognize(file), expected)


@pytest.mark.parametrize("seed", [0, 1])
def test_neighbours_and_their_order_change_nothing(recognizer, samples, alone, seed):
    order = np.random.default_rng(seed).permutation(len(samples))
    answers = list(recognizer.recognize_many([samples[i] for i in order], timeline=True))
    for i, answer in zip(order, answers, strict=True):
        assert answer.file == str(samples[i])
        assert_same(answer, alone[i])
        assert len(answer.timeline) == len(alone[i].timeline)
        for piece, expected in zip(answer.timeline, alone[i].timeline, strict=True):
            assert_same(piece, expected)


@pytest.mark.parametrize("duration_s", [0.04, 0.05, 0.1, 0.39, 0.41, 1.0, 2.01])
def test_any_length_from_40_ms_is_recognised_and_beside_others_too(recognizer, duration_s):
    short, other = (make_noise(duration_s), 16000), (make_noise(3.0, seed=1), 16000)
    expected = recognizer.recognize(short)
    assert expected.end == pytest.approx(duration_s, abs=5e-4)
    assert np.isfinite(list(expected.probabilities.values())).all()
    assert_same(list(recognizer.recognize_many([other, short]))[1], expected)


def test_a_timeline_has_a_piece_for_every_two_seconds(recognizer):
    answer = recognizer.recognize((make_noise(5.3), 16000), start_s=0.1)
    bounds = [(piece.start, piece.end) for piece in answer.timeline]
    assert bounds == [(0.1, 2.1), (2.1, 4.1), (4.1, 5.3)]
    assert (answer.start, answer.end) == (0.1, 5.3)
    assert all(piece.timeline == () for piece in answer.timeline)


def test_a_piece_is_recognised_as_if_it_were_a_recording(recognizer):
    noise = make_noise(4.0)
    answer = recognizer.recognize((noise, 16000))
    # The last 30 ms of a piece's frames reach into the next piece.
    alone = recognizer.recognize((noise[:32000], 16000))
    assert answer.timeline[0].probabilities == pytest.approx(alone.probabilities, abs=0.05)
    alone = recognizer.recognize((noise[32000:], 16000))
    assert answer.timeline[1].probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_a_recording_of_one_piece_is_that_piece(recognizer):
    answer = recognizer.recognize((make_noise(2.3), 16000))
    assert answer.timeline[0].probabilities == answer.probabilities
    assert recognizer.recognize((make_noise(2.3), 16000), timeline=False).timeline == ()


def test_a_part_is_that_part_of_the_recording(recognizer):
    noise = make_noise(3.0)
    part = recognizer.recognize((noise, 16000), start_s=0.5, end_s=2.0)
    cut = recognizer.recognize((noise[8000:32000], 16000))
    assert (part.start, part.end) == (0.5, 2.0)
    assert part.probabilities == pytest.approx(cut.probabilities, abs=1e-6)


@pytest.mark.slow
def test_a_known_speaker_has_the_mean_spectrum_of_all(recognizer, samples):
    checkpoint = recognizer.checkpoint
    adapting = Recognizer(
        dataclasses.replace(
            checkpoint,
            normalisation=checkpoint.normalisation.changed(speaker_mean_norm=1.0),
        )
    )
    loud = [(make_noise(seconds, seed=7), 16000) for seconds in (65, 5)]
    quiet = [(waveform / 9, rate) for waveform, rate in loud]
    known = [
        list(adapting.adapt_to_speaker([*recordings, b""]).recognize_many(recordings))
        for recordings in (quiet, loud)
    ]
    for one, other in zip(*known, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.05)
    unknown_speakers = [next(adapting.recognize_many(recordings)) for recordings in (quiet, loud)]
    moved = [
        max(abs(one.probabilities[e] - other.probabilities[e]) for e in adapting.emotions)
        for one, other in (unknown_speakers, (known[0][0], known[1][0]))
    ]
    assert moved[0] > 3 * moved[1]
    assert adapting.adapt_to_speaker([]).recognize(samples[0]) == recognizer.recognize(samples[0])


def test_a_system_that_does_not_adapt_says_so(recognizer, samples):
    assert not recognizer.is_speaker_adaptive
    with pytest.raises(SettingsError, match="random was not trained to adapt to a speaker"):
        recognizer.adapt_to_speaker(samples)


def test_an_answer_below_the_threshold_is_uncertain(model_folder, samples, alone):
    threshold = sorted(answer.confidence for answer in alone)[len(alone) // 2]
    careful = Recognizer.from_pretrained(model_folder, abstain_below=threshold)
    for answer, expected in zip(careful.recognize_many(samples), alone, strict=True):
        unsure = expected.confidence < threshold - 1e-5
        sure = expected.confidence > threshold + 1e-5
        assert unsure <= (answer.predicted == "uncertain")
        assert sure <= (answer.predicted == expected.predicted)
        assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-5)


def test_a_bad_recording_is_named_in_its_place(recognizer, samples, tmp_path):
    letter = tmp_path / "letter.wav"
    letter.write_text("hello")
    results = list(recognizer.recognize_many([samples[0], letter, b"", samples[1]]))
    assert [type(result) for result in results] == [Answer, Failure, Failure, Answer]
    assert results[1].file == str(letter)
    assert results[1].reason.startswith(f"{letter}: not a sound file")
    assert results[2].reason.startswith("<bytes>: empty (0 bytes)")
    assert results[3].file == str(samples[1])


def test_a_bad_recording_alone_is_an_error(recognizer):
    with pytest.raises(AudioError, match=r"^call\.wav: 0\.03 s of audio; at least 0\.04 s"):
        recognizer.recognize((make_noise(0.039), 16000), name="call.wav")


@pytest.mark.parametrize("seconds", [1, 61])  # held, and read block by block
def test_silence_is_uncertain_and_a_warning(recognizer, seconds):
    silence = (np.zeros(seconds * 16000, np.float32), 16000)
    with pytest.warns(AudioWarning, match="digital silence"):
        answer = recognizer.recognize(silence)
    for one in (answer, *answer.timeline):
        assert one.predicted == "uncertain"
        assert set(one.probabilities.values()) == {0.25}


def test_a_silent_piece_is_uncertain(recognizer):
    sound = np.concatenate((make_noise(2.0), np.zeros(64000, np.float32), make_noise(2.0)))
    timeline = recognizer.recognize((sound, 16000)).timeline
    silent = [piece.predicted == "uncertain" for piece in timeline]
    assert silent == [False, True, True, False]


def test_sources_are_read_as_answers_are_taken(recognizer):
    taken = itertools.count()
    endless = ((make_noise(0.1, seed=next(taken) % 3), 16000) for _ in itertools.repeat(None))
    answers = recognizer.recognize_many(endless)
    for _ in range(3):
        next(answers)
    answers.close()
    assert next(taken) <= (recognizer.worker_count + 3) * 64


def test_no_sources_no_answers(recognizer):
    assert list(recognizer.recognize_many([])) == []


def test_an_error_of_the_iterator_of_sources_is_raised(recognizer):
    def broken():
        yield (make_noise(0.1), 16000)
        raise OSError("the list ends here")

    with pytest.raises(OSError, match="the list ends here"):
        list(recognizer.recognize_many(broken()))


def test_an_absent_device_is_refused(model_folder):
    with pytest.raises(SettingsError, match=r"^device 'abacus' cannot be used \(.*'cpu' always"):
        Recognizer.from_pretrained(model_folder, device="abacus")


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(model_folder, threshold):
    with pytest.raises(SettingsError, match=r"a probability is expected, 0 to 1$"):
        Recognizer.from_pretrained(model_folder, abstain_below=threshold)


def test_an_absent_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"no model here; a folder with model\.json"):
        Recognizer.from_pretrained(tmp_path)


@pytest.mark.slow
def test_a_long_recording_is_answered_in_blocks_as_if_it_were_whole(recognizer):
    noise = make_noise(70.3)
    answer = recognizer.recognize((noise, 16000))
    spectrogram = recognizer.checkpoint.normalisation.spectrogram(noise)
    whole = recognizer.probabilities([spectrogram])[0]
    assert list(answer.probabilities.values()) == pytest.approx(whole.tolist(), abs=1e-5)
    assert [(piece.start, piece.end) for piece in answer.timeline[-2:]] == [(66, 68), (68, 70.3)]
    piece = recognizer.probabilities([spectrogram[6600:6800]])[0]
    assert list(answer.timeline[33].probabilities.values()) == pytest.approx(
        piece.tolist(), abs=1e-5
    )


def test_long_and_short_recordings_keep_their_places(recognizer):
    short, long = make_noise(0.5), make_noise(61)
    answers = list(recognizer.recognize_many([(x, 16000) for x in (short, long, short)]))
    assert [answer.end for answer in answers] == [0.5, 61, 0.5]
    assert answers[0] == answers[2]
