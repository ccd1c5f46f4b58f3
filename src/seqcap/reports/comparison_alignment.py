"""Answers of several, brought to the same utterances, emotions, truths and speakers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from seqcap.errors import SettingsError
from seqcap.reports.comparison_matching import common_utterances, match_utterances
from seqcap.reports.comparison_predictions import Predictions


@dataclass(frozen=True)
class AlignedPredictions:
    """One contestant on the utterances of all.

    Attributes:
        name: What it is called.
        rows: Columns key (which utterance), group (who speaks, "" if unknown), actual and
            predicted (indices of emotions; as many as there are: none of them), fold, seed.
        test_share: As of the predictions.
    """

    name: str
    rows: pd.DataFrame
    test_share: float | None


def common_emotions(compared: Sequence[Predictions]) -> tuple[str, ...]:
    """Lists the emotions that all sources have, in the order of the first source.

    Args:
        compared: Predictions of each source.

    Raises:
        SettingsError: There are fewer than two, or there is no ground truth.
    """
    known = [one for one in compared if one.emotions]
    if not known:
        raise _no_ground_truth(compared)
    common = [
        emotion for emotion in known[0].emotions if all(emotion in one.emotions for one in known)
    ]
    if len(common) < 2:
        sets = "; ".join(f"{one.name}: {', '.join(one.emotions)}" for one in known)
        raise SettingsError(f"fewer than two emotions in common ({sets}); at least two are needed")
    return tuple(common)


def align(
    compared: Sequence[Predictions], emotions: tuple[str, ...]
) -> tuple[list[AlignedPredictions], list[str]]:
    """Keeps the utterances that all sources have, with one truth and one speaker each.

    Args:
        compared: At least two.
        emotions: As `common_emotions` gives them.

    Returns:
        The aligned predictions of each source, and notes on what was left out.

    Raises:
        SettingsError: No utterance is left, no ground truth, or two predictions of one utterance in
            one run.

    Example:
        >>> one = pd.DataFrame({"file": ["1.wav", "2.wav"], "start": "", "speaker": "a", "fold": "",
        ...                     "truth": "anger", "predicted": "anger", "seed": ""})
        >>> both = [Predictions("one", one, (), None), Predictions("other", one[:1], (), None)]
        >>> sides, notes = align(both, ("anger", "sadness"))
        >>> [len(side.rows) for side in sides]
        [1, 1]
    """
    keys = match_utterances([one.answers for one in compared])
    names = [one.name for one in compared]
    common, notes = common_utterances(names, keys)
    truths: dict[str, dict[str, str]] = {key: {} for key in common}  # and who tells it
    speakers: dict[object, str] = {}
    for one, key in zip(compared, keys, strict=True):
        told = zip(key, one.answers["truth"], one.answers["speaker"], strict=True)
        for utterance, truth, speaker in told:
            if utterance in truths:
                if truth:
                    truths[utterance].setdefault(truth, one.name)
                speakers[utterance] = speakers.get(utterance) or speaker
    if not any(truths.values()):
        raise _no_ground_truth(compared)
    notes += _without_one_truth(truths)
    kept = {key: next(iter(told)) for key, told in truths.items() if len(told) == 1}
    if not kept:
        raise SettingsError(f"nothing is left to compare: {' '.join(notes)}")
    within = {key: truth for key, truth in kept.items() if truth in emotions}
    notes += _other_emotions(compared, keys, kept, emotions)
    if not within:
        raise SettingsError(f"no common utterance is {' or '.join(emotions)}; nothing is left")
    order = {emotion: place for place, emotion in enumerate(emotions)}
    sides = []
    for one, key in zip(compared, keys, strict=True):
        rows = one.answers.assign(key=key)
        rows = rows[rows["key"].isin(list(within))].reset_index(drop=True)
        twice = rows.duplicated(["key", "fold", "seed"])
        if twice.any():
            file = rows["file"][twice].iloc[0]
            raise SettingsError(f"{one.name}: two answers to {file}; one of each run is expected")
        rows = rows.assign(
            group=rows["key"].map(speakers),
            actual=rows["key"].map(within).map(order),
            predicted=rows["predicted"].map(order).fillna(len(emotions)).astype(int),
        )
        sides.append(AlignedPredictions(one.name, rows, one.test_share))
    return sides, notes


def _no_ground_truth(compared: Sequence[Predictions]) -> SettingsError:
    names = ", ".join(one.name for one in compared)
    return SettingsError(f"{names}: no ground truth; one of the tables needs a column 'truth'")


def _without_one_truth(truths: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Says how many utterances have no truth, or several, with an example of these."""
    notes = []
    unknown = [key for key, told in truths.items() if not told]
    disputed = [key for key, told in truths.items() if len(told) > 1]
    if unknown:
        notes.append(f"{len(unknown):,} of them are left out: they have no ground truth.")
    if disputed:
        who = ", ".join(f"{truth} says {name}" for truth, name in truths[disputed[0]].items())
        notes.append(
            f"{len(disputed):,} of them are left out: more than one truth is told of them, as of "
            f"{disputed[0]} ({who})."
        )
    return notes


def _other_emotions(
    compared: Sequence[Predictions],
    keys: Sequence["pd.Series[str]"],
    truths: Mapping[str, str],
    emotions: Sequence[str],
) -> list[str]:
    """Says what becomes of utterances and answers that are none of the common emotions."""
    words = sorted({truth for truth in truths.values() if truth not in emotions})
    count = sum(truth not in emotions for truth in truths.values())
    notes = []
    if count:
        notes.append(f"Not all tell {', '.join(words)} apart: {count:,} utterances of these "
                     "emotions are left out.")  # fmt: skip
    for one, key in zip(compared, keys, strict=True):
        scored = key.map(truths).isin(list(emotions))
        answers = one.answers["predicted"][scored]
        others = answers[~answers.isin(list(emotions))]
        if len(others):
            said = ", ".join(
                f"{word or 'nothing'} ({n:,})" for word, n in others.value_counts().items()
            )
            notes.append(f"{one.name} answers what is none of these emotions, which counts as "
                         f"wrong: {said}.")  # fmt: skip
    return notes
