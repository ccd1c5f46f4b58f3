"""A trained system's answers on a labelled table, and the scores that follow from them."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from seqcap.audio.source import Source
from seqcap.audio.spectrogram import FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.corpora.labels import LABEL_SETS, LabelSet, apply_labels, label_set_named
from seqcap.corpora.speakers import speaker_key, spellings_of
from seqcap.errors import CorpusError, CorpusWarning
from seqcap.recognition.answers import NO_SPEECH
from seqcap.recognition.recognizer import Answer, Failure, Recognizer
from seqcap.recognition.speaker_groups import FEWEST_RECORDINGS, speaker_groups
from seqcap.scoring.bootstrap import bootstrap_scores, confusions_by_group, interval
from seqcap.scoring.coverage import accuracy_by_coverage
from seqcap.scoring.metrics import (
    calibration_error,
    most_probable,
    recalls,
    unweighted_accuracy,
    weighted_accuracy,
)


def load_rows(table: pd.DataFrame) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Loads the sound of every row, from its start to its end.

    Args:
        table: Columns `file`, `start` and `end`.

    Raises:
        AudioError: A recording cannot be read.
    """
    return list(row_waveforms(table))


def row_waveforms(table: pd.DataFrame) -> Iterator[np.ndarray[Any, np.dtype[np.float32]]]:
    """Loads the sound of one row after the other, as `load_rows`.

    Args:
        table: Columns `file`, `start` and `end`.
    """
    for file, start, end in zip(table["file"], table["start"], table["end"], strict=True):
        yield load_waveform(file, start_s=start or 0.0, end_s=None if pd.isna(end) else end)


