"""A run: one system, trained on one fold with one seed, and the files that it writes.

- `settings.json`: settings, fold, data and versions.
- `metrics.csv`: the training, a row an epoch.
- `model/`: the trained system with its card.
- `validation.csv`, `test.csv`: the probabilities of each utterance. Systems that adapt to speakers
  have `test-unknown-speakers.csv` too.
- `resources.json`: time and memory.
- `scores.json`: written last. A run that has it is done.
"""

import dataclasses
import functools
import importlib.util
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seqcap.audio.spectrogram import FloatArray
from seqcap.corpora.audio_info import probe_all_audio
from seqcap.corpora.fold import Fold, part_of
from seqcap.corpora.labels import LabelSet, apply_labels
from seqcap.corpora.provenance import below_shared_folder
from seqcap.corpora.soft_labels import soft_labels
from seqcap.corpora.speakers import speaker_key
from seqcap.corpora.table import read_table
from seqcap.errors import gather_warnings
from seqcap.files import atomic_write
from seqcap.models.systems import count_parameters
from seqcap.recognition.checkpoint import Checkpoint, save_checkpoint
from seqcap.recognition.recognizer import Recognizer
from seqcap.scoring.evaluation import load_rows, predict_table, scores
from seqcap.training.batches import Utterance
from seqcap.training.fit import TrainedSystem, train
from seqcap.training.kept_outputs import KeptOutputs
from seqcap.training.known_recordings import refuse_known_recordings, write_fingerprints
from seqcap.training.model_card import write_own_card
from seqcap.training.run_checks import (
    RUN_FILE,
    SCORES_FILE,
    check_parts,
    refuse_another_run,
    refuse_unusable,
)
from seqcap.training.run_identity import describe_machine, describe_run
from seqcap.training.settings import TrainingSettings

# The test part again, each recording as if it were its speaker's only one.
UNKNOWN_SPEAKERS = "test-unknown-speakers"
_LEARNED_PARTS = ("train", "validation")


