"""A run: one system, trained on one fold with one seed, and what it leaves behind.

`model/` is the trained system, `log.csv` the training, `settings.json` what it was made with,
`validation.csv` and `test.csv` every utterance's probabilities, `scores.json` what follows.
"""

import dataclasses
import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import seqcap
from seqcap.corpora.fold import Fold, part_of, shared_speakers_error
from seqcap.corpora.folds import make_folds, read_folds
from seqcap.corpora.labels import LabelSet, apply_labels
from seqcap.corpora.leaks import check_fold
from seqcap.corpora.provenance import file_hashes, table_hash
from seqcap.corpora.sounds import examine_all
from seqcap.corpora.table import read_table
from seqcap.corpora.writing import written_whole
from seqcap.errors import CorpusError, SettingsError
from seqcap.experiments.batches import Utterance
from seqcap.experiments.evaluation import load_rows, predict_table, scores
from seqcap.experiments.settings import TrainingSettings
from seqcap.experiments.training import train
from seqcap.recognition.checkpoint import Checkpoint, save_checkpoint
from seqcap.recognition.recognizer import Recognizer

# What makes a run another run, and what people call it.
_WORDS = {
    "settings": "settings",
    "fold": "folds",
    "label_set": "labels",
    "table_sha256": "tables",
}


def run_fold(
    table: pd.DataFrame,
    fold: Fold,
    label_set: LabelSet,
    settings: TrainingSettings,
    folder: Path,
    name: str,
) -> dict[str, Any]:
    """Trains, saves the model, and only then opens the test part.

    Args:
        table: The corpus, or several joined.
        fold: Who trains, validates and tests.
        label_set: Which emotions.
        settings: How it is trained.
        folder: Where everything goes; an interrupted run goes on where it stopped.
        name: What the model is called.

    Returns:
        The scores, as in `scores.json`: by part, overall and per corpus.

    Raises:
        CorpusError: No utterances in a part, a speaker or a recording in two parts, or an
            emotion that nobody trains.
        SettingsError: The folder holds a run of something else.
    """
    labelled = apply_labels(table, label_set).reset_index(drop=True)
    sounds, _ = examine_all(set(labelled["file"]))
    audio_hashes = {file: sound.audio_hash for file, sound in sounds.items()}
    shared = check_fold(labelled, fold, bool(fold.shared_speakers), audio_hashes)
    parts = part_of(labelled, fold)
    _check_emotions(labelled, parts, label_set)
    folder.mkdir(parents=True, exist_ok=True)
    provenance = _provenance(labelled, fold, label_set, settings)
    provenance["shared"] = dataclasses.asdict(shared)
    _refuse_another_run(folder, provenance)
    _write_json(folder / "settings.json", provenance)
    trained = train(
        _utterances(labelled[parts == "train"], label_set),
        _utterances(labelled[parts == "validation"], label_set),
        len(label_set.emotions),
        settings,
        folder,
    )
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
    save_checkpoint(checkpoint, folder / "model")
    recognizer = Recognizer(checkpoint)
    all_scores = {}
    for part in ("validation", "test"):
        predictions = predict_table(recognizer, labelled[parts == part])
        with written_whole(folder / f"{part}.csv") as path:
            predictions.to_csv(path, index=False)
        all_scores[part] = scores_by_corpus(predictions, label_set.emotions)
    _write_json(folder / "scores.json", all_scores)
    return all_scores


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


def choose_fold(table: pd.DataFrame, folds: str, fold: str, allow_shared_speakers: bool) -> Fold:
    """Finds one fold of a scheme, or of a file of folds.

    Args:
        table: The corpus.
        folds: A scheme's name, or a file that `seqcap corpus folds` wrote.
        fold: Its place, from 0, or its name.
        allow_shared_speakers: Do not refuse a fold that shares speakers.

    Raises:
        CorpusError: No such fold, or its parts share speakers.
    """
    if Path(folds).suffix == ".json":
        there = read_folds(folds)
    else:
        there = make_folds(table, folds, allow_shared_speakers)
    by_name = {str(place): one for place, one in enumerate(there)}
    by_name.update((one.name, one) for one in there)
    if fold not in by_name:
        raise CorpusError(
            f"fold {fold}: no such fold; there are 0 to {len(there) - 1}, by name "
            f"{', '.join(one.name for one in there)}"
        )
    chosen = by_name[fold]
    if chosen.shared_speakers and not allow_shared_speakers:
        raise shared_speakers_error(chosen)
    return chosen


def rows_of_part(table: pd.DataFrame, fold: Fold, part: str) -> pd.DataFrame:
    """The rows of a table that train, validate or test.

    Raises:
        CorpusError: No such part, or none of its speakers is in the table.
    """
    rows = table[part_of(table, fold) == part]
    if rows.empty:
        raise CorpusError(f"part {part}: no rows; one of train, validation, test is expected")
    return rows.reset_index(drop=True)


def _utterances(table: pd.DataFrame, label_set: LabelSet) -> list[Utterance]:
    labels = [label_set.emotions.index(emotion) for emotion in table["emotion"]]
    corpora = table["corpus"] if "corpus" in table else [""] * len(table)
    return [Utterance(*row) for row in zip(load_rows(table), labels, corpora, strict=True)]


def _check_emotions(table: pd.DataFrame, parts: "pd.Series[str]", label_set: LabelSet) -> None:
    missing = set(label_set.emotions) - set(table["emotion"][parts == "train"])
    if missing:
        raise CorpusError(
            f"nobody in the training part is labelled {', '.join(sorted(missing))}; "
            "choose a label set without, or another fold"
        )


def _provenance(
    table: pd.DataFrame, fold: Fold, label_set: LabelSet, settings: TrainingSettings
) -> dict[str, Any]:
    return {
        "settings": dataclasses.asdict(settings),
        "fold": dataclasses.asdict(fold),
        "shared_speakers": list(fold.shared_speakers),
        "label_set": label_set.description,
        "table_sha256": table_hash(table),
        "files": file_hashes(table["file"]),
        "command": shlex.join(["seqcap", *sys.argv[1:]]),
        "commit": _commit(),
        "versions": {
            "seqcap": seqcap.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__.split("+")[0],
        },
    }


def _refuse_another_run(folder: Path, provenance: dict[str, Any]) -> None:
    """Keeps a training from going on with what another one, of other settings, has left."""
    kept = folder / "settings.json"
    before = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    # As they are read back: tuples become lists.
    now = json.loads(json.dumps(provenance))
    for key in _WORDS:
        if before.get(key, now[key]) != now[key]:
            raise SettingsError(
                f"{folder}: holds a run with other {_WORDS[key]}; "
                "give the same ones again, or another folder"
            )


def _commit() -> str:
    """The commit of the program, where it runs from a checkout."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _write_json(path: Path, value: Any) -> None:
    with written_whole(path) as scratch:
        scratch.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
