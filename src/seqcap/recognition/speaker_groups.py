"""Which recordings are adapted to together: each speaker's, and those of speakers with few."""

from collections.abc import Hashable, Iterable

# By development: with one or two recordings of each speaker, what all speakers share helps more.
FEWEST_RECORDINGS = 3


def speaker_groups(speakers: Iterable[Hashable], fewest: int = 1) -> list[list[int]]:
    """Groups recordings by speaker; speakers with few recordings form one group together.

    Args:
        speakers: The speaker of each recording.
        fewest: Recordings of a speaker who forms a group alone.

    Returns:
        Places of the recordings of each group, groups in the order in which they begin.

    Example:
        >>> speaker_groups(["anna", "otto", "anna", "ida", "anna"], fewest=2)
        [[0, 2, 4], [1, 3]]
    """
    places: dict[Hashable, list[int]] = {}
    for place, speaker in enumerate(speakers):
        places.setdefault(speaker, []).append(place)
    alone = [own for own in places.values() if len(own) >= fewest]
    together = sorted(place for own in places.values() if len(own) < fewest for place in own)
    return sorted([*alone, together] if together else alone)
