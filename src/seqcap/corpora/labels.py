"""Label sets: which emotions are classes, and what was merged into them.

A label set is chosen at the start of anything and kept with the run, because "IEMOCAP, four
emotions" has meant at least four different sets of utterances.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seqcap.corpora.corpus import COLUMNS
from seqcap.corpora.emotions import EMOTIONS, UNDECIDED, canonical_emotion, nearest_emotion
from seqcap.errors import CorpusError, CorpusWarning

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LabelSet:
    """The emotions of a system, in the order of its outputs.

    Attributes:
        name: As given on the command line.
        emotions: In the order of the outputs.
        mapping: Emotion in the table -> emotion of the set; others are left out.
        part: Only this part of corpora that have parts (IEMOCAP: improvised, scripted); empty for
            all. Rows of corpora without parts are always kept.

    Example:
        >>> LABEL_SETS["paper4"].emotions
        ('neutral', 'anger', 'happiness', 'sadness')
    """

    name: str
    emotions: tuple[str, ...]
    mapping: Mapping[str, str] = field(hash=False)
    part: str = ""

    @property
    def description(self) -> str:
        """One line for people: emotions, merges and parts.

        Example:
            >>> print(LABEL_SETS["iemocap4_excited"].description)
            iemocap4_excited: neutral, anger, happiness (= happiness + excitement), sadness
        """
        emotions = []
        for emotion in self.emotions:
            sources = [source for source, target in self.mapping.items() if target == emotion]
            merged = f" (= {' + '.join(sources)})" if sources != [emotion] else ""
            emotions.append(emotion + merged)
        part = f"; only {self.part} where a corpus has parts" if self.part else ""
        return f"{self.name}: {', '.join(emotions)}{part}"


def _label_set(
    name: str,
    emotions: str,
    merged: Mapping[str, str] | None = None,
    part: str = "",
) -> LabelSet:
    names = tuple(emotions.split())
    return LabelSet(name, names, {e: e for e in names} | dict(merged or {}), part)


_FOUR = "neutral anger happiness sadness"
_EXCITED = {"excitement": "happiness"}

LABEL_SETS: dict[str, LabelSet] = {
    label_set.name: label_set
    for label_set in (
        # The paper, Sec. VI-A: improvised, excitement left out. IEMOCAP: 1099/289/284/608.
        _label_set("paper4", _FOUR, part="improvised"),
        _label_set("paper4_excited", _FOUR, _EXCITED, part="improvised"),
        _label_set("iemocap4", _FOUR),
        # The widest used set of IEMOCAP: improvised and scripted, 5,531 utterances.
        _label_set("iemocap4_excited", _FOUR, _EXCITED),
        _label_set("iemocap4_scripted", _FOUR, part="scripted"),
        _label_set("emodb7", f"{_FOUR} fear disgust boredom"),
        _label_set("ravdess8", f"{_FOUR} fear disgust surprise calm"),
        _label_set("ravdess7", f"{_FOUR} fear disgust surprise", {"calm": "neutral"}),
        _label_set("nemo6", f"{_FOUR} fear surprise"),
        _label_set("crema6", f"{_FOUR} fear disgust"),
        _label_set("savee7", f"{_FOUR} fear disgust surprise"),
        _label_set("tess7", f"{_FOUR} fear disgust surprise"),
        _label_set("emovo7", f"{_FOUR} fear disgust surprise"),
        _label_set("urdu4", _FOUR),
        # Of five corpora together, with `masked_loss`.
        _label_set("seven", f"{_FOUR} fear disgust surprise"),
    )
}


def label_set_named(name: str, table: pd.DataFrame | None = None) -> LabelSet:
    """Finds a label set by name, or makes one from `anger,sadness,...` or `all`.

    Args:
        name: One of `LABEL_SETS`; or emotions separated by commas, where `happiness+excitement`
            merges into the first; or `all`, every emotion of the table.
        table: Column emotion; needed for `all`.

    Raises:
        CorpusError: No such name; fewer than two emotions; one emotion twice.

    Example:
        >>> label_set_named("angry,happy+excited").mapping
        {'anger': 'anger', 'happiness': 'happiness', 'excitement': 'happiness'}
    """
    if name in LABEL_SETS:
        return LABEL_SETS[name]
    if name == "all" and table is not None:
        groups = [[emotion] for emotion in _emotions_of(table)]
    elif "," in name:
        groups = [
            [canonical_emotion(e) or e.strip() for e in group.split("+")]
            for group in name.split(",")
        ]
    else:
        raise CorpusError(
            f"{name}: no label set of this name; there are {', '.join(LABEL_SETS)}, or 'all', or "
            "emotions with commas between them"
        )
    sets = [group[0] for group in groups if group[0] in LABEL_SETS]
    if sets:
        others = [each for each in name.split(",") if each.strip() != sets[0]]
        raise CorpusError(
            f"{name}: '{sets[0]}' is a label set and cannot stand in a list of emotions; write "
            f"{','.join([*LABEL_SETS[sets[0]].emotions, *others])}"
        )
    mapping = {emotion: group[0] for group in groups for emotion in group}
    columns = [group[0] for group in groups if group[0] in (*COLUMNS, "predicted", "truth")]
    if columns:
        raise CorpusError(
            f"{name}: '{columns[0]}' is a column of tables and cannot be an emotion; rename it"
        )
    if len(mapping) < sum(map(len, groups)) or len(groups) < 2 or "" in mapping:
        came = ", ".join("+".join(group) for group in groups)
        raise CorpusError(
            f"{name}: {came} came; at least two emotions, none of them twice, were expected"
        )
    return LabelSet(name, tuple(group[0] for group in groups), mapping)


def apply_labels(table: pd.DataFrame, label_set: LabelSet) -> pd.DataFrame:
    """Keeps the rows whose emotion is in the set, with the set's name of it.

    Args:
        table: As `read_table` gives it; column emotion.
        label_set: See `LABEL_SETS`.

    Returns:
        The rows kept, in order, numbered from 0.

    Raises:
        CorpusError: No row is left.

    Warns:
        CorpusWarning: An emotion of the set has no row.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"emotion": ["anger", "boredom", "neutral"]})
        >>> pair = label_set_named("neutral,anger")
        >>> apply_labels(table, pair)["emotion"].tolist()
        ['anger', 'neutral']
    """
    emotions = table["emotion"].map(label_set.mapping)
    kept = emotions.notna()
    if label_set.part and "part" in table:
        kept &= table["part"].isin(["", label_set.part])
    if not kept.any():
        raise CorpusError(
            f"the table's emotions are {', '.join(_emotions_of(table)) or 'none'}; none is in "
            f"the label set {label_set.description}; choose another label set"
        )
    _warn_of_unknown(table["emotion"], label_set)
    missing = [e for e in label_set.emotions if e not in set(emotions[kept])]
    if missing:
        hints = {
            word: nearest
            for word in missing
            if word not in EMOTIONS and (nearest := nearest_emotion(word))
        }
        meant = "".join(f"; did you mean {of!r} by {word!r}?" for word, of in hints.items())
        warnings.warn(
            f"the table has no {', '.join(missing)}, which the label set {label_set.name} tells "
            f"apart{meant}",
            CorpusWarning,
            stacklevel=2,
        )
    return table.assign(emotion=emotions)[kept].reset_index(drop=True)


def _warn_of_unknown(labels: pd.Series[str], label_set: LabelSet) -> None:
    """Names the words that may be misspelt emotions, with the nearest one."""
    known = {*EMOTIONS, UNDECIDED, "", *label_set.mapping}
    counts = labels[~labels.isin(known)].value_counts()
    told = []
    for label, count in counts.items():
        nearest = nearest_emotion(str(label))
        hint = f", did you mean {nearest!r}?" if nearest else ""
        told.append(f"{label!r} in {count:,} row{'s' * (count > 1)}{hint}")
    if told:
        more = f" and {len(told) - 5:,} others" if len(told) > 5 else ""
        warnings.warn(
            f"no emotions of the label set {label_set.name}, left out: {'; '.join(told[:5])}{more}",
            CorpusWarning,
            stacklevel=3,
        )


def _emotions_of(table: pd.DataFrame) -> list[str]:
    found = set(table["emotion"]) - {"", UNDECIDED}
    return [e for e in EMOTIONS if e in found] + sorted(found - set(EMOTIONS))
