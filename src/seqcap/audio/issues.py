"""What may be wrong with a recording that is still recognised, as codes and as sentences."""

from enum import StrEnum
from typing import NamedTuple


class IssueKind(StrEnum):
    """Why the answer about a recording is less certain.

    Attributes:
        SILENCE: Digital silence.
        CHANNELS_CANCEL: Channels cancel out in their mean; the loudest was taken.
        CLIPPED: More than 0.1 % of the samples are cut off at full scale.
        CONSTANT_OFFSET: A constant of a tenth of the signal or more.
        NARROW_BAND: Nothing above 3.9 kHz, as over a telephone.
        NOISY: No pause is much quieter than the speech.
        SHORT: Less than half a second.
        UNFINISHED: The recorder was interrupted, or the end may be cut off.
        DAMAGED: Parts of the file were left out.

    Example:
        >>> IssueKind("narrow_band").name
        'NARROW_BAND'
    """

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

    Example:
        >>> AudioIssue(IssueKind.SHORT, "a.wav: 0.30 s are short").kind.value
        'short'
    """

    kind: IssueKind
    text: str
