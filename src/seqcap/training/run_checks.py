"""Checks before a run starts: each raises with the way out, and changes nothing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from seqcap.corpora.audio_checks import short_pieces
from seqcap.corpora.audio_info import AudioInfo
from seqcap.corpora.fold import Fold, part_of
from seqcap.corpora.labels import LabelSet
from seqcap.corpora.leaks import FoldReport, check_fold
from seqcap.errors import CorpusError, SettingsError
from seqcap.training.fine_tuning import refuse_known_speakers
from seqcap.training.settings import hashed_settings

RUN_FILE = "settings.json"
SCORES_FILE = "scores.json"

# What makes a run another run, and what people call it.
_WORDS = {
    "settings": "settings",
    "fold": "folds",
    "label_set": "labels",
    "table_sha256": "tables",
    "started_from": "starting model",
}
_NAMED = 3  # of what is wrong with recordings


def refuse_missing_emotions(
    table: pd.DataFrame, parts: "pd.Series[str]", label_set: LabelSet
) -> None:
    """Refuses a fold whose training part lacks an emotion."""
    missing = set(label_set.emotions) - set(table["emotion"][parts == "train"])
    if missing:
        raise CorpusError(
            f"no row of the training part is labelled {', '.join(sorted(missing))}; "
            "choose a label set without, or another fold"
        )


def check_parts(
    labelled: pd.DataFrame,
    fold: Fold,
    label_set: LabelSet,
    started_from: Mapping[str, Any],
    audio_hashes: Mapping[str, str] | None = None,
) -> FoldReport:
    """Refuses a fold without data to learn from, or with seen speakers in validation or test.

    Args:
        labelled: The corpus, its labels applied.
        fold: Who trains, validates and tests; shared speakers were allowed.
        label_set: Which emotions.
        started_from: As `describe_init_model` gives it.
        audio_hashes: As for `check_fold`.

    Raises:
        CorpusError: As `run_fold` says.
    """
    refuse_known_speakers(started_from, fold)
    shared = check_fold(labelled, fold, bool(fold.shared_speakers), audio_hashes)
    refuse_missing_emotions(labelled, part_of(labelled, fold), label_set)
    return shared


def refuse_unusable(
    table: pd.DataFrame, sounds: dict[str, AudioInfo], faults: dict[str, str]
) -> None:
    """Refuses recordings that would stop the training or the test, or count twice."""
    again = table[table.duplicated(["file", "start", "end"])]
    texts = [
        *faults.values(),
        *(problem.text for problem in short_pieces(table, sounds)),
        *(
            f"{file}: stands in more than one row, with the same start and end"
            for file in again["file"]
        ),
    ]
    if texts:
        others = len(texts) - _NAMED
        raise CorpusError(
            f"{'; '.join(texts[:_NAMED])}{f'; and {others:,} more' if others > 0 else ''}: take "
            "their rows out of the table ('seqcap corpus check' lists all that is wrong with it)"
        )


def refuse_another_run(folder: Path, provenance: dict[str, Any]) -> None:
    """Refuses a folder with the files of a run with other settings.

    A training that was refused, or stopped before its first epoch ended, has left nothing.
    """
    kept = folder / RUN_FILE
    if not (folder / SCORES_FILE).exists() and not any(folder.glob("*.ckpt")):
        return
    if not kept.exists():
        raise SettingsError(
            f"{folder}: holds scores or checkpoints, and no {RUN_FILE} that says of what; it may "
            "be the folder of several folds; give another folder"
        )
    # As they are read back: tuples become lists.
    before, now = json.loads(kept.read_text("utf-8")), json.loads(json.dumps(provenance))
    for one in (before, now):
        one["settings"] = hashed_settings(one["settings"])
        one["started_from"] = one.get("started_from", {}).get("weights_sha256", "")
    for key in _WORDS:
        was, is_now = before.get(key, now[key]), now[key]
        if was != is_now:
            raise SettingsError(
                f"{folder}: holds a run with other {_WORDS[key]}{_differing(was, is_now)}; "
                "give the same ones again, or another folder"
            )


def _differing(was: Any, is_now: Any) -> str:
    """Names what differs, where it has names."""
    if not isinstance(was, Mapping) or not isinstance(is_now, Mapping):
        return ""
    names = [name for name in {**was, **is_now} if was.get(name) != is_now.get(name)]
    return f" ({', '.join(names)})"
