"""The card of a trained model: data, scores, and how to train it again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seqcap.files import atomic_write
from seqcap.models.systems import count_parameters
from seqcap.recognition.checkpoint import Checkpoint
from seqcap.recognition.model_folder import CARD_FILE
from seqcap.scoring.score_text import CARD_MARKER, report

_ADAPTS = (
    "The model adapts to speakers. These scores use all recordings of a speaker, without labels. "
    "Scores of single recordings are lower (`seqcap evaluate --unknown-speakers`). "
    "`seqcap predict --adapt` adapts to each speaker.",
    "",
)
_PARTS = ("train", "validation", "test")


def write_own_card(
    checkpoint: Checkpoint,
    rows: Mapping[str, pd.DataFrame],
    all_scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
    folder: Path,
) -> None:
    """Writes `CARD.md` beside a model.

    Args:
        checkpoint: The model.
        rows: Rows of the table by part: train, validation, test.
        all_scores: As in `scores.json`.
        folder: Folder of the model.
    """
    made = checkpoint.provenance
    lines = [
        f"# {checkpoint.name}",
        "",
        f"System `{checkpoint.system_name}` with {count_parameters(checkpoint.system):,} "
        f"parameters. Emotions: {', '.join(checkpoint.emotions)}. Trained by seqcap "
        f"{made['versions']['seqcap']}.",
        "",
        "## Training data",
        "",
        *_data_lines(made, rows, checkpoint.emotions),
        "",
        *_init_model_lines(made),
        *_choice_lines(checkpoint),
        "",
        "## Scores",
        "",
        *(_ADAPTS if checkpoint.normalisation.is_speaker_adaptive else ()),
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
        f"{made['versions']['torch']}. All settings are in `model.json`; "
        "`seqcap model FOLDER --format json` prints them.",
    ]
    with atomic_write(folder / CARD_FILE) as path:
        path.write_text("\n".join(lines) + "\n", "utf-8")


def _data_lines(
    made: Mapping[str, Any], rows: Mapping[str, pd.DataFrame], emotions: Sequence[str]
) -> list[str]:
    shared = len(made["shared_speakers"])
    lines = [
        f"{made['label_set']}. Fold `{made['fold']['name']}`. "
        + (
            f"**{shared} speakers are in more than one part**: "
            "the scores do not measure unseen speakers."
            if shared
            else "No speaker is in two parts."
        ),
        "",
        f"| part | speakers | utterances | {' | '.join(emotions)} |",
        f"|---|---|{'--:|' * (1 + len(emotions))}",
    ]
    for part in _PARTS:
        speakers = ", ".join(sorted(rows[part]["speaker"].unique()))
        counts = rows[part]["emotion"].value_counts()
        cells = [part, speakers, len(rows[part]), *(counts.get(each, 0) for each in emotions)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _choice_lines(checkpoint: Checkpoint) -> tuple[str, ...]:
    kept_last = checkpoint.provenance["settings"]["monitor"] == "last"
    chosen = "the temperature" if kept_last else "the epoch and the temperature"
    return (
        f"The validation part chose {chosen} ({checkpoint.temperature:.2f}). The test part chose "
        "nothing.",
    )


def _init_model_lines(made: Mapping[str, Any]) -> tuple[str, ...]:
    initial = made["started_from"]
    if not initial:
        return ()
    return (
        f"The training began with the weights of `{initial['name']}` (SHA-256 "
        f"{initial['weights_sha256'][:12]}), with the emotions {', '.join(initial['emotions'])}. "
        f"That model was trained on {', '.join(initial['speakers'])}.",
        "",
    )
