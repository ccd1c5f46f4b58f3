import copy
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import tiny_experiment
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.utils import estimator_checks

from seqcap import Recognizer, SeqcapClassifier
from seqcap.errors import AudioError, SettingsError
from seqcap.recognition.checkpoint import save_checkpoint

pytestmark = pytest.mark.slow  # trainings

QUICK = ("epochs=15", "batch_size=8", "ema_decay=0", "segment_s=0.3", "threads=1")


def quick(**parameters: Any) -> SeqcapClassifier:
    return SeqcapClassifier(**{"overrides": QUICK, "device": "cpu", **parameters})


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Three people, angry in low tones and sad in high ones."""
    path = tiny_experiment.write_corpus(tmp_path_factory.mktemp("tones") / "wav")
    table = pd.read_csv(path)
    return table.assign(file=[str(path.parent / file) for file in table["file"]])


@pytest.fixture(scope="module")
def fitted(tones: pd.DataFrame) -> SeqcapClassifier:
    return quick().fit(tones["file"], tones["emotion"], groups=tones["speaker"])


# Those of scikit-learn's checks that need no training on a matrix of features.
APPLICABLE = [
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_estimators_unfitted,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_mixin_order,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_set_params,
    estimator_checks.check_valid_tag_types,
]


@pytest.mark.parametrize("check", APPLICABLE, ids=lambda check: check.__name__)
def test_checks_of_scikit_learn_pass(check: Any) -> None:
    check("SeqcapClassifier", SeqcapClassifier())


def test_it_learns_from_paths_and_answers_in_the_order_of_its_classes(
    fitted: SeqcapClassifier, tones: pd.DataFrame
) -> None:
    assert is_classifier(fitted)
    assert fitted.classes_.tolist() == ["anger", "sadness"]
    probabilities = fitted.predict_proba(tones["file"])
    assert probabilities.shape == (12, 2)
    assert probabilities.sum(1) == pytest.approx(1, abs=1e-6)
    assert fitted.predict(tones["file"]).tolist() == [
        ("anger", "sadness")[best] for best in probabilities.argmax(1)
    ]
    assert fitted.score(tones["file"], tones["emotion"]) == 1.0


def test_paths_arrays_bytes_and_an_index_get_the_same_answers(
    fitted: SeqcapClassifier, tones: pd.DataFrame
) -> None:
    files = tones["file"].tolist()
    expected = fitted.predict_proba(files)
    arrays = [soundfile.read(file, dtype="float32") for file in files]
    whole = pd.to_timedelta([0] * len(files)), pd.to_timedelta([None] * len(files))
    index = pd.MultiIndex.from_arrays([files, *whole], names=["file", "start", "end"])
    for same in (arrays, [Path(file).read_bytes() for file in files], np.array(files), index):
        assert fitted.predict_proba(same) == pytest.approx(expected, abs=1e-5)


def test_rows_of_samples_train_and_are_recognised_as_their_sampling_rate_says() -> None:
    time_s = np.arange(4000) / 8000
    generator = np.random.default_rng(0)
    pitches_hz = np.repeat([300, 2000], 6)
    rows = 0.3 * np.sin(2 * np.pi * pitches_hz[:, None] * time_s)
    rows = (rows + 0.01 * generator.standard_normal(rows.shape)).astype(np.float32)
    trained = quick(rate_hz=8000).fit(rows, pitches_hz)
    assert trained.classes_.tolist() == [300, 2000]
    assert trained.predict(rows).tolist() == pitches_hz.tolist()
    one = trained.recognizer_.recognize((rows[0], 8000)).probabilities
    assert trained.predict_proba(rows[:1])[0] == pytest.approx(list(one.values()), abs=1e-5)


def test_the_same_seed_trains_the_same_system(
    fitted: SeqcapClassifier, tones: pd.DataFrame
) -> None:
    again = clone(fitted).fit(tones["file"], tones["emotion"], groups=tones["speaker"])
    assert again.predict_proba(tones["file"]) == pytest.approx(
        fitted.predict_proba(tones["file"]), abs=1e-5
    )


def test_speakers_who_choose_the_temperature_do_not_train(
    fitted: SeqcapClassifier,
) -> None:
    fold = fitted.checkpoint_.provenance["fold"]
    assert sorted([*fold["train"], *fold["validation"]]) == ["a", "b", "c"]
    assert len(fold["validation"]) == 1


def test_a_copy_through_pickle_answers_alike(fitted: SeqcapClassifier, tones: pd.DataFrame) -> None:
    same = pickle.loads(pickle.dumps(fitted))
    assert same.predict_proba(tones["file"]) == pytest.approx(fitted.predict_proba(tones["file"]))


def test_a_trained_classifier_becomes_a_model_for_all_commands(
    fitted: SeqcapClassifier, tones: pd.DataFrame, tmp_path: Path
) -> None:
    save_checkpoint(fitted.checkpoint_, tmp_path / "model")
    answer = Recognizer.from_pretrained(tmp_path / "model").recognize(tones["file"][0])
    expected = fitted.predict_proba(tones["file"][:1])[0]
    assert list(answer.probabilities.values()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_cross_validation_over_speakers_is_one_line(tones: pd.DataFrame) -> None:
    longer = quick(overrides=(*QUICK, "epochs=40"))  # one speaker of three trains
    predicted = cross_val_predict(
        longer, tones["file"], tones["emotion"], groups=tones["speaker"], cv=LeaveOneGroupOut()
    )
    assert (predicted == tones["emotion"]).mean() > 0.8


def test_unusable_training_data_is_refused_in_one_line(tones: pd.DataFrame) -> None:
    files, emotions = tones["file"], tones["emotion"]
    with pytest.raises(SettingsError, match=r"^one class, anger; two are needed"):
        quick().fit(files[::2], emotions[::2])
    with pytest.raises(SettingsError, match=r"^recordings of 1 speakers, 2 of a class"):
        quick().fit(files[:4], emotions[:4], groups=["a"] * 4)
    with pytest.raises(SettingsError, match=r"^class \w+ has recordings of too few"):
        quick(validation_share=0.5).fit(files[:3], emotions[:3], groups=["a", "b", "a"])
    with pytest.raises(SettingsError, match=r"^validation_share 0; above 0 and at most 0\.5"):
        quick(validation_share=0).fit(files, emotions)
    with pytest.raises(SettingsError, match=r"^setting 'epoch' is unknown; did you mean"):
        quick(overrides=("epoch=3",)).fit(files, emotions)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        quick().fit(files, emotions[:3])
    with pytest.raises(AudioError, match=r"^absent\.wav: no such file"):
        quick().fit(["absent.wav", *files[1:]], emotions)


def test_a_recording_that_cannot_be_read_is_named(fitted: SeqcapClassifier) -> None:
    with pytest.raises(AudioError, match=r"^absent\.wav: no such file"):
        fitted.predict(["absent.wav"])
    with pytest.raises(NotFittedError):
        quick().predict(["absent.wav"])


def test_without_speech_all_classes_are_equally_probable(fitted: SeqcapClassifier) -> None:
    silent = copy.copy(fitted)
    hearing = fitted.checkpoint_.normalisation.changed(speech_only=True)
    silent.recognizer_ = Recognizer(
        dataclasses.replace(fitted.checkpoint_, normalisation=hearing), "cpu"
    )
    noise = np.random.default_rng(0).normal(0, 0.01, (1, 16000)).astype(np.float32)
    with pytest.warns(match=r"<array>: no speech; all classes are equally probable"):
        assert silent.predict_proba(noise).tolist() == [[0.5, 0.5]]
