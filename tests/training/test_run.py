import copy
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from seqcap.audio.normalisation import NormalisationSettings
from seqcap.audio.spectrogram import FloatArray
from seqcap.corpora.fingerprints import FINGERPRINTS_FILE, load_fingerprints
from seqcap.corpora.folds import choose_fold, make_folds
from seqcap.corpora.labels import label_set_named
from seqcap.errors import CorpusError, SettingsError
from seqcap.recognition.checkpoint import load_checkpoint
from seqcap.recognition.engine import IntArray, Output
from seqcap.recognition.recognizer import Recognizer
from seqcap.recognition.torch_engine import TorchEngine
from seqcap.scoring import evaluation
from seqcap.scoring.evaluation import predict_table, scores
from seqcap.scoring.score_text import report
from seqcap.training.run import run_fold
from seqcap.training.run_identity import describe_run, run_key, run_name
from seqcap.training.settings import TrainingSettings, hashed_settings, read_settings
from seqcap.training.settings_history import current_names, first_names

LABELS = label_set_named("anger,sadness")
SETTINGS = read_settings(
    overrides=["batch_size=4", "epochs=1", "augment=false", "normalisation.trim_db=0"]
)


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    """Three people who each say four things, in high tones and in low ones."""
    generator = np.random.default_rng(0)
    rows = []
    for speaker in ("a", "b", "c"):
        for place in range(4):
            emotion = ("anger", "sadness")[place % 2]
            time_s = np.arange(generator.integers(4000, 8000)) / 16000
            tone = 0.3 * np.sin(2 * np.pi * (2000 if place % 2 else 300) * time_s)
            file = tmp_path / f"{speaker}{place}.wav"
            soundfile.write(file, tone + 0.01 * generator.standard_normal(len(tone)), 16000)
            rows.append({"file": str(file), "start": 0.0, "end": np.nan, "speaker": speaker,
                         "session": "", "emotion": emotion})  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.slow
