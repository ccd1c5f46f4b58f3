"""A trained system's answers on a labelled table, and the scores that follow from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.corpora.labels import apply_labels, label_set_named
from seqcap.corpora.writing import written_whole
from seqcap.errors import CorpusError
from seqcap.experiments.metrics import (
    calibration_error,
    confusion_matrix,
    recalls,
    unweighted_accuracy,
    weighted_accuracy,
)
from seqcap.recognition.recognizer import Failure, Recognizer

WHAT_SCORES_MEAN = (
    "WA: share of all utterances that are right (accuracy, Eq. 11). "
    "UA: mean over emotions of the share that is right (mean recall, Eq. 12)."
)
CARD_MARKER = "<!-- scores -->"


def load_rows(table: pd.DataFrame) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Loads the sound of every row, from its start to its end.

    Raises:
        AudioError: A recording cannot be read.
    """
    return [
        load_waveform(file, start_s=start or 0.0, end_s=None if pd.isna(end) else end)
        for file, start, end in zip(table["file"], table["start"], table["end"], strict=True)
    ]


def predict_table(recognizer: Recognizer, table: pd.DataFrame) -> pd.DataFrame:
    """Recognises every row of a table, by the way that users take.

    Args:
        recognizer: The trained system.
        table: Rows with file, start and end; other columns are kept.

    Returns:
        The table with one column of probabilities per emotion, and `predicted`.

    Raises:
        AudioError, CorpusError: A recording cannot be read.
    """
    sources = [(waveform, SAMPLE_RATE_HZ) for waveform in load_rows(table)]
    answers = []
    for file, answer in zip(table["file"], recognizer.recognize_many(sources), strict=True):
        if isinstance(answer, Failure):
            raise CorpusError(f"{file}: {answer.reason}")
        answers.append({**answer.probabilities, "predicted": answer.predicted})
    return pd.concat([table, pd.DataFrame(answers, index=table.index)], axis=1)


def scores(predictions: pd.DataFrame, emotions: Sequence[str]) -> dict[str, Any]:
    """Scores of predictions, Sec. VI-B.

    Args:
        predictions: As `predict_table` gives them, with the truth in `emotion`.
        emotions: In the order of the confusion matrix.

    Returns:
        utterances, speakers, wa, ua, recall by emotion, confusion (rows actual), ece.
    """
    order = {emotion: index for index, emotion in enumerate(emotions)}
    actual = predictions["emotion"].map(order).to_numpy()
    probabilities = predictions[list(emotions)].to_numpy()
    confusion = confusion_matrix(actual, probabilities.argmax(axis=1), len(emotions))
    return {
        "utterances": len(predictions),
        "speakers": int(predictions["speaker"].nunique()),
        "wa": weighted_accuracy(confusion),
        "ua": unweighted_accuracy(confusion),
        "recall": dict(zip(emotions, recalls(confusion).tolist(), strict=True)),
        "ece": calibration_error(probabilities, actual),
        "confusion": confusion.tolist(),
    }


def bootstrap_interval(
    predictions: pd.DataFrame, emotions: Sequence[str], draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the UA when the speakers had been others, by bootstrap over speakers.

    Args:
        predictions: As for `scores`; two speakers at least, else the interval is a point.
        emotions: As for `scores`.
        draws: How often speakers are drawn.
        seed: Of the drawing.
    """
    order = {emotion: index for index, emotion in enumerate(emotions)}
    matrices = np.stack(
        [
            confusion_matrix(
                rows["emotion"].map(order),
                rows[list(emotions)].to_numpy().argmax(axis=1),
                len(emotions),
            )
            for _, rows in predictions.groupby("speaker")
        ]
    )
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(matrices), (draws, len(matrices)))
    values = [unweighted_accuracy(matrices[choice].sum(axis=0)) for choice in drawn]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def report(
    all_scores: Mapping[str, Mapping[str, Mapping[str, Any]]], emotions: Sequence[str]
) -> str:
    """Scores as Markdown: a table of WA and UA, and a confusion matrix for each corpus.

    Args:
        all_scores: Part, then corpus or "all", then what `scores` gives.
        emotions: In the order of the confusion matrices.
    """
    lines = [
        WHAT_SCORES_MEAN,
        "",
        f"| part | corpus | utterances | speakers | WA | UA | {' | '.join(emotions)} | ECE |",
        f"|---|---|--:|--:|--:|--:|{'--:|' * (len(emotions) + 1)}",
    ]
    for part, corpora in all_scores.items():
        for corpus, score in corpora.items():
            recall = " | ".join(f"{score['recall'][emotion]:.3f}" for emotion in emotions)
            lines.append(
                f"| {part} | {corpus} | {score['utterances']} | {score['speakers']} "
                f"| {score['wa']:.3f} | {score['ua']:.3f} | {recall} | {score['ece']:.3f} |"
            )
    for part, corpora in all_scores.items():
        for corpus, score in corpora.items():
            lines += ["", f"{part}, {corpus}: rows actual, columns predicted", ""]
            lines.append(f"| | {' | '.join(emotions)} |")
            lines.append(f"|---|{'--:|' * len(emotions)}")
            lines += [
                f"| {emotion} | {' | '.join(map(str, row))} |"
                for emotion, row in zip(emotions, score["confusion"], strict=True)
            ]
    return "\n".join(lines)


def labelled_for(recognizer: Recognizer, table: pd.DataFrame) -> pd.DataFrame:
    """Keeps the rows whose emotion the model can answer, and says what it left out.

    Raises:
        CorpusError: No row is left.
    """
    emotions = recognizer.emotions
    kept = apply_labels(table, label_set_named(",".join(emotions)))
    if kept.empty:
        raise CorpusError(
            f"no row is labelled {', '.join(emotions)}, which is all the model can answer"
        )
    return kept.reset_index(drop=True)


def write_card(card: Path, text: str, marker: str = CARD_MARKER) -> None:
    """Puts text into a model card, between two lines of a marker.

    Raises:
        CorpusError: The card is missing or has not the marker twice.
    """
    pieces = card.read_text("utf-8").split(marker) if card.is_file() else []
    if len(pieces) != 3:
        raise CorpusError(f"{card}: a file with two lines {marker} is expected")
    with written_whole(card) as path:
        path.write_text(f"{pieces[0]}{marker}\n\n{text}\n\n{marker}{pieces[2]}", "utf-8")
