"""What is refused before a run begins: each check raises with the way out, and changes nothing."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from seqcap.corpora.audio_checks import short_pieces
from seqcap.corpora.labels import LabelSet
from seqcap.corpora.sounds import Sound
from seqcap.errors import CorpusError, SettingsError
from seqcap.experiments.settings import telling

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
    """Finds emotions that a system could not learn."""
    missing = set(label_set.emotions) - set(table["emotion"][parts == "train"])
    if missing:
        raise CorpusError(
            f"nobody in the training part is labelled {', '.join(sorted(missing))}; "
            "choose a label set without, or another fold"
        )


def refuse_unusable(table: pd.DataFrame, sounds: dict[str, Sound], faults: dict[str, str]) -> None:
    """Finds before a training what would end it, or the test after it."""
    texts = [*faults.values(), *(problem.text for problem in short_pieces(table, sounds))]
    if texts:
        others = len(texts) - _NAMED
        raise CorpusError(
            f"{'; '.join(texts[:_NAMED])}{f'; and {others:,} more' if others > 0 else ''}: take "
            "their rows out of the table ('seqcap corpus check' lists all that is wrong with it)"
        )


def refuse_another_run(folder: Path, provenance: dict[str, Any]) -> None:
    """Keeps a training from going on with what another one, of other settings, has left."""
    kept = folder / "settings.json"
    if not kept.exists():
        return
    # As they are read back: tuples become lists.
    before, now = json.loads(kept.read_text("utf-8")), json.loads(json.dumps(provenance))
    for one in (before, now):
        one["settings"] = telling(one["settings"])
    for key in _WORDS:
        if before.get(key, now[key]) != now[key]:
            raise SettingsError(
                f"{folder}: holds a run with other {_WORDS[key]}; "
                "give the same ones again, or another folder"
            )