def test_labels_of_the_test_part_change_the_final_score_and_nothing_else(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    fold = make_folds(table, "loso")[0]
    tested = table["speaker"].isin(fold.test)
    turned = table.copy()
    turned.loc[tested, "emotion"] = table.loc[tested, "emotion"].map(
        {"anger": "sadness", "sadness": "anger"}
    )
    all_scores = [
        run_fold(one, fold, LABELS, SETTINGS, tmp_path / name, "tiny")
        for name, one in (("as is", table), ("turned", turned))
    ]
    assert all_scores[0]["validation"] == all_scores[1]["validation"]
    assert all_scores[0]["test"]["all"]["wa"] == 1 - all_scores[1]["test"]["all"]["wa"]
    models = [load_checkpoint(tmp_path / name / "model") for name in ("as is", "turned")]
    assert models[0].temperature == models[1].temperature
    kept = load_fingerprints(tmp_path / "as is" / "model" / FINGERPRINTS_FILE)
    assert kept is not None
    assert len(kept) == int((~tested).sum())
    for key, value in models[0].system.state_dict().items():
        torch.testing.assert_close(value, models[1].system.state_dict()[key], rtol=0, atol=0)
    probabilities = [
        pd.read_csv(tmp_path / name / "test.csv").drop(columns="emotion")
        for name in ("as is", "turned")
    ]
    pd.testing.assert_frame_equal(*probabilities)

    with pytest.raises(SettingsError, match="as is: holds a run with other settings"):
        run_fold(table, fold, LABELS, read_settings(), tmp_path / "as is", "tiny")

    # A run that is done is read, not done again, though settings have come since.
    settings_file = tmp_path / "as is" / "settings.json"
    older = json.loads(settings_file.read_text())
    del older["settings"]["normalisation"]["trim_db"]
    settings_file.write_text(json.dumps(older))
    before = (tmp_path / "as is" / "model" / "model.safetensors").stat().st_mtime_ns
    assert run_fold(table, fold, LABELS, SETTINGS, tmp_path / "as is", "tiny") == all_scores[0]
    assert (tmp_path / "as is" / "model" / "model.safetensors").stat().st_mtime_ns == before
    assert not list((tmp_path / "as is").glob("*.ckpt"))
    card = (tmp_path / "as is" / "model" / "CARD.md").read_text()
    assert "| train | b | 4 | 2 | 2 |" in card or "| train | c | 4 | 2 | 2 |" in card

    kept = json.loads((tmp_path / "as is" / "settings.json").read_text())
    assert set(kept["files"]) == {Path(file).name for file in table["file"]}
    assert kept["settings"]["epochs"] == 1
    text = report(all_scores[0], LABELS.emotions)
    assert "| test | all | 4 | 1 |" in text


@pytest.mark.slow
def test_each_recording_is_loaded_once_and_the_network_answers_it_once(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = evaluation.load_waveform

    def count_loads(file: str, **options: float) -> FloatArray:
        loaded.append(file)
        return load(file, **options)

    answered: list[int] = []
    run = TorchEngine.run

    def count_rows(self: TorchEngine, frames: FloatArray, counts: IntArray) -> Output:
        answered.append(len(frames))
        return run(self, frames, counts)

    monkeypatch.setattr(evaluation, "load_waveform", count_loads)
    monkeypatch.setattr(TorchEngine, "run", count_rows)
    monkeypatch.setattr("seqcap.training.run._add_graphs", lambda *_: None)  # tries them out
    fold = make_folds(table, "loso")[0]
    all_scores = run_fold(table, fold, LABELS, SETTINGS, tmp_path / "run", "tiny")
    assert sorted(loaded) == sorted(table["file"])
    assert sum(answered) == sum(all_scores[p]["all"]["utterances"] for p in ("validation", "test"))
    recognizer = Recognizer.from_pretrained(tmp_path / "run" / "model", engine="torch")
    as_it_was = replace(recognizer.checkpoint, temperature=1.0)
    tested = table[table["speaker"].isin(fold.test)]
    expected = scores(predict_table(Recognizer(as_it_was), tested), LABELS.emotions)["ece"]
    assert all_scores["test"]["all"]["ece_uncalibrated"] == pytest.approx(expected, rel=1e-6)


def test_a_training_recording_under_another_name_in_the_test_part_is_refused(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    fold = make_folds(table, "loso")[0]
    train = table[table["speaker"].isin(fold.train)].iloc[0]
    test = table[table["speaker"].isin(fold.test)].iloc[0]
    Path(test["file"]).write_bytes(Path(train["file"]).read_bytes())
    with pytest.raises(CorpusError, match=Path(test["file"]).name):
        run_fold(table, fold, LABELS, SETTINGS, tmp_path / "run", "tiny")
    assert not (tmp_path / "run").exists()


def test_an_emotion_without_training_data_is_named(table: pd.DataFrame, tmp_path: Path) -> None:
    fold = make_folds(table, "loso")[0]
    table.loc[table["speaker"].isin(fold.train), "emotion"] = "anger"
    with pytest.raises(CorpusError, match="no row of the training part is labelled sadness"):
        run_fold(table, fold, LABELS, SETTINGS, tmp_path / "run", "tiny")


def test_recordings_that_cannot_be_used_are_named_before_the_training(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    tested = table.index[table["speaker"] == "c"][:5]
    for number, index in enumerate(tested):
        file = tmp_path / f"bad{number}.wav"
        soundfile.write(file, np.zeros(80), 16000)
        table.loc[index, "file"] = str(file)
    (tmp_path / "bad0.wav").write_bytes(b"no sound")
    fold = make_folds(table, "loso")[2]
    with pytest.raises(CorpusError, match=r"bad0.wav: .*; .*0\.0\d s of audio") as caught:
        run_fold(table, fold, LABELS, SETTINGS, tmp_path / "run", "tiny")
    assert f"and {len(tested) - 3} more. Repair" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_everything_that_can_change_a_result_changes_the_run_name(table: pd.DataFrame) -> None:
    folds = make_folds(table, "loso")
    names = {
        run_name(describe_run(one, fold, LABELS, settings))
        for one in (table, table.assign(emotion=table["emotion"][::-1].to_numpy()))
        for fold in folds[:2]
        for settings in (
            SETTINGS,
            replace(SETTINGS, seed=1),
            replace(SETTINGS, normalisation=NormalisationSettings(target_rms=0.02)),
        )
    }
    assert len(names) == 12
    same = run_name(describe_run(table, folds[0], LABELS, SETTINGS))
    assert same in names
    assert same.startswith("CNN_SeqCap-loso-a-s0-")


def test_an_added_setting_without_effect_keeps_the_run_name(table: pd.DataFrame) -> None:
    provenance = describe_run(table, make_folds(table, "loso")[0], LABELS, SETTINGS)
    earlier = {**provenance, "settings": copy.deepcopy(provenance["settings"])}
    del earlier["settings"]["normalisation"]["trim_db"]
    del earlier["settings"]["init_from"]
    del earlier["settings"]["augmentation"]["stretch"]
    assert run_key(earlier) == run_key(provenance)
    trimmed = copy.deepcopy(provenance)
    trimmed["settings"]["normalisation"]["trim_db"] = 30.0
    stretched = {**earlier["settings"]["augmentation"], "stretch": 0.1}
    other = {**provenance, "settings": {**provenance["settings"], "augmentation": stretched}}
    assert len({run_key(one) for one in (earlier, trimmed, other)}) == 3


def test_a_run_of_an_earlier_version_keeps_its_name() -> None:
    """Version 0.1 had other names of settings."""
    settings = first_names(asdict(TrainingSettings(epochs=3))) | {"loss": "cross_entropy"}
    assert settings["averaging"] == 0.99
    assert settings["level"] == 0.01
    assert current_names(settings) == asdict(TrainingSettings(epochs=3))
    assert hashed_settings(settings) == hashed_settings(asdict(TrainingSettings(epochs=3)))
    assert "loss" in hashed_settings(settings | {"loss": "margin"})  # had an effect


def test_a_setting_renamed_in_its_table_keeps_the_run_name() -> None:
    mixed = asdict(read_settings(overrides=["augmentation.speaker_mixing=0.5"]))
    earlier = first_names(mixed)
    assert earlier["augmentation"]["voices"] == 0.5
    assert current_names(earlier) == mixed
    assert hashed_settings(mixed)["augmentation"]["voices"] == 0.5
    assert read_settings(overrides=["augmentation.voices=0.5"]).augmentation.speaker_mixing == 0.5


def test_min_steps_counts_where_epochs_are_not_given(table: pd.DataFrame) -> None:
    def key(**changes: int) -> str:
        settings = replace(SETTINGS, **changes)
        return run_key(describe_run(table, make_folds(table, "loso")[0], LABELS, settings))

    assert key(epochs=3, min_steps=7) == key(epochs=3, min_steps=8)
    assert key(epochs=0, min_steps=7) != key(epochs=0, min_steps=8)


def test_a_fold_is_chosen_by_index_or_by_name(table: pd.DataFrame) -> None:
    first = make_folds(table, "loso")[0]
    assert choose_fold(table, "loso", "0", False) == choose_fold(table, "loso", first.name, False)
    with pytest.raises(CorpusError, match="fold 7: no such fold; there are 0 to 2"):
        choose_fold(table, "loso", "7", False)


def test_scores_follow_from_probabilities() -> None:
    predictions = pd.DataFrame(
        {"speaker": ["a", "a", "b"], "emotion": ["anger", "sadness", "sadness"],
         "anger": [0.9, 0.2, 0.6], "sadness": [0.1, 0.8, 0.4]}
    )  # fmt: skip
    result = scores(predictions, ("anger", "sadness"))
    assert result["confusion"] == [[1, 0], [1, 1]]
    assert (result["wa"], result["ua"]) == (pytest.approx(2 / 3), 0.75)
    assert (result["utterances"], result["speakers"]) == (3, 2)
