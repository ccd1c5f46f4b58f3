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

# Keys that must agree when a run is resumed, and their names in errors.
_WORDS = {
    "settings": "settings",
    "fold": "folds",
    "label_set": "labels",
    "table_sha256": "tables",
    "started_from": "initial model",
}
_NAMED = 3  # faults that an error names


def refuse_missing_emotions(
    table: pd.DataFrame, parts: "pd.Series[str]", label_set: LabelSet
) -> None:
    """Refuses a fold whose training part lacks an emotion.

    Args:
        table: The corpus, its labels applied.
        parts: The part of each row.
        label_set: The emotions to be learned.

    Raises:
        CorpusError: An emotion has no row in the training part.
    """
    missing = set(label_set.emotions) - set(table["emotion"][parts == "train"])
    if missing:
        raise CorpusError(
            f"no row of the training part is labelled {', '.join(sorted(missing))}; "
            "choose a label set without it, or another fold"
        )


def check_parts(
    labelled: pd.DataFrame,
    fold: Fold,
    label_set: LabelSet,
    init_model: Mapping[str, Any],
    audio_hashes: Mapping[str, str] | None = None,
) -> FoldReport:
    """Refuses a fold without training data, or with seen speakers in validation or test.

    Args:
        labelled: The corpus, its labels applied.
        fold: Speakers of each part.
        label_set: The emotions to be learned.
        init_model: As `describe_init_model` gives it.
        audio_hashes: As for `check_fold`.

    Returns:
        What the parts share.

    Raises:
        CorpusError: As `run_fold` says.
    """
    refuse_known_speakers(init_model, fold)
    shared = check_fold(labelled, fold, bool(fold.shared_speakers), audio_hashes)
    refuse_missing_emotions(labelled, part_of(labelled, fold), label_set)
    return shared


def refuse_unusable(
    table: pd.DataFrame, infos: dict[str, AudioInfo], faults: dict[str, str]
) -> None:
    """Refuses recordings that cannot be used, and rows that stand twice.

    Args:
        table: The corpus, its labels applied.
        infos: Audio info by file.
        faults: Text of the error by file, for files that cannot be read.

    Raises:
        CorpusError: A recording is unreadable or too short, or two rows are the same.
    """
    repeated = table[table.duplicated(["file", "start", "end"])]
    texts = [
        *faults.values(),
        *(problem.text for problem in short_pieces(table, infos)),
        *(f"{file}: in more than one row with the same start and end" for file in repeated["file"]),
    ]
    if texts:
        others = len(texts) - _NAMED
        raise CorpusError(
            f"{'; '.join(texts[:_NAMED])}{f'; and {others:,} more' if others > 0 else ''}. Repair "
            "these recordings, or take their rows out of the table; 'seqcap corpus check' lists "
            "all that is wrong with it"
        )


def refuse_another_run(folder: Path, provenance: dict[str, Any]) -> None:
    """Refuses a folder with the files of a run with other settings.

    A training that was refused, or stopped before its first epoch ended, leaves nothing to compare.

    Args:
        folder: Folder of the run.
        provenance: As `describe_run` gives it.

    Raises:
        SettingsError: Settings, folds, labels, tables or initial model differ.
    """
    kept = folder / RUN_FILE
    if not (folder / SCORES_FILE).exists() and not any(folder.glob("*.ckpt")):
        return
    if not kept.exists():
        raise SettingsError(
            f"{folder}: holds scores or checkpoints, but no {RUN_FILE}; it may be the folder of "
            "several folds; give another folder"
        )
    # Through JSON, so that tuples become lists.
    before, now = json.loads(kept.read_text("utf-8")), json.loads(json.dumps(provenance))
    for one in (before, now):
        one["settings"] = hashed_settings(one["settings"])
        one["started_from"] = one.get("started_from", {}).get("weights_sha256", "")
    for key in _WORDS:
        was, is_now = before.get(key, now[key]), now[key]
        if was != is_now:
            raise SettingsError(
                f"{folder}: holds a run with other {_WORDS[key]}{_differing(was, is_now)}; "
                "give the same ones, or another folder"
            )


def _differing(was: Any, is_now: Any) -> str:
    """Names the keys that differ, if both are mappings."""
    if not isinstance(was, Mapping) or not isinstance(is_now, Mapping):
        return ""
    names = [name for name in {**was, **is_now} if was.get(name) != is_now.get(name)]
    return f" ({', '.join(names)})"
