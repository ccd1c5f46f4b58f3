"""The card of a trained model: data, scores, and how to train it again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from seqcap.files import atomic_write
from seqcap.models.systems import count_parameters
from seqcap.recognition.checkpoint import Checkpoint
from seqcap.recognition.model_folder import CARD_FILE
from seqcap.scoring.score_text import CARD_MARKER, report

_ADAPTS = (
    "It adapts to speakers: all recordings of a speaker were used, without labels. For single "
    "recordings the scores are lower (`seqcap evaluate --unknown-speakers`). "
    "`seqcap predict --adapt` adapts to each speaker.",
    "",
)
_PARTS = ("train", "validation", "test")


def write_own_card(
    checkpoint: Checkpoint,
    utterances: Mapping[str, pd.DataFrame],
    all_scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
    folder: Path,
) -> None:
    """Writes `CARD.md` beside a model.

    Args:
        checkpoint: The model.
        utterances: Rows of the table by part: train, validation, test.
        all_scores: As in `scores.json`.
        folder: Of the model.
    """
    made = checkpoint.provenance
    kept_last = made["settings"]["monitor"] == "last"
    chosen = "the temperature" if kept_last else "the epoch and the temperature"
    lines = [
        f"# {checkpoint.name}",
        "",
        f"`{checkpoint.system_name}`, {count_parameters(checkpoint.system):,} parameters; tells "
        f"apart {', '.join(checkpoint.emotions)}. Made by seqcap {made['versions']['seqcap']}.",
        "",
        "## Training data",
        "",
        f"{made['label_set']}. Fold `{made['fold']['name']}`. "
        + (
            f"**{len(made['shared_speakers'])} speakers are in more than one part**: "
            "the scores do not measure unseen speakers."
            if made["shared_speakers"]
            else "No speaker is in two parts."
        ),
        "",
        f"| part | speakers | utterances | {' | '.join(checkpoint.emotions)} |",
        f"|---|---|{'--:|' * (1 + len(checkpoint.emotions))}",
    ]
    for part in _PARTS:
        rows = utterances[part]
        counts = rows["emotion"].value_counts()
        lines.append(
            f"| {part} | {', '.join(sorted(rows['speaker'].unique()))} | {len(rows)} | "
            + " | ".join(str(counts.get(emotion, 0)) for emotion in checkpoint.emotions)
            + " |"
        )
    lines += [
        "",
        *_began(made),
        f"The validation part chose {chosen} ({checkpoint.temperature:.2f}). The test part chose "
        "nothing.",
        "",
        "## How good it is",
        "",
        *(_ADAPTS if checkpoint.normalisation.settings.speaker_mean_norm else ()),
        CARD_MARKER,
        "",
        report(all_scores, checkpoint.emotions),
        "",
        CARD_MARKER,
        "",
        "## How to train it again",
        "",
        f"    {made['command']}",
        "",
        f"Table {made['table_sha256'][:12]}, commit {made['commit'] or 'unknown'}, torch "
        f"{made['versions']['torch']}; all settings in `model.json`, which "
        "`seqcap model FOLDER --format json` prints.",
    ]
    with atomic_write(folder / CARD_FILE) as path:
        path.write_text("\n".join(lines) + "\n", "utf-8")


def _began(made: Mapping[str, Any]) -> tuple[str, ...]:
    start = made["started_from"]
    if not start:
        return ()
    return (
        f"Its weights started from `{start['name']}` (SHA-256 "
        f"{start['weights_sha256'][:12]}), with the emotions {', '.join(start['emotions'])}. "
        f"It was trained on {', '.join(start['speakers'])}.",
        "",
    )
