"""What recognition gives back: an answer, or the reason why there is none."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seqcap.audio.issues import AudioIssue

if TYPE_CHECKING:
    import pandas as pd

# Version 2 added `warnings`; docs/schema.md has the fields of each.
SCHEMA_VERSION = 2

UNCERTAIN = "uncertain"
NO_SPEECH = "no speech"


def decide(probabilities: Mapping[str, float], abstain_below: float) -> str:
    """Gives the most probable emotion, or why there is none.

    Args:
        probabilities: By emotion, 0 to 1; NaN where there is no speech.
        abstain_below: Least probability of an answer, 0 to 1.

    Returns:
        An emotion. "uncertain" if it is less probable than that, or if all are equal. "no speech"
        if the probabilities are NaN.

    Example:
        >>> decide({"anger": 0.6, "sadness": 0.4}, 0.5)
        'anger'
        >>> decide({"anger": 0.5, "sadness": 0.5}, 0.0)
        'uncertain'
    """
    if any(map(math.isnan, probabilities.values())):
        return NO_SPEECH
    best = max(probabilities, key=probabilities.__getitem__)
    alike = len(set(probabilities.values())) == 1
    return UNCERTAIN if alike or probabilities[best] < abstain_below else best


@dataclass(frozen=True)
class Answer:
    """The answer about a recording or a part of one.

    Attributes:
        file: Name of the recording.
        start: Start, seconds.
        end: End, seconds.
        probabilities: One per emotion, in the model's order; the sum is one. NaN where there is no
            speech.
        predicted: The most probable emotion, "uncertain" or "no speech".
        timeline: Answers for every 2 s, on request.
        warnings: What makes the answer less certain, of the whole recording: codes and sentences.

    Example:
        >>> answer = Answer("a.wav", 0.0, 2.0, {"anger": 0.6, "sadness": 0.4}, "anger")
        >>> answer.predicted, answer.confidence
        ('anger', 0.6)
    """

    file: str
    start: float
    end: float
    probabilities: dict[str, float]
    predicted: str
    timeline: tuple["Answer", ...] = ()
    warnings: tuple[AudioIssue, ...] = field(default=(), compare=False)

    @property
    def confidence(self) -> float:
        """The probability of the most probable emotion; NaN where there is no speech."""
        return max(self.probabilities.values())

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON has it: one field an emotion, pieces nested in `timeline`.

        Probabilities are None where there is no speech; `warnings` are the codes of `IssueKind`.

        Example:
            >>> piece = Answer("a.wav", 0.0, 2.0, {"anger": 0.6, "sadness": 0.4}, "anger")
            >>> piece.to_dict()
            {'file': 'a.wav', 'start': 0.0, 'end': 2.0, 'anger': 0.6, 'sadness': 0.4, \
'predicted': 'anger', 'warnings': []}
        """
        times = {"file": self.file, "start": self.start, "end": self.end}
        probabilities = {e: None if math.isnan(p) else p for e, p in self.probabilities.items()}
        codes = list(dict.fromkeys(issue.kind.value for issue in self.warnings))
        fields = {**times, **probabilities, "predicted": self.predicted, "warnings": codes}
        if self.timeline:
            fields["timeline"] = [piece.to_dict() for piece in self.timeline]
        return fields

    def to_rows(self) -> list[dict[str, Any]]:
        """Gives the answer as tables have it: the recording, then its parts, numbered in `piece`.

        `piece` is None in the row of the recording, and missing without a timeline. The codes of
        `warnings` are one text, separated by semicolons.

        Example:
            >>> answer = Answer("a.wav", 0.0, 2.0, {"anger": 0.6, "sadness": 0.4}, "anger")
            >>> answer.to_rows()[0]["predicted"]
            'anger'
        """
        if not self.timeline:
            return [self._flat({})]
        pieces = (piece._flat({"piece": number}) for number, piece in enumerate(self.timeline))
        return [self._flat({"piece": None}), *pieces]

    def _flat(self, number: dict[str, Any]) -> dict[str, Any]:
        fields = dataclasses.replace(self, timeline=()).to_dict()
        times = {name: fields.pop(name) for name in ("file", "start", "end")}
        return {**times, **number, **fields, "warnings": "; ".join(fields["warnings"])}

    def to_frame(self) -> "pd.DataFrame":
        """The rows of `to_rows` as a pandas table; needs pandas (extra `train`).

        Example:
            >>> answer = Answer("a.wav", 0.0, 2.0, {"anger": 0.6, "sadness": 0.4}, "anger")
            >>> answer.to_frame().loc[0, "predicted"]
            'anger'
        """
        import pandas as pd

        return pd.DataFrame(self.to_rows())


@dataclass(frozen=True)
class Failure:
    """A recording that could not be read.

    Attributes:
        file: Name of the recording.
        reason: Why, in one line.

    Example:
        >>> Failure("a.wav", "a.wav: no such file; check the path").file
        'a.wav'
    """

    file: str
    reason: str
