import dataclasses

import numpy as np
import pandas as pd
import pytest

from seqcap import Failure, Recognizer
from seqcap.errors import AudioWarning
from seqcap.recognition.combination import Combination
from seqcap.recognition.prior_correction import adjust_logits, estimate_log_prior_shift
from seqcap.scoring.balanced_prior import balance_prior

EMOTIONS = ["anger", "happiness", "sadness"]


def make_biased(count, generator, bias=(1.5, 0.0, -0.5)):
    """Truth and answers about a speaker who sounds angrier than they are."""
    truth = np.arange(count) % 3
    logits = generator.standard_normal((count, 3)) + 2 * np.eye(3)[truth] + bias
    powers = np.exp(logits)
    return truth, powers / powers.sum(1, keepdims=True)


def recall(truth, answers):
    return np.mean([(answers.argmax(1)[truth == k] == k).mean() for k in range(3)])


def test_frequent_answers_are_corrected_by_a_share():
    truth, answers = make_biased(3000, np.random.default_rng(0))
    assert answers.mean(0)[0] > 0.5
    means = [
        adjust_logits(answers, estimate_log_prior_shift(answers, share)).mean(0)
        for share in (0, 0.5, 1)
    ]
    np.testing.assert_allclose(means[0], answers.mean(0))
    assert 1 / 3 < means[1][0] < means[0][0]
    np.testing.assert_allclose(means[2], 1 / 3, atol=0.002)  # eight recordings' worth of doubt
    corrected = adjust_logits(answers, estimate_log_prior_shift(answers))
    np.testing.assert_allclose(corrected.sum(1), 1)
    assert recall(truth, corrected) > recall(truth, answers) + 0.03


def test_the_correction_shrinks_with_few_recordings():
    _, answers = make_biased(48, np.random.default_rng(1))
    same = np.repeat(answers.mean(0)[None], 48, 0)  # all recordings say what many do
    sizes = [np.abs(estimate_log_prior_shift(same[:count])).max() for count in (1, 4, 16, 48)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == pytest.approx(sizes[0] * 9 * 48 / 56)
    np.testing.assert_array_equal(estimate_log_prior_shift(np.empty((0, 3))), 0)
    silent = np.full((9, 3), 1 / 3)
    np.testing.assert_array_equal(estimate_log_prior_shift(silent), 0)
    np.testing.assert_array_equal(
        estimate_log_prior_shift([*silent, *same]), estimate_log_prior_shift(same)
    )
    np.testing.assert_array_equal(adjust_logits(silent, [1, -1, 0]), silent)


def test_offsets_are_found_even_where_an_emotion_is_never_answered():
    sure = np.repeat([[1.0, 0.0, 0.0]], 20, axis=0)
    log_prior_shift = estimate_log_prior_shift(sure)
    assert np.isfinite(log_prior_shift).all()
    assert log_prior_shift.sum() == pytest.approx(0, abs=1e-9)


def test_each_speaker_is_corrected_by_their_own_rows_and_the_nameless_are_not():
    generator = np.random.default_rng(2)
    parts = []
    silent = pd.DataFrame([[1 / 3] * 3], columns=EMOTIONS)
    parts.append(silent.assign(speaker="b", predicted="uncertain"))
    for speaker, bias in (("a", (2, 0, 0)), (" A ", (2, 0, 0)), ("b", (0, 0, 2)), ("", (2, 0, 0))):
        _, answers = make_biased(30, generator, bias)
        part = pd.DataFrame(answers, columns=EMOTIONS)
        parts.append(part.assign(speaker=speaker, predicted=part.idxmax(axis=1)))
    table = pd.concat(parts)  # indices stand several times
    corrected = balance_prior(table, EMOTIONS)
    assert list(corrected.columns) == list(table.columns)
    own = table["speaker"].isin(["a", " A "]).to_numpy()  # one person
    expected = table[EMOTIONS].to_numpy()
    np.testing.assert_allclose(
        corrected[EMOTIONS].to_numpy()[own],
        adjust_logits(expected[own], estimate_log_prior_shift(expected[own])),
    )
    nameless = (table["speaker"] == "").to_numpy()
    pd.testing.assert_frame_equal(corrected[nameless], table[nameless])
    pd.testing.assert_frame_equal(corrected[:1], table[:1])
    assert (corrected["predicted"] == corrected[EMOTIONS].idxmax(axis=1))[1:].all()
    assert (corrected["predicted"] != table["predicted"]).any()


def test_one_speakers_answers_are_corrected_by_themselves(model_folder, samples):
    recognizer = Recognizer.from_pretrained(model_folder, device="cpu")
    before = list(recognizer.recognize_many(samples, timeline=True))
    rows = pd.DataFrame([answer.probabilities for answer in before])
    expected = balance_prior(rows.assign(speaker="a", predicted=""), recognizer.emotions)
    sources = [*samples, b""]  # what cannot be read changes nothing
    *after, failure = recognizer.recognize_speaker(sources, balanced_prior=True, timeline=True)
    assert isinstance(failure, Failure)
    for place, answer in enumerate(after):
        wanted = expected.iloc[place]
        assert answer.probabilities == pytest.approx(
            {emotion: wanted[emotion] for emotion in recognizer.emotions}, abs=1e-5
        )
        assert answer.predicted == wanted["predicted"]
        assert answer.timeline[0].probabilities != before[place].timeline[0].probabilities
    assert after[0].confidence != pytest.approx(before[0].confidence, abs=1e-4)
    assert list(recognizer.recognize_speaker([], balanced_prior=True)) == []
    (bad,) = recognizer.recognize_speaker([b""], balanced_prior=True)
    assert isinstance(bad, Failure)


@pytest.mark.slow
def test_an_average_is_corrected_by_its_own_answers(model_folder, samples):
    alone = Recognizer.from_pretrained(model_folder, device="cpu")
    other = dataclasses.replace(alone.checkpoint, temperature=0.2)
    pair = Combination([alone, Recognizer(other, "cpu")])
    rows = [answer.probabilities for answer in pair.recognize_many(samples)]
    expected = balance_prior(pd.DataFrame(rows).assign(speaker="a", predicted=""), alone.emotions)
    for place, answer in enumerate(pair.recognize_speaker(samples, balanced_prior=True)):
        wanted = expected.iloc[place][list(alone.emotions)].to_dict()
        assert answer.probabilities == pytest.approx(wanted, abs=1e-5)


def test_silence_is_warned_of_once_and_stays_uncertain(model_folder, samples):
    recognizer = Recognizer.from_pretrained(model_folder, device="cpu")
    sources = [*samples, (np.zeros(16000, np.float32), 16000)]
    with pytest.warns(AudioWarning, match="silence") as warned:
        *_, silent = recognizer.recognize_speaker(sources, balanced_prior=True)
    assert len(warned) == 1
    assert silent.predicted == "uncertain"
    assert set(silent.probabilities.values()) == {0.25}
