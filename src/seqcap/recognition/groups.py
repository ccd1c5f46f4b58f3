"""What recognises recordings, one model or several: from sources to answers, in their order."""

import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from seqcap.audio.channels import MIX
from seqcap.audio.source import Source
from seqcap.recognition.answers import Answer, Failure
from seqcap.recognition.prior_correction import balance_answers
from seqcap.recognition.recordings import (
    LoadedRecording,
    Segment,
    read_ahead,
    read_recording,
)

# Choice: samples of one speaker stay in memory up to an hour (230 MB); the rest is decoded twice.
_KEPT_S = 3600.0

Group = list[LoadedRecording | Failure]


class GroupRecognizer(ABC):
    """Recognises recordings of any number; each is decoded once.

    Attributes:
        abstain_below: Answers less sure than this are "uncertain"; 0 never abstains.
    """

    abstain_below: float

    @property
    @abstractmethod
    def emotions(self) -> tuple[str, ...]:
        """The emotions of the model, in the order of the probabilities."""

    @property
    @abstractmethod
    def is_speaker_adaptive(self) -> bool:
        """Whether `adapt_to_speaker` makes a difference."""

    @property
    @abstractmethod
    def worker_count(self) -> int:
        """How many groups of recordings are answered at the same time."""

    @abstractmethod
    def worker(self) -> Self:
        """The same for one group among several, with its share of the cores."""

    @abstractmethod
    def answer(self, recordings: Sequence[LoadedRecording], timeline: bool) -> list[Answer]:
        """Answers recordings that were decoded already, in their order.

        Args:
            recordings: As `read_recording` gives them.
            timeline: Also answer for each 2-s piece.
        """

    @abstractmethod
    def adapt_to_recordings(self, recordings: Iterable[LoadedRecording]) -> Self:
        """As `adapt_to_speaker`, for recordings that were decoded already.

        Args:
            recordings: Of the speaker, as `read_recording` gives them.

        Raises:
            SettingsError: A model was not trained to adapt.
        """

    def adapt_to_speaker(self, sources: Iterable[Source | Segment]) -> Self:
        """Adapts to one speaker's voice and microphone, without labels.

        Args:
            sources: Recordings of the speaker, as for `recognize`; what cannot be read is left
                out. To recognise these same recordings, use `recognize_speaker`.

        Raises:
            SettingsError: The model was not trained to adapt.

        Example:
            >>> from seqcap import Recognizer
            >>> Recognizer.from_pretrained().is_speaker_adaptive  # so it would refuse
            False
        """
        groups = read_ahead(sources, warn=False)
        return self.adapt_to_recordings(
            entry for group in groups for entry in group if isinstance(entry, LoadedRecording)
        )

    def recognize(
        self,
        source: Source,
        *,
        start_s: float = 0.0,
        end_s: float | None = None,
        name: str | None = None,
        channel: str | int = MIX,
        timeline: bool = True,
    ) -> Answer:
        """Recognises one recording.

        Args:
            source: Path, bytes, file object, or an array with its sampling rate.
            start_s: Where to begin, in seconds.
            end_s: Where to end; None for the end of the recording.
            name: What it is called in the answer and in errors; the source's own name if None.
            channel: ``mix``, the mean of all, ``left``, ``right``, or a number from 1 on.
            timeline: Also answer for each 2-s piece.

        Raises:
            AudioError: It cannot be read, or is too short or not made of numbers.

        Example:
            >>> from seqcap import Recognizer
            >>> recognizer = Recognizer.from_pretrained()
            >>> recognizer.recognize("samples/emodb/15b09Wb.wav", end_s=2.0).predicted
            'anger'
        """
        recording = read_recording(source, start_s=start_s, end_s=end_s, name=name, channel=channel)
        (answer,) = self.answer([recording], timeline)
        return answer

    def recognize_many(
        self, sources: Iterable[Source | Segment], *, timeline: bool = False, warn: bool = True
    ) -> Iterator[Answer | Failure]:
        """Recognises many recordings, those of similar length together.

        Memory does not grow with their number: a thread reads a few ahead of the answers taken.

        Args:
            sources: As for `recognize`, or a `Segment` for a part of one.
            timeline: Also answer for each 2-s piece.
            warn: Of silence and clipping.

        Yields:
            An answer, or a failure with its reason, for each source in its turn.

        Example:
            >>> from seqcap import Recognizer
            >>> paths = ["samples/emodb/15b09Wb.wav", "absent.wav"]
            >>> for result in Recognizer.from_pretrained().recognize_many(paths):
            ...     print(result.reason if isinstance(result, Failure) else result.predicted)
            anger
            absent.wav: no such file; check the path
        """
        for group in self.recognize_in_groups(sources, timeline=timeline, warn=warn):
            yield from group

    def recognize_in_groups(
        self, sources: Iterable[Source | Segment], *, timeline: bool = False, warn: bool = True
    ) -> Iterator[list[Answer | Failure]]:
        """As `recognize_many`, group by group as recordings go through the network together.

        Answers depend on their group, by rounding. So a job that is to end with the same bits
        after an interruption begins again with a whole group.

        Args:
            sources: As for `recognize_many`.
            timeline: Also answer for each 2-s piece.
            warn: Of silence and clipping.

        Yields:
            Up to 64 results, in the order of the sources.

        Example:
            >>> from seqcap import Recognizer
            >>> paths = ["samples/emodb/15b09Wb.wav", "samples/emodb/15b09Ta.wav"]
            >>> groups = Recognizer.from_pretrained().recognize_in_groups(paths)
            >>> [len(group) for group in groups]
            [2]
        """
        return _recognize_groups(self, read_ahead(sources, warn), timeline)

    def recognize_speaker(
        self,
        sources: Iterable[Source | Segment],
        *,
        adapt: bool | None = None,
        balanced_prior: bool = False,
        timeline: bool = False,
        warn: bool = True,
    ) -> Iterator[Answer | Failure]:
        """Recognises all recordings of one speaker, using what they have in common.

        Args:
            sources: All recordings of the speaker, as for `recognize`.
            adapt: Adapt to the speaker first; None: if the model was trained to.
            balanced_prior: Shift the class prior of the answers halfway to uniform. For a speaker
                whose emotions are roughly balanced, eight recordings or more. If a speaker is
                neutral nearly all the time, accuracy falls.
            timeline: Also answer for each 2-s piece.
            warn: Of silence and clipping.

        Yields:
            As `recognize_many`; the first answer comes after the last recording was read.

        Raises:
            SettingsError: `adapt` is set, and the model was not trained to adapt.

        Example:
            >>> from seqcap import Recognizer
            >>> paths = ["samples/emodb/15b09Wb.wav", "samples/emodb/15b09Ta.wav"]
            >>> recognizer = Recognizer.from_pretrained()
            >>> answers = recognizer.recognize_speaker(paths, balanced_prior=True)
            >>> [answer.predicted for answer in answers]
            ['anger', 'sadness']
        """
        groups: Iterable[Group] = read_ahead(sources, warn)
        recognizer = self
        if self.is_speaker_adaptive if adapt is None else adapt:
            groups = kept = _keep(groups)
            speaker = (r for group in kept for r in group if isinstance(r, LoadedRecording))
            recognizer = self.adapt_to_recordings(speaker)
        answered = _recognize_groups(recognizer, groups, timeline)
        answers = (answer for group in answered for answer in group)
        if not balanced_prior:
            yield from answers
        else:
            yield from balance_answers(list(answers), self.abstain_below)


def _recognize_groups(
    recognizer: GroupRecognizer, groups: Iterable[Group], timeline: bool
) -> Iterator[list[Answer | Failure]]:
    """Answers group by group, several groups at the same time; gives them in their order."""
    coming = iter(groups)
    known = list(itertools.islice(coming, 2))
    if len(known) < 2 or recognizer.worker_count == 1:
        for group in itertools.chain(known, coming):
            yield _answer_group(recognizer, group, timeline)
        return
    worker = recognizer.worker()
    waiting: deque[Future[list[Answer | Failure]]] = deque()
    with ThreadPoolExecutor(recognizer.worker_count, "seqcap-worker") as pool:
        for group in itertools.chain(known, coming):
            waiting.append(pool.submit(_answer_group, worker, group, timeline))
            if len(waiting) > recognizer.worker_count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _answer_group(
    recognizer: GroupRecognizer, group: Group, timeline: bool
) -> list[Answer | Failure]:
    """Answers a group; failures keep their places."""
    read = [entry for entry in group if isinstance(entry, LoadedRecording)]
    answers = iter(recognizer.answer(read, timeline))
    return [entry if isinstance(entry, Failure) else next(answers) for entry in group]


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
