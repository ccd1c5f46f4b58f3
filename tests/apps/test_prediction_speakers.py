from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seqcap.apps.items import Item
from seqcap.apps.prediction_speakers import adaptation_lines, by_speaker, recognize_by_speaker
from seqcap.recognition.answers import Failure
from seqcap.recognition.recordings import Segment


def items(*speakers: str) -> list[Item]:
    columns: list[dict[str, Any]] = [{"speaker": one} if one else {} for one in speakers]
    return [Item(Segment(f"{place}.wav"), one) for place, one in enumerate(columns)]


class Listener:
    """Answers each recording with those that it was given with it."""

    def recognize_speaker(self, sources: Sequence[Segment], **how: Any) -> Iterator[Failure]:
        assert how == {"adapt": True, "balanced_prior": False, "timeline": False}
        for source in sources:
            names = [Path(str(each.source)).stem for each in sources]
            yield Failure(str(source.source), " ".join(names))


def test_recordings_without_a_speaker_are_one_group_and_channels_are_others() -> None:
    assert by_speaker(items("anna", "", "otto", "anna", "")) == [[0, 3], [1, 4], [2]]
    halves = [Item(Segment("call.wav"), {"channel": number % 2 + 1}) for number in range(4)]
    assert by_speaker(halves) == [[0, 2], [1, 3]]


def test_each_speaker_is_recognised_together_and_answers_keep_their_order() -> None:
    found = list(
        recognize_by_speaker(
            Listener(),  # type: ignore[arg-type]
            items("anna", "otto", "anna", "ida", "otto", "anna", "otto", "", "ida"),
            adapt=True,
            balanced_prior=False,
            timeline=False,
        )
    )
    together = {"anna": "0 2 5", "otto": "1 4 6", "few": "3 7 8"}
    expected = ["anna", "otto", "anna", "few", "otto", "anna", "otto", "few", "few"]
    assert [(each.file, each.reason) for each in found if isinstance(each, Failure)] == [
        (f"{place}.wav", together[name]) for place, name in enumerate(expected)
    ]


def test_what_may_surprise_is_told() -> None:
    assert list(adaptation_lines(items("anna", "anna", "anna"))) == []
    (joined,) = adaptation_lines(items("anna", "otto", "anna", "ida", "anna"))
    assert joined.startswith("2 speakers have one or two recordings")
    (alone,) = adaptation_lines(items("anna"))
    assert alone.startswith("1 recording tell")
    folders = [Item(Segment(f"{folder}/{n}.wav")) for folder in ("anna", "otto") for n in range(3)]
    (mixed,) = adaptation_lines(folders)
    assert mixed.startswith("6 recordings in 2 folders count as one speaker's")
