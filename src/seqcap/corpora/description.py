"""Counts of a corpus table: utterances by speaker and emotion, and their durations."""

import os
from dataclasses import dataclass

import pandas as pd

from seqcap.corpora.audio_info import durations_s
from seqcap.corpora.emotions import EMOTIONS
from seqcap.files import atomic_write


@dataclass(frozen=True)
class Durations:
    """Statistics of the utterances' durations.

    Attributes:
        total_h: Sum, hours.
        mean_s: Mean, s.
        minimum_s: Shortest, s.
        median_s: Median, s.
        p95_s: 95th percentile, s.
        maximum_s: Longest, s.
        unknown: Number of utterances that cannot be measured.
    """

    total_h: float
    mean_s: float
    minimum_s: float
    median_s: float
    p95_s: float
    maximum_s: float
    unknown: int


def count_speakers_by_emotions(table: pd.DataFrame) -> pd.DataFrame:
    """Counts utterances, one row a speaker, one column an emotion, with sums at the ends.

    Args:
        table: Columns `speaker` and `emotion`.

    Example:
        >>> table = pd.DataFrame({"speaker": ["a", "a", "b"], "emotion": ["anger", "calm", "calm"]})
        >>> count_speakers_by_emotions(table).loc["all"].to_dict()
        {'anger': 1, 'calm': 2, 'all': 3}
    """
    counts = pd.crosstab(table["speaker"], table["emotion"], margins=True, margins_name="all")
    found = [str(emotion) for emotion in counts.columns if emotion != "all"]
    known = [emotion for emotion in EMOTIONS if emotion in found]
    return counts[[*known, *sorted(set(found) - set(known)), "all"]]


def summarise_durations(table: pd.DataFrame) -> Durations:
    """Sums up how long the utterances are, from the files' headers.

    Args:
        table: Columns `file`, `start` and `end`.

    Example:
        >>> table = pd.DataFrame({"file": "a.wav", "start": [0.0, 2.0], "end": [1.5, 3.0]})
        >>> summarise_durations(table).mean_s
        1.25
    """
    lengths = durations_s(table)
    known = lengths.dropna()
    return Durations(
        total_h=float(known.sum()) / 3600,
        mean_s=float(known.mean()),
        minimum_s=float(known.min()),
        median_s=float(known.median()),
        p95_s=float(known.quantile(0.95)),
        maximum_s=float(known.max()),
        unknown=int(lengths.isna().sum()),
    )


def plot_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Draws utterances by speaker and emotion, and their durations, into one picture.

    Args:
        table: as `read_table` gives it.
        path: the picture; its ending says the format (`.png`, `.svg`, `.pdf`).
    """
    # Not pyplot: no window, no state left behind. Imported here, for it takes a second.
    from matplotlib.figure import Figure

    counts = count_speakers_by_emotions(table).drop(index="all", columns="all")
    figure = Figure(figsize=(max(7.0, 0.3 * len(counts)), 7.0), layout="constrained")
    by_speaker, by_length = figure.subplots(2)
    bottom = pd.Series(0, index=counts.index)
    for emotion in counts.columns:
        by_speaker.bar(counts.index, counts[emotion], bottom=bottom, label=emotion)
        bottom += counts[emotion]
    by_speaker.set_ylabel("utterances")
    by_speaker.tick_params(axis="x", rotation=90)
    by_speaker.legend(ncols=4, fontsize="small")
    lengths = durations_s(table)
    by_length.boxplot(
        [lengths[table["emotion"] == emotion].dropna() for emotion in counts.columns],
        tick_labels=list(counts.columns),
    )
    by_length.set_ylabel("duration of the utterances / s")
    with atomic_write(path) as temporary:
        figure.savefig(temporary)
