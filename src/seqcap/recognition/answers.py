"""What recognition gives back: an answer, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass

UNCERTAIN = "uncertain"


def decide(probabilities: Mapping[str, float], abstain_below: float) -> str:
    """The most probable emotion; "uncertain" where it is less probable than that, or all are alike.

    Example:
        >>> decide({"anger": 0.6, "sadness": 0.4}, 0.5)
        'anger'
        >>> decide({"anger": 0.5, "sadness": 0.5}, 0.0)
        'uncertain'
    """
    best = max(probabilities, key=probabilities.__getitem__)
    alike = len(set(probabilities.values())) == 1
    return UNCERTAIN if alike or probabilities[best] < abstain_below else best


@dataclass(frozen=True)
class Answer:
    """What was heard in a recording or in a piece of one.

    Attributes:
        file: Name of the recording.
        start: First second that counts.
        end: Where it ends, in seconds.
        probabilities: One per emotion, summing to one, in the model's order.
        predicted: The most probable emotion, or "uncertain".
        timeline: Answers for pieces of 2 s one after the other, if asked for.
    """

    file: str
    start: float
    end: float
    probabilities: dict[str, float]
    predicted: str
    timeline: tuple["Answer", ...] = ()

    @property
    def confidence(self) -> float:
        """The probability of the most probable emotion."""
        return max(self.probabilities.values())


@dataclass(frozen=True)
class Failure:
    """A recording that could not be read, and why, in one line."""

    file: str
    reason: str
