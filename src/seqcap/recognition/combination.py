"""Finished systems that answer as one: ``CNN_GRU + CNN_SeqCap``, Sec. VI-F, Table V."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from seqcap.audio.source import Source
from seqcap.errors import CheckpointError
from seqcap.recognition.answers import Answer, Failure, decide
from seqcap.recognition.prior_correction import adjust_logits, estimate_log_prior_shift
from seqcap.recognition.recognizer import Recognizer


class Combination:
    """The average of several recognizers' probabilities.

    Args:
        recognizers: Of the same emotions in the same order, with any systems and normalisations.
        abstain_below: Averages less sure than this are "uncertain"; 0 never abstains.
        log_prior_shift: What `with_balanced_prior` has found, one for each emotion.

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

    def __init__(
        self,
        recognizers: Sequence[Recognizer],
        abstain_below: float = 0.0,
        log_prior_shift: Sequence[float] = (),
    ) -> None:
        self.recognizers = recognizers
        self.abstain_below = abstain_below
        self.log_prior_shift = tuple(log_prior_shift)
        self.emotions = recognizers[0].emotions
        for other in recognizers[1:]:
            if other.emotions != self.emotions:
                raise CheckpointError(
                    f"models of {', '.join(self.emotions)} and of {', '.join(other.emotions)}; "
                    "only models of the same emotions can be combined"
                )

    def adapt_to_speaker(self, sources: Iterable[Source]) -> "Combination":
        """The same for one speaker, as `Recognizer.adapt_to_speaker`; all of them have to adapt."""
        copies = itertools.tee(sources, len(self.recognizers))
        adapted = [
            one.adapt_to_speaker(copy) for one, copy in zip(self.recognizers, copies, strict=True)
        ]
        return Combination(adapted, self.abstain_below, self.log_prior_shift)

    def with_balanced_prior(self, sources: Iterable[Source]) -> "Combination":
        """The same for one speaker with balanced emotions: `Recognizer.with_balanced_prior`.

        Args:
            sources: Paths, bytes or arrays: each recognizer reads them for itself.
        """
        plain = Combination(self.recognizers, self.abstain_below)
        answers = plain.recognize_many(sources, warn=False)
        rows = [list(each.probabilities.values()) for each in answers if isinstance(each, Answer)]
        log_prior_shift = estimate_log_prior_shift(np.reshape(rows, (-1, len(self.emotions))))
        return Combination(self.recognizers, self.abstain_below, tuple(log_prior_shift.tolist()))

    def recognize(self, source: Source, *, timeline: bool = True) -> Answer:
        """Recognises one recording; arguments and errors as `Recognizer.recognize`."""
        answers = [one.recognize(source, timeline=timeline) for one in self.recognizers]
        return average(answers, self.abstain_below, self.log_prior_shift)

    def recognize_many(
        self, sources: Iterable[Source], *, timeline: bool = False, warn: bool = True
    ) -> Iterator[Answer | Failure]:
        """Recognises many recordings, as `Recognizer.recognize_many`.

        Args:
            sources: Paths, bytes or arrays: each recognizer reads them for itself.
            timeline: Also answer for each 2-s piece.
            warn: Of silence and clipping.
        """
        copies = itertools.tee(sources, len(self.recognizers))
        streams = [
            one.recognize_many(copy, timeline=timeline, warn=warn)
            for one, copy in zip(self.recognizers, copies, strict=True)
        ]
        for results in zip(*streams, strict=True):
            answers = [result for result in results if isinstance(result, Answer)]
            failures = [result for result in results if isinstance(result, Failure)]
            yield (
                failures[0]
                if failures
                else average(answers, self.abstain_below, self.log_prior_shift)
            )


def average(
    answers: Sequence[Answer], abstain_below: float = 0.0, log_prior_shift: Sequence[float] = ()
) -> Answer:
    """Averages the probabilities of answers to the same recording, and of its pieces.

    Args:
        answers: One or more.
        abstain_below: Averages less sure than this are "uncertain".
        log_prior_shift: By how much each emotion is drawn to, of averages evened out.

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
    if log_prior_shift:
        (row,) = adjust_logits([list(probabilities.values())], log_prior_shift).tolist()
        probabilities = dict(zip(probabilities, row, strict=True))
    return dataclasses.replace(
        answers[0],
        probabilities=probabilities,
        predicted=decide(probabilities, abstain_below),
        timeline=tuple(
            average(pieces, abstain_below, log_prior_shift)
            for pieces in zip(*(answer.timeline for answer in answers), strict=True)
        ),
    )
