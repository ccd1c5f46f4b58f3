import dataclasses

import pytest

from seqcap import Recognizer
from seqcap.errors import CheckpointError, SettingsError
from seqcap.models.systems import build
from seqcap.recognition.checkpoint import load_checkpoint, save_checkpoint
from seqcap.recognition.combination import Combination


@pytest.fixture(scope="module")
def recognizers(model_folder, tmp_path_factory):
    checkpoint = load_checkpoint(model_folder)
    other = dataclasses.replace(
        checkpoint, system=build("CNN_GRU", 4, seed=1).eval(), system_name="CNN_GRU"
    )
    folder = tmp_path_factory.mktemp("gru") / "model"
    save_checkpoint(other, folder)
    return [Recognizer.from_pretrained(each, device="cpu") for each in (model_folder, folder)]


def test_probabilities_are_averaged_for_the_whole_and_for_each_piece(recognizers, samples):
    combined = Combination(recognizers).recognize(samples[0])
    alone = [recognizer.recognize(samples[0]) for recognizer in recognizers]
    for answer, parts in [
        (combined, alone),
        (combined.timeline[0], [one.timeline[0] for one in alone]),
    ]:
        for emotion, probability in answer.probabilities.items():
            expected = sum(part.probabilities[emotion] for part in parts) / 2
            assert probability == pytest.approx(expected, abs=1e-6)
        assert answer.predicted == max(answer.probabilities, key=answer.probabilities.get)


def test_many_recordings_and_failures_keep_their_places(recognizers, samples):
    combination = Combination(recognizers)
    first, failure, last = combination.recognize_many([samples[0], b"", samples[1]])
    assert failure.reason
    for answer, path in ((first, samples[0]), (last, samples[1])):
        expected = combination.recognize(path, timeline=False).probabilities
        assert answer.probabilities == pytest.approx(expected, abs=1e-5)


def test_all_of_them_adapt_to_a_speaker(recognizers, samples):
    adapting = [
        Recognizer(
            dataclasses.replace(
                one.checkpoint,
                normalisation=one.checkpoint.normalisation.changed(speaker_mean_norm=1.0),
            )
        )
        for one in recognizers
    ]
    adapted, *_ = Combination(adapting).recognize_speaker(samples[:3])
    alone = [one.adapt_to_speaker(samples[:3]).recognize(samples[0]) for one in adapting]
    for emotion, probability in adapted.probabilities.items():
        expected = sum(one.probabilities[emotion] for one in alone) / 2
        assert probability == pytest.approx(expected, abs=1e-6)


def test_models_that_do_not_adapt_answer_as_ever_beside_those_that_do(samples):
    each = [Recognizer.from_pretrained(name) for name in ("-", "adaptive")]
    adapted, *_ = Combination(each).recognize_speaker(samples[:3])
    alone = [each[0].recognize(samples[0]), next(each[1].recognize_speaker(samples[:3]))]
    for emotion, probability in adapted.probabilities.items():
        mean = (alone[0].probabilities[emotion] + alone[1].probabilities[emotion]) / 2
        assert probability == pytest.approx(mean, abs=1e-5)
    with pytest.raises(SettingsError, match="was not trained to adapt"):
        list(Combination(each[:1] * 2).recognize_speaker(samples[:3], adapt=True))


def test_an_average_can_be_uncertain(recognizers, samples):
    assert (
        Combination(recognizers, abstain_below=1.0).recognize(samples[0]).predicted == "uncertain"
    )


def test_models_of_other_emotions_are_refused(recognizers):
    other = Recognizer(dataclasses.replace(recognizers[0].checkpoint, emotions=tuple("abcd")))
    with pytest.raises(CheckpointError, match="only models of the same emotions"):
        Combination([recognizers[0], other])
