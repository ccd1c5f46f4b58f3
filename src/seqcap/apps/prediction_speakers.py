"""What `predict` does speaker by speaker: adaptation and prior correction, without labels."""

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from seqcap.apps.items import Item
from seqcap.recognition.answers import Answer, Failure
from seqcap.recognition.speaker_groups import FEWEST_RECORDINGS, speaker_groups

if TYPE_CHECKING:
    from seqcap.recognition.combination import Combination
    from seqcap.recognition.recognizer import Recognizer


def by_speaker(items: Sequence[Item], adapt: bool = False) -> list[list[int]]:
    """Groups items by their column `speaker`, and by channel where each is answered alone.

    Args:
        items: Those without a speaker form one group.
        adapt: Speakers with fewer than three items form one group together.

    Returns:
        Places of the items of each group, groups in the order in which they begin.
    """
    return speaker_groups(map(_speaker, items), FEWEST_RECORDINGS if adapt else 1)


def adaptation_lines(items: Sequence[Item]) -> Iterator[str]:
    """Says what may surprise: who is adapted to together, and who hardly at all.

    Args:
        items: As for `by_speaker`.
    """
    unnamed = [item.name for item in items if not item.columns.get("speaker")]
    folders = len({str(PurePath(name).parent) for name in unnamed})
    if folders > 1:
        yield (
            f"{len(unnamed):,} recordings in {folders:,} folders count as one speaker's; for "
            "several speakers give a table with the columns 'file' and 'speaker'"
        )
    for places in by_speaker(items, adapt=True):
        speakers = len({_speaker(items[place]) for place in places})
        if speakers > 1:
            yield (
                f"{speakers:,} speakers have one or two recordings; the model adapts to all of "
                "them together"
            )
        elif len(places) < FEWEST_RECORDINGS:
            few = "1 recording tells" if len(places) == 1 else f"{len(places)} recordings tell"
            yield (f"{few} little about a speaker; several are expected, or use the default model")


def _speaker(item: Item) -> tuple[str, str]:
    return str(item.columns.get("speaker", "")), str(item.columns.get("channel", ""))


def recognize_by_speaker(
    recognizer: "Recognizer | Combination",
    items: Sequence[Item],
    *,
    adapt: bool,
    balanced_prior: bool,
    timeline: bool,
) -> Iterator[Answer | Failure]:
    """Recognises each speaker's recordings, using what they have in common.

    Args:
        recognizer: One model, or several.
        items: As `by_speaker` groups them.
        adapt: Adapt to each speaker; to those with one or two items together.
        balanced_prior: Correct the class prior of each speaker.
        timeline: Also answer for each 2-s piece.

    Yields:
        An answer or a failure for each item, in their order.

    Raises:
        SettingsError: `adapt` is set, and the model was not trained to adapt.
    """
    waiting: dict[int, Answer | Failure] = {}
    following = 0
    for places in by_speaker(items, adapt):
        results = recognizer.recognize_speaker(
            [items[place].segment for place in places],
            adapt=adapt,
            balanced_prior=balanced_prior,
            timeline=timeline,
        )
        for place, result in zip(places, results, strict=True):
            waiting[place] = result
            while following in waiting:
                yield waiting.pop(following)
                following += 1
