"""What may be wrong with a recording that is still recognised, as codes and as sentences."""

from enum import StrEnum
from typing import NamedTuple


class IssueKind(StrEnum):
    """Why the answer about a recording is less certain."""

    SILENCE = "silence"
    CHANNELS_CANCEL = "channels_cancel"
    CLIPPED = "clipped"
    CONSTANT_OFFSET = "constant_offset"
    NARROW_BAND = "narrow_band"
    NOISY = "noisy"
    SHORT = "short"
    UNFINISHED = "unfinished"
    DAMAGED = "damaged"


class AudioIssue(NamedTuple):
    """One issue of one recording.

    Attributes:
        kind: A code for programs.
        text: One sentence for people, the recording's name first.
    """

    kind: IssueKind
    text: str
