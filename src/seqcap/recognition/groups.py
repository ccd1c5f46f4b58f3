"""From sources to answers in their order, whatever recognises them: one model or several."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, Self

from seqcap.audio.source import Source
from seqcap.recognition.answers import Answer, Failure
from seqcap.recognition.prior_correction import balance_answers
from seqcap.recognition.recordings import LoadedRecording, Segment, read_ahead

# Choice: samples of one speaker stay in memory up to an hour (230 MB); the rest is decoded twice.
_KEPT_S = 3600.0

Group = list[LoadedRecording | Failure]


class Answering(Protocol):
    """What answers recordings that were decoded."""

    abstain_below: float

    def answer(self, recordings: Sequence[LoadedRecording], timeline: bool) -> list[Answer]:
        """Answers recordings, in their order."""

    def adapt_to_recordings(self, recordings: Iterable[LoadedRecording]) -> Self:
        """The same for the speaker of these recordings."""


def recognize_groups(
    recognizer: Answering, groups: Iterable[Group], timeline: bool
) -> Iterator[Answer | Failure]:
    """Answers group by group; failures keep their places.

    Args:
        recognizer: One model, or several.
        groups: As `read_ahead` gives them.
        timeline: Also answer for each 2-s piece.
    """
    for group in groups:
        read = [entry for entry in group if isinstance(entry, LoadedRecording)]
        answers = iter(recognizer.answer(read, timeline))
        for entry in group:
            yield entry if isinstance(entry, Failure) else next(answers)


def recognize_one_speaker(
    recognizer: Answering,
    sources: Iterable[Source | Segment],
    *,
    adapt: bool,
    balanced_prior: bool,
    timeline: bool,
    warn: bool,
) -> Iterator[Answer | Failure]:
    """Answers all recordings of one speaker; each is decoded once and answered once.

    Arguments as `Recognizer.recognize_speaker`.
    """
    groups: Iterable[Group] = read_ahead(sources, warn)
    if adapt:
        kept = _keep(groups)
        speaker = (r for group in kept for r in group if isinstance(r, LoadedRecording))
        recognizer = recognizer.adapt_to_recordings(speaker)
        groups = kept
    answers = recognize_groups(recognizer, groups, timeline)
    if not balanced_prior:
        yield from answers
    else:
        yield from balance_answers(list(answers), recognizer.abstain_below)


def _keep(groups: Iterable[Group]) -> list[Group]:
    kept: list[Group] = []
    kept_s = 0.0
    for group in groups:
        kept.append([])
        for entry in group:
            if isinstance(entry, LoadedRecording):
                kept_s += entry.end_s - entry.start_s
                kept[-1].append(entry if kept_s <= _KEPT_S else entry.release())
            else:
                kept[-1].append(entry)
    return kept
