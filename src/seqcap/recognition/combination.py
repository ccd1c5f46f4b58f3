"""Finished systems that answer as one: ``CNN_GRU + CNN_SeqCap``, Sec. VI-F, Table V."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

from seqcap.audio.source import Source
from seqcap.errors import CheckpointError
from seqcap.recognition.answers import Answer, Failure, decide
from seqcap.recognition.recognizer import Recognizer


class Combination:
    """The average of several recognizers' probabilities.

    Args:
        recognizers: Of the same emotions in the same order, with any systems and normalisations.
        abstain_below: Averages less sure than this are "uncertain"; 0 never abstains.

    Raises:
        CheckpointError: They do not tell the same emotions apart.

    Example:
        >>> import numpy as np
        >>> pretrained = Recognizer.from_pretrained()
        >>> tone = (np.sin(np.arange(16000) / 9).astype("float32"), 16000)
        >>> twice = Combination([pretrained, pretrained])
        >>> twice.recognize(tone) == pretrained.recognize(tone)
        True
    """

    def __init__(self, recognizers: Sequence[Recognizer], abstain_below: float = 0.0) -> None:
        self.recognizers = recognizers
        self.abstain_below = abstain_below
        self.emotions = recognizers[0].emotions
        for other in recognizers[1:]:
            if other.emotions != self.emotions:
                raise CheckpointError(
                    f"models of {', '.join(self.emotions)} and of {', '.join(other.emotions)}; "
                    "only models of the same emotions can be combined"
                )

    def of_speaker(self, sources: Iterable[Source]) -> "Combination":
        """The same for one speaker, as `Recognizer.of_speaker`; all of them have to adapt."""
        copies = itertools.tee(sources, len(self.recognizers))
        adapted = [one.of_speaker(copy) for one, copy in zip(self.recognizers, copies, strict=True)]
        return Combination(adapted, self.abstain_below)

    def evened(self, sources: Iterable[Source]) -> "Combination":
        """The same for one speaker who shows all emotions alike often, as `Recognizer.evened`."""
        copies = itertools.tee(sources, len(self.recognizers))
        evened = [one.evened(copy) for one, copy in zip(self.recognizers, copies, strict=True)]
        return Combination(evened, self.abstain_below)

    def recognize(self, source: Source, *, timeline: bool = True) -> Answer:
        """Recognises one recording; arguments and errors as `Recognizer.recognize`."""
        answers = [one.recognize(source, timeline=timeline) for one in self.recognizers]
        return average(answers, self.abstain_below)

    def recognize_many(
        self, sources: Iterable[Source], *, timeline: bool = False
    ) -> Iterator[Answer | Failure]:
        """Recognises many recordings, as `Recognizer.recognize_many`.

        Args:
            sources: Paths, bytes or arrays: each recognizer reads them for itself.
            timeline: Also answer for each 2-s piece.
        """
        copies = itertools.tee(sources, len(self.recognizers))
        streams = [
            one.recognize_many(copy, timeline=timeline)
            for one, copy in zip(self.recognizers, copies, strict=True)
        ]
        for results in zip(*streams, strict=True):
            answers = [result for result in results if isinstance(result, Answer)]
            failures = [result for result in results if isinstance(result, Failure)]
            yield failures[0] if failures else average(answers, self.abstain_below)


def average(answers: Sequence[Answer], abstain_below: float = 0.0) -> Answer:
    """Averages the probabilities of answers to the same recording, and of its pieces.

    Example:
        >>> one = Answer("a.wav", 0, 1, {"anger": 1.0, "sadness": 0.0}, "anger")
        >>> other = Answer("a.wav", 0, 1, {"anger": 0.5, "sadness": 0.5}, "anger")
        >>> average([one, other]).probabilities
        {'anger': 0.75, 'sadness': 0.25}
    """
    probabilities = {
        emotion: sum(answer.probabilities[emotion] for answer in answers) / len(answers)
        for emotion in answers[0].probabilities
    }
    return dataclasses.replace(
        answers[0],
        probabilities=probabilities,
        predicted=decide(probabilities, abstain_below),
        timeline=tuple(
            average(pieces, abstain_below)
            for pieces in zip(*(answer.timeline for answer in answers), strict=True)
        ),
    )
