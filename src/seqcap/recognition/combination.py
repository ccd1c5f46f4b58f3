"""Finished systems that answer as one: ``CNN_GRU + CNN_SeqCap``, Sec. VI-F, Table V."""

import dataclasses
from collections.abc import Iterable, Sequence

from seqcap.errors import CheckpointError
from seqcap.recognition.answers import Answer, decide
from seqcap.recognition.groups import GroupRecognizer
from seqcap.recognition.recognizer import Recognizer
from seqcap.recognition.recordings import LoadedRecording


class Combination(GroupRecognizer):
    """The average of several recognizers' probabilities; each recording is decoded once.

    Args:
        recognizers: Of the same emotions in the same order, with any systems and normalisations.
        abstain_below: Averages less sure than this are "uncertain"; 0 never abstains.

    Raises:
        CheckpointError: They do not tell the same emotions apart.

    Example:
        >>> pretrained = Recognizer.from_pretrained()
        >>> twice = Combination([pretrained, pretrained])
        >>> path = "samples/emodb/15b09Wb.wav"
        >>> twice.recognize(path) == pretrained.recognize(path)
        True
    """

    def __init__(self, recognizers: Sequence[Recognizer], abstain_below: float = 0.0) -> None:
        self.recognizers = recognizers
        self.abstain_below = abstain_below
        for other in recognizers[1:]:
            if other.emotions != self.emotions:
                raise CheckpointError(
                    f"models of {', '.join(self.emotions)} and of {', '.join(other.emotions)}; "
                    "only models of the same emotions can be combined"
                )

    def __repr__(self) -> str:
        return f"Combination({', '.join(map(repr, self.recognizers))})"

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions of the model, in the order of the probabilities."""
        return self.recognizers[0].emotions

    @property
    def is_speaker_adaptive(self) -> bool:
        """Whether one of them adapts to a speaker."""
        return any(one.is_speaker_adaptive for one in self.recognizers)

    @property
    def worker_count(self) -> int:
        """How many groups of recordings are answered at the same time."""
        return min(one.worker_count for one in self.recognizers)

    def worker(self) -> "Combination":
        """The same models for one group among several, with its share of the cores.

        Example:
            >>> Combination([Recognizer.from_pretrained()]).worker().emotions
            ('neutral', 'anger', 'happiness', 'sadness')
        """
        return Combination([one.worker() for one in self.recognizers], self.abstain_below)

    def check_adaptive(self) -> None:
        """Refuses models of which none adapts to speakers.

        Raises:
            SettingsError: None of the models was trained to adapt.

        Example:
            >>> each = [Recognizer.from_pretrained(), Recognizer.from_pretrained("adaptive")]
            >>> Combination(each).check_adaptive()
        """
        if not self.is_speaker_adaptive:
            self.recognizers[0].check_adaptive()

    def adapt_to_recordings(self, recordings: Iterable[LoadedRecording]) -> "Combination":
        """Adapts all recognizers that can adapt to one speaker.

        Args:
            recordings: Of the speaker, as `read_recording` gives them.

        Raises:
            SettingsError: None of the models was trained to adapt.

        Example:
            >>> Combination([Recognizer.from_pretrained()]).is_speaker_adaptive  # it would refuse
            False
        """
        self.check_adaptive()
        known = list(recordings)
        adapted = [
            one.adapt_to_recordings(known) if one.is_speaker_adaptive else one
            for one in self.recognizers
        ]
        return Combination(adapted, self.abstain_below)

    def answer(self, recordings: Sequence[LoadedRecording], timeline: bool) -> list[Answer]:
        """Answers recordings that were decoded already.

        Args:
            recordings: As `read_recording` gives them.
            timeline: Also answer for every 2 s.

        Returns:
            Averages, in the order of the recordings.

        Example:
            >>> from seqcap.recognition.recordings import read_recording
            >>> pair = Combination([Recognizer.from_pretrained()] * 2)
            >>> recording = read_recording("samples/emodb/15b09Wb.wav")
            >>> pair.answer([recording], timeline=False)[0].predicted
            'anger'
        """
        each = [one.answer(recordings, timeline) for one in self.recognizers]
        return [average(answers, self.abstain_below) for answers in zip(*each, strict=True)]


def average(answers: Sequence[Answer], abstain_below: float = 0.0) -> Answer:
    """Averages the probabilities of answers to the same recording, and of its pieces.

    Args:
        answers: One or more.
        abstain_below: Averages less sure than this are "uncertain".

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