def run_fold(
    table: pd.DataFrame,
    fold: Fold,
    label_set: LabelSet,
    settings: TrainingSettings,
    folder: Path,
    name: str,
    accelerator: str = "auto",
    devices: int = 1,
    progress: bool = True,
    made: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Trains on one fold, saves the model, and only then uses the test part.

    A finished run is not repeated: its scores are read.

    Args:
        table: The corpus table, or several joined; columns as `read_table` gives them.
        fold: Who trains, validates and tests.
        label_set: Which emotions.
        settings: How it is trained.
        folder: Where everything is written; an interrupted run resumes there.
        name: Name of the model.
        accelerator: As pytorch-lightning names it: "auto", "cpu", "gpu" ...
        devices: Number of devices that share each batch.
        progress: Show a progress bar.
        made: What `describe_run` gives for this run; computed if None.

    Returns:
        The scores, as in `scores.json`: by part, overall and by corpus.

    Raises:
        CorpusError: No utterances in a part, a speaker or a recording in two parts, an emotion
            without training data, or a recording that cannot be used. Or the initial model was
            trained on speakers of the validation or test part.
        CheckpointError: The initial model is missing.
        SettingsError: The folder holds another run, or the initial model is another system.
    """
    labelled = apply_labels(table, label_set).reset_index(drop=True)
    provenance = dict(made or describe_run(labelled, fold, label_set, settings))
    refuse_another_run(folder, provenance)
    if is_done(folder):
        return dict(json.loads((folder / SCORES_FILE).read_text("utf-8")))
    parts = part_of(labelled, fold)
    rows = {part: labelled[parts == part] for part in ("train", "validation", "test")}
    provenance["shared"] = _check_data(labelled, rows, fold, label_set, settings, provenance)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / RUN_FILE, provenance)
    began_s = time.perf_counter()
    with gather_warnings():
        utterances = {part: load_utterances(rows[part], label_set) for part in _LEARNED_PARTS}
    trained = train(
        utterances["train"],
        utterances["validation"],
        label_set.emotions,
        settings,
        folder,
        accelerator,
        devices,
        progress,
    )
    training_s = time.perf_counter() - began_s
    checkpoint = Checkpoint(
        system=trained.system,
        system_name=settings.system,
        capsule_settings=settings.capsules,
        emotions=label_set.emotions,
        normalisation=trained.normalisation,
        temperature=trained.temperature,
        name=name,
        provenance={k: v for k, v in provenance.items() if k != "files"},
    )
    waveforms = [utterance.waveform for utterance in utterances["validation"]]
    names = pd.Series(below_shared_folder(labelled["file"]))
    all_scores, testing_s = _score(checkpoint, rows, waveforms, names, folder)
    _write_resources(folder, trained, training_s, testing_s)
    # The model is written when only the disk can still fail: no failed run leaves one.
    _save_model(checkpoint, rows, utterances, settings.init_from, folder / "model")
    write_own_card(checkpoint, rows, all_scores, folder / "model")
    _write_json(folder / SCORES_FILE, all_scores)
    for leftover in folder.glob("*.ckpt"):
        leftover.unlink()
    return all_scores


def _check_data(
    labelled: pd.DataFrame,
    rows: Mapping[str, pd.DataFrame],
    fold: Fold,
    label_set: LabelSet,
    settings: TrainingSettings,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Checks recordings, parts and the initial model before a training starts.

    Returns:
        What the parts share, for the record of the run.

    Raises:
        CorpusError: As `run_fold` says.
    """
    infos, faults = probe_all_audio(dict.fromkeys(labelled["file"]))
    refuse_unusable(labelled, infos, faults)
    audio_hashes = {file: info.audio_hash for file, info in infos.items()}
    shared = check_parts(labelled, fold, label_set, provenance["started_from"], audio_hashes)
    refuse_known_recordings(
        settings.init_from,
        rows["validation"],
        rows["test"],
        provenance["started_from"].get("validation", ()),
    )
    return dataclasses.asdict(shared)


def _save_model(
    checkpoint: Checkpoint,
    rows: Mapping[str, pd.DataFrame],
    utterances: Mapping[str, Sequence[Utterance]],
    init_from: str,
    folder: Path,
) -> None:
    """Writes weights, fingerprints of the recordings learned from, and graphs."""
    save_checkpoint(checkpoint, folder)
    learned = pd.concat([rows[part] for part in _LEARNED_PARTS]).sort_index()
    by_row = {
        row: utterance.waveform
        for part in _LEARNED_PARTS
        for row, utterance in zip(rows[part].index, utterances[part], strict=True)
    }
    write_fingerprints(learned, init_from, folder, (by_row[row] for row in learned.index))
    _add_graphs(checkpoint, folder)


def _score(
    checkpoint: Checkpoint,
    rows: Mapping[str, pd.DataFrame],
    validation: Sequence[FloatArray],
    names: "pd.Series[str]",
    folder: Path,
) -> tuple[dict[str, Any], float]:
    """Recognises validation and test part, each decoded once; writes and scores the answers.

    Args:
        checkpoint: The trained system.
        rows: Rows of the table by part.
        validation: Waveforms of the validation part.
        names: Names of the files in the tables of answers, by row.
        folder: Of the run.

    Returns:
        The scores by part, and how long recognition took, in seconds.
    """
    recognizer = Recognizer(checkpoint)
    with gather_warnings():
        waveforms = {"validation": validation, "test": load_rows(rows["test"])}
    all_scores: dict[str, Any] = {}
    testing_s = 0.0
    for name in ("validation", "test", *[UNKNOWN_SPEAKERS] * recognizer.is_speaker_adaptive):
        part, known = name.partition("-")[0], name != UNKNOWN_SPEAKERS
        kept = KeptOutputs(recognizer.engine)
        recognise = functools.partial(
            predict_table, table=rows[part], know_speakers=known, waveforms=waveforms[part]
        )
        began_s = time.perf_counter()
        predictions = recognise(Recognizer(checkpoint, engine=kept))
        testing_s += time.perf_counter() - began_s
        with atomic_write(folder / f"{name}.csv") as path:
            predictions.assign(file=names).to_csv(path, index=False)
        all_scores[name] = scores_by_corpus(predictions, checkpoint.emotions)
        kept.rewind()
        uncalibrated = Recognizer(dataclasses.replace(checkpoint, temperature=1.0), engine=kept)
        before = scores_by_corpus(recognise(uncalibrated), checkpoint.emotions)
        for corpus, one in before.items():
            all_scores[name][corpus]["ece_uncalibrated"] = one["ece"]
    return all_scores, testing_s


def _write_resources(
    folder: Path, trained: TrainedSystem, training_s: float, testing_s: float
) -> None:
    _write_json(
        folder / "resources.json",
        {
            "parameters": count_parameters(trained.system),
            "training_s": training_s,  # since the last interruption
            "training_steps": trained.steps,
            "step_ms": trained.step_ms,
            "testing_s": testing_s,
            "peak_memory_mb": trained.peak_memory_mb,
            "machine": describe_machine(),
        },
    )


def training_steps(folder: Path) -> int:
    """How many steps a run that is done has trained."""
    return int(json.loads((folder / "resources.json").read_text("utf-8"))["training_steps"])


def is_done(folder: Path) -> bool:
    """Says whether a run has left all its results in this folder."""
    return (folder / SCORES_FILE).is_file()


def scores_by_corpus(
    predictions: pd.DataFrame, emotions: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Scores of each corpus, and of all together under "all"."""
    result = {}
    if "corpus" in predictions and predictions["corpus"].nunique() > 1:
        for corpus, rows in predictions.groupby("corpus"):
            result[str(corpus)] = scores(rows, emotions)
    result["all"] = scores(predictions, emotions)
    return result


def read_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """Reads corpus tables and joins them."""
    return pd.concat([read_table(path) for path in paths], ignore_index=True)


def pool_folds(
    folders: Sequence[Path], emotions: Sequence[str], output: Path
) -> dict[str, dict[str, Any]]:
    """Puts the predictions of several folds together, and scores them as one.

    Args:
        folders: Of the folds' runs, all done.
        emotions: Emotions of the model.
        output: Where `validation.csv`, `test.csv` (`test-unknown-speakers.csv`) and `scores.json`
            of all folds go.

    Returns:
        The scores by part, overall and per corpus.
    """
    pooled = {}
    for part in ("validation", "test", UNKNOWN_SPEAKERS):
        if not (folders[0] / f"{part}.csv").is_file():
            continue  # systems that adapt to speakers have answered without adaptation too
        predictions = pd.concat([_read_answers(folder / f"{part}.csv") for folder in folders])
        with atomic_write(output / f"{part}.csv") as path:
            predictions.to_csv(path, index=False)
        pooled[part] = scores_by_corpus(predictions, emotions)
    _write_json(output / SCORES_FILE, pooled)
    return pooled


def _read_answers(path: Path) -> pd.DataFrame:
    words = ("file", "speaker", "emotion", "predicted")  # "007" is a name, "NA" another one
    return pd.read_csv(path, dtype=dict.fromkeys(words, str), keep_default_na=False)


def load_utterances(table: pd.DataFrame, label_set: LabelSet) -> list[Utterance]:
    """Loads the rows of a table that has the labels of the set.

    Raises:
        CorpusError: Soft labels that are no probabilities.
    """
    soft = soft_labels(table, label_set.emotions)  # before the sound, which takes longer
    labels = [label_set.emotions.index(emotion) for emotion in table["emotion"]]
    corpora = table["corpus"] if "corpus" in table else [""] * len(table)
    columns = (load_rows(table), labels, corpora, table["speaker"].map(speaker_key))
    utterances = [Utterance(*row) for row in zip(*columns, strict=True)]
    return [each._replace(soft=one) for each, one in zip(utterances, soft, strict=True)]


def _write_json(path: Path, value: Any) -> None:
    with atomic_write(path) as scratch:
        scratch.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def _add_graphs(checkpoint: Checkpoint, folder: Path) -> None:
    """Lets the model run without torch, where onnx is installed and the system has graphs."""
    if importlib.util.find_spec("onnx") is None:
        return
    from seqcap.models.onnx_graphs import is_exportable
    from seqcap.recognition.export import add_graphs

    if is_exportable(checkpoint.system):
        add_graphs(checkpoint, folder)