def predict_table(
    recognizer: Recognizer,
    table: pd.DataFrame,
    emotions: Sequence[str] | None = None,
    progress: bool = False,
    know_speakers: bool = True,
    waveforms: Sequence[FloatArray] | None = None,
) -> pd.DataFrame:
    """Recognises every row of a table, as `Recognizer` does for users.

    Args:
        recognizer: The trained system. One that adapts to speakers uses all rows of a speaker, and
            those of all speakers with one or two rows together.
        table: Columns file, start, end and speaker; other columns are kept.
        emotions: Those that may be answered; the probabilities of the others are left out and the
            rest is scaled to sum to one. All emotions of the system if None.
        progress: Show a progress bar.
        know_speakers: If False, do not adapt: each row is recognised by itself.
        waveforms: Of the rows, as `load_rows` gives them; loaded if None.

    Returns:
        The table with one column of probabilities per emotion, and `predicted`, the first of the
        most probable ones, or "no speech" where probabilities are NaN.

    Raises:
        AudioError, CorpusError: A recording cannot be read.

    Example:
        >>> table = pd.DataFrame(
        ...     {"file": ["samples/emodb/15b09Wb.wav"], "start": 0.0, "end": None, "speaker": "15"}
        ... )
        >>> predict_table(Recognizer.from_pretrained(), table)["predicted"].tolist()
        ['anger']
    """
    if waveforms is None:
        waveforms = load_rows(table)
    sources = [(waveform, SAMPLE_RATE_HZ) for waveform in waveforms]
    kept = list(emotions or recognizer.emotions)
    given = track(
        _by_speaker(recognizer, sources, table["speaker"])
        if recognizer.is_speaker_adaptive and know_speakers
        else recognizer.recognize_many(sources, warn=False),  # `load_rows` has warned
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
    names = [*kept, NO_SPEECH]
    predicted = [names[place] for place in most_probable(probabilities)]
    return pd.concat([table, probabilities.assign(predicted=predicted)], axis=1)


def _by_speaker(
    recognizer: Recognizer, sources: Sequence[Source], speakers: "pd.Series[str]"
) -> Iterator[Answer | Failure]:
    """Answers in the order of the sources, each speaker's by what is known of them.

    Nothing is known of those without a name, whose speaker is unknown.
    """
    answers: dict[int, Answer | Failure] = {}
    people = speakers.map(speaker_key).to_numpy(str)
    named, unnamed = np.flatnonzero(people != ""), np.flatnonzero(people == "")
    groups = [named[own].tolist() for own in speaker_groups(people[named], FEWEST_RECORDINGS)]
    for own, adapt in [*((own, True) for own in groups), (unnamed.tolist(), False)]:
        recordings = [sources[place] for place in own]
        found = recognizer.recognize_speaker(recordings, adapt=adapt, warn=False)
        answers |= zip(own, found, strict=True)
    for place in range(len(sources)):
        yield answers[place]


def scores(predictions: pd.DataFrame, emotions: Sequence[str]) -> dict[str, Any]:
    """Scores predictions, Sec. VI-B.

    Args:
        predictions: As `predict_table` gives them, with the truth in the column `emotion`.
        emotions: In the order of the confusion matrix.

    Returns:
        utterances, speakers (named ones), wa, ua, ua_interval (95 %, over speakers; None for one
        speaker or where a row has no speaker), recall by emotion (None without utterances), ece,
        confusion (rows actual; a last column counts what has no answer, if there is any),
        coverage (see `accuracy_by_coverage`), by_speaker (utterances, wa, ua).

    Example:
        >>> predictions = pd.DataFrame(
        ...     {
        ...         "speaker": ["a", "b"],
        ...         "emotion": ["anger", "sadness"],
        ...         "anger": [0.9, 0.6],
        ...         "sadness": [0.1, 0.4],
        ...     }
        ... )
        >>> scores(predictions, ["anger", "sadness"])["ua"]
        0.5
    """
    order = {emotion: index for index, emotion in enumerate(emotions)}
    actual = predictions["emotion"].map(order).to_numpy()
    probabilities = predictions[list(emotions)].to_numpy()
    predicted = most_probable(probabilities)
    columns = len(emotions) + int((predicted < 0).any())  # -1 counts in the last one
    speakers = predictions["speaker"].astype(str).map(_spelled_once(predictions))
    names = sorted(set(speakers) - {""})
    matrices = confusions_by_group(
        speakers, [*names, ""], actual, predicted, (len(emotions), columns)
    )
    confusion, by_speaker = matrices.sum(axis=0), dict(zip(names, matrices, strict=False))
    ua_interval = None
    if "" not in set(speakers):
        ua_interval = interval(bootstrap_scores(matrices[:-1]).ua, len(names))
    return {
        "utterances": len(predictions),
        "speakers": len(by_speaker),
        "wa": weighted_accuracy(confusion),
        "ua": unweighted_accuracy(confusion),
        "ua_interval": ua_interval and list(ua_interval),
        "recall": {
            emotion: None if np.isnan(share) else float(share)
            for emotion, share in zip(emotions, recalls(confusion), strict=True)
        },
        "ece": calibration_error(probabilities, actual),
        "coverage": [each._asdict() for each in accuracy_by_coverage(probabilities, actual)],
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


def _spelled_once(predictions: pd.DataFrame) -> dict[str, str]:
    grouped = spellings_of(predictions["speaker"].astype(str))
    return {each: group[0] for group in grouped.values() for each in group}


def labelled_for(
    recognizer: Recognizer, table: pd.DataFrame
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Labels a table as a model was trained, with the emotions that both have.

    Args:
        recognizer: The model; what its label set merges is merged, what it leaves out left out.
        table: As `read_table` gives it.

    Returns:
        The rows kept, and the emotions in the order of the model's probabilities.

    Raises:
        CorpusError: Fewer than two emotions in common.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CorpusWarning)  # the caller tells what is left out
        try:
            labelled = apply_labels(table, _label_set_of(recognizer))
        except CorpusError:  # no row is left, which the model's emotions explain better
            labelled = table[:0]
    there = set(labelled["emotion"])
    common = tuple(emotion for emotion in recognizer.emotions if emotion in there)
    if len(common) < 2:
        raise CorpusError(
            f"the model knows {', '.join(recognizer.emotions)}; of these the table has "
            f"{', '.join(common) or 'none'}; at least two are needed"
        )
    return labelled, common


def _label_set_of(recognizer: Recognizer) -> LabelSet:
    name = recognizer.checkpoint.provenance.get("label_set", "").partition(":")[0]
    if name in LABEL_SETS or "," in name:
        label_set = label_set_named(name)
        if label_set.emotions == recognizer.emotions:  # it may have been another one since
            return label_set
    return label_set_named(",".join(recognizer.emotions))
