"""A trained system's answers on a labelled table, and the scores that follow from them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from seqcap.audio.source import Source
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.errors import CorpusError
from seqcap.experiments.metrics import (
    Matrix,
    calibration_error,
    confusion_matrix,
    recalls,
    unweighted_accuracy,
    weighted_accuracy,
)
from seqcap.recognition.recognizer import Answer, Failure, Recognizer


def load_rows(table: pd.DataFrame) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Loads the sound of every row, from its start to its end.

    Raises:
        AudioError: A recording cannot be read.
    """
    return [
        load_waveform(file, start_s=start or 0.0, end_s=None if pd.isna(end) else end)
        for file, start, end in zip(table["file"], table["start"], table["end"], strict=True)
    ]


def predict_table(
    recognizer: Recognizer,
    table: pd.DataFrame,
    emotions: Sequence[str] | None = None,
    progress: bool = False,
    know_speakers: bool = True,
) -> pd.DataFrame:
    """Recognises every row of a table, by the way that users take.

    A system that adapts to speakers hears each with all rows of theirs.

    Args:
        recognizer: The trained system.
        table: Rows with file, start and end; other columns are kept.
        emotions: Those that may be answered; the others' probabilities are left out and the rest
            scaled to sum to one. All that the system tells apart if None.
        progress: Show how far it is.
        know_speakers: Or hear each row as if nothing else were known of its speaker.

    Returns:
        The table with one column of probabilities per emotion, and `predicted`.

    Raises:
        AudioError, CorpusError: A recording cannot be read.
    """
    sources = [(waveform, SAMPLE_RATE_HZ) for waveform in load_rows(table)]
    kept = list(emotions or recognizer.emotions)
    given = track(
        _by_speaker(recognizer, sources, table["speaker"])
        if recognizer.adapts and know_speakers
        else recognizer.recognize_many(sources),
        "recognising",
        total=len(sources),
        console=Console(stderr=True),
        disable=not progress,
    )
    answers = []
    for file, answer in zip(table["file"], given, strict=True):
        if isinstance(answer, Failure):
            raise CorpusError(f"{file}: {answer.reason}")
        answers.append([answer.probabilities[emotion] for emotion in kept])
    probabilities = pd.DataFrame(answers, index=table.index, columns=kept)
    if emotions is not None:
        probabilities = probabilities.div(probabilities.sum(axis=1), axis=0)
    return pd.concat([table, probabilities.assign(predicted=probabilities.idxmax(axis=1))], axis=1)


def _by_speaker(
    recognizer: Recognizer, sources: Sequence[Source], speakers: "pd.Series[str]"
) -> Iterator[Answer | Failure]:
    """Answers in the order of the sources, each speaker's by what is known of them."""
    answers: dict[int, Answer | Failure] = {}
    for speaker in speakers.unique():
        own = np.flatnonzero(speakers == speaker).tolist()
        recordings = [sources[place] for place in own]
        adapted = recognizer.of_speaker(recordings)
        answers |= zip(own, adapted.recognize_many(recordings), strict=True)
    for place in range(len(sources)):
        yield answers[place]


def scores(predictions: pd.DataFrame, emotions: Sequence[str]) -> dict[str, Any]:
    """Scores of predictions, Sec. VI-B.

    Args:
        predictions: As `predict_table` gives them, with the truth in `emotion`.
        emotions: In the order of the confusion matrix.

    Returns:
        utterances, speakers, wa, ua, ua_interval (95 %, over speakers; None for one speaker),
        recall by emotion, ece, confusion (rows actual), by_speaker (utterances, wa, ua).
    """
    order = {emotion: index for index, emotion in enumerate(emotions)}
    actual = predictions["emotion"].map(order).to_numpy()
    probabilities = predictions[list(emotions)].to_numpy()
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(actual, predicted, len(emotions))
    people = predictions["speaker"].to_numpy()
    by_speaker = {
        str(speaker): confusion_matrix(
            actual[people == speaker], predicted[people == speaker], len(emotions)
        )
        for speaker in sorted(set(people))
    }
    interval = None
    if len(by_speaker) > 1:
        interval = list(bootstrap_interval(list(by_speaker.values())))
    return {
        "utterances": len(predictions),
        "speakers": int(predictions["speaker"].nunique()),
        "wa": weighted_accuracy(confusion),
        "ua": unweighted_accuracy(confusion),
        "ua_interval": interval,
        "recall": dict(zip(emotions, recalls(confusion).tolist(), strict=True)),
        "ece": calibration_error(probabilities, actual),
        "confusion": confusion.tolist(),
        "by_speaker": {
            speaker: {
                "utterances": int(one.sum()),
                "wa": weighted_accuracy(one),
                "ua": unweighted_accuracy(one),
            }
            for speaker, one in by_speaker.items()
        },
    }


def bootstrap_interval(
    confusions: Sequence[Matrix], draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the UA when the speakers had been others, by bootstrap over speakers.

    Args:
        confusions: One confusion matrix for each speaker.
        draws: How often speakers are drawn.
        seed: Of the drawing.

    Example:
        >>> bootstrap_interval([[[3, 1], [0, 4]]] * 2)
        (0.875, 0.875)
    """
    matrices = np.stack(confusions)
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(matrices), (draws, len(matrices)))
    values = [unweighted_accuracy(matrices[choice].sum(axis=0)) for choice in drawn]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def emotions_in_common(recognizer: Recognizer, table: pd.DataFrame) -> tuple[str, ...]:
    """Finds the emotions that a model tells apart and a table has.

    Args:
        recognizer: The model.
        table: As `read_table` gives it.

    Returns:
        In the order of the model's probabilities.

    Raises:
        CorpusError: Fewer than two.
    """
    there = set(table["emotion"])
    common = tuple(emotion for emotion in recognizer.emotions if emotion in there)
    if len(common) < 2:
        raise CorpusError(
            f"the model tells apart {', '.join(recognizer.emotions)}; of these the table has "
            f"{', '.join(common) or 'none'}; at least two are needed"
        )
    return common
