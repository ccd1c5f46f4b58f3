"""What `predict` recognises: recordings, their channels, rows of tables, turns of speakers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqcap.apps.extras import needs_extra
from seqcap.apps.sources import Found
from seqcap.apps.turns import Turn, turns_of
from seqcap.audio.channels import MIX
from seqcap.audio.source import Source, opened, source_name
from seqcap.errors import AudioError
from seqcap.recognition.recordings import Segment

TABLE_ENDINGS = (".csv", ".tsv", ".parquet")
EACH = "each"  # channel an answer of its own


@dataclass(frozen=True)
class Item:
    """One thing to recognise.

    Attributes:
        segment: A recording, or a part or channel of one.
        columns: What its rows keep beside the answer.
    """

    segment: Segment
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the answer calls the recording."""
        return source_name(self.segment.source)


def is_table(path: str) -> bool:
    """Whether a path is a table whose rows are to be recognised.

    Example:
        >>> is_table("calls.CSV"), is_table("speech.wav")
        (True, False)
    """
    return path.lower().endswith(TABLE_ENDINGS) and not Path(path).is_dir()


def items_of_recordings(
    found: Found, channel: str, turns: Sequence[Turn] | None = None
) -> list[Item]:
    """Recordings, or their channels, or the turns of their speakers.

    Args:
        found: As `find_recordings` gives it.
        channel: ``mix``, ``left``, ``right``, a number from 1 on, or ``each``.
        turns: Of the recordings; None takes them whole.

    Raises:
        SettingsError: The turns fit none of the recordings, or do not say which.
    """
    recordings = list(found.recordings.values())
    if turns is None:
        return [item for source in recordings for item in _channels(Segment(source), channel, {})]
    names = [source_name(source) for source in recordings]
    items: list[Item] = []
    for source, own in zip(recordings, turns_of(names, turns), strict=True):
        for number, turn in enumerate(own):
            part = Segment(source, turn.start_s, turn.end_s)
            columns = {"speaker": turn.speaker, "turn": number}
            items += _channels(part, channel, columns)
    return items


def items_of_table(path: str, channel: str) -> list[Item]:
    """Rows of a table, other columns kept.

    Args:
        path: `.csv`, `.tsv` or `.parquet` with a column of files, and start and end if need be.
        channel: As for `items_of_recordings`.

    Raises:
        CorpusError: No such file, no table, or no column of files.
    """
    with needs_extra("tables"):
        from seqcap.corpora.table import COLUMNS, read_table
    table = read_table(Path(path), emotion_needed=False)
    kept = [
        name
        for name in table.columns
        if name not in ("file", "start", "end")
        and not (name in COLUMNS and (table[name] == "").all())
    ]
    items: list[Item] = []
    for row in table.to_dict("records"):
        end_s = None if row["end"] != row["end"] else float(row["end"])  # NaN is the end
        part = Segment(row["file"], float(row["start"]), end_s)
        items += _channels(part, channel, {name: row[name] for name in kept})
    return items


def _channels(segment: Segment, channel: str, columns: Mapping[str, Any]) -> Iterator[Item]:
    if channel != EACH:
        yield Item(Segment(segment.source, segment.start_s, segment.end_s, channel), columns)
        return
    for number in range(1, _channel_count(segment.source) + 1):
        one = Segment(segment.source, segment.start_s, segment.end_s, str(number))
        yield Item(one, {**columns, "channel": number})


def _channel_count(source: Source) -> int:
    try:
        with opened(source, None) as recording:
            return recording.read(1).shape[1]
    except AudioError:  # comes again, with its reason, when it is recognised
        return 1


__all__ = ["EACH", "MIX", "Item", "is_table", "items_of_recordings", "items_of_table"]
