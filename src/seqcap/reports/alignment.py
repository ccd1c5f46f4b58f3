"""Answers of several, brought to the same utterances, emotions, truths and speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from seqcap.errors import SettingsError
from seqcap.reports.contestants import Contestant
from seqcap.reports.matching import common_utterances, match_utterances


@dataclass(frozen=True)
class Side:
    """One contestant on the utterances of all.

    Attributes:
        name: What it is called.
        rows: Columns key (which utterance), group (who speaks, "" if nobody tells), actual and
            predicted (indices of emotions; as many as there are: none of them), fold, seed.
        test_share: As of the contestant.
    """

    name: str
    rows: pd.DataFrame
    test_share: float | None


def common_emotions(contestants: Sequence[Contestant]) -> tuple[str, ...]:
    """Lists the emotions that all tell apart, in the first one's order.

    Raises:
        SettingsError: There are fewer than two.
    """
    common = [
        emotion
        for emotion in contestants[0].emotions
        if all(emotion in one.emotions for one in contestants)
    ]
    if len(common) < 2:
        sets = "; ".join(f"{one.name}: {', '.join(one.emotions)}" for one in contestants)
        raise SettingsError(f"fewer than two emotions in common ({sets}); at least two are needed")
    return tuple(common)


def align(
    contestants: Sequence[Contestant], emotions: tuple[str, ...]
) -> tuple[list[Side], list[str]]:
    """Keeps the utterances of all, with one truth and one speaker each.

    Args:
        contestants: Two at least.
        emotions: As `common_emotions` gives them.

    Returns:
        Each one's answers, and what is to be said of what was left out.

    Raises:
        SettingsError: No utterance is left, nobody tells the truth, or one answers the same
            utterance twice in one run.
    """
    keys = match_utterances([one.answers for one in contestants])
    names = [one.name for one in contestants]
    common, notes = common_utterances(names, keys)
    truths: dict[object, set[str]] = {key: set() for key in common}
    speakers: dict[object, str] = {}
    for one, key in zip(contestants, keys, strict=True):
        told = zip(key, one.answers["truth"], one.answers["speaker"], strict=True)
        for utterance, truth, speaker in told:
            if utterance in truths:
                truths[utterance] |= {truth} - {""}
                speakers[utterance] = speakers.get(utterance) or speaker
    if not any(truths.values()):
        raise SettingsError(f"{', '.join(names)}: nobody tells the truth; a column 'truth' in one "
                            "of them is expected")  # fmt: skip
    kept = {key: found.pop() for key, found in truths.items() if len(found) == 1}
    if len(kept) < len(common):
        notes.append(f"{len(common) - len(kept):,} of them are left out: none or more than one "
                     "truth is told of them.")  # fmt: skip
    within = {key: truth for key, truth in kept.items() if truth in emotions}
    left = {emotion for one in contestants for emotion in one.emotions} - set(emotions)
    if left:
        notes.append(
            f"Not all tell {', '.join(sorted(left))} apart: {len(kept) - len(within):,} utterances "
            "of these emotions are left out, and these answers to others count as wrong."
        )
    if not within:
        raise SettingsError(f"no common utterance is {' or '.join(emotions)}; nothing is left")
    order = {emotion: place for place, emotion in enumerate(emotions)}
    sides = []
    for one, key in zip(contestants, keys, strict=True):
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
        sides.append(Side(one.name, rows, one.test_share))
    return sides, notes
