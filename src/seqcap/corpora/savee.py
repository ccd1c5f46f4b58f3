"""SAVEE, Surrey audio-visual expressed emotion: `DC/a01.wav`, or `DC_a01.wav` in one folder."""

import re
from pathlib import Path

from seqcap.corpora.corpus import Corpus, CorpusRow, by_name

_SPEAKERS = ("DC", "JE", "JK", "KL")
_NAME = re.compile(r"(?:(DC|JE|JK|KL)_)?(sa|su|a|d|f|h|n)(\d\d?)", re.IGNORECASE)
_EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}


def recognise(path: Path) -> CorpusRow | None:
    """Reads one name; the speaker is in front of it or is the folder.

    Args:
        path: Of a recording; nothing of it is read but the name.

    Example:
        >>> recognise(Path("AudioData/DC/su07.wav")).emotion
        'surprise'
        >>> recognise(Path("ALL/KL_a01.wav")).speaker
        'KL'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker = (match[1] or path.parent.name).upper()
    if speaker not in _SPEAKERS:
        return None
    code = f"{match[2].lower()}{int(match[3]):02d}"
    return CorpusRow(
        file=path,
        name=f"{speaker}_{code}",
        speaker=speaker,
        emotion=_EMOTIONS[match[2].lower()],
        gender="male",
        text=f"sentence {code}",
    )


SAVEE = Corpus(
    name="savee",
    title="SAVEE, Surrey Audio-Visual Expressed Emotion",
    language="en",
    licence="research only, on registration",
    citation="Haq, Jackson, Machine Audition: Principles, Algorithms and Systems, 2010",
    counts={
        "neutral": 120,
        "anger": 60,
        "happiness": 60,
        "sadness": 60,
        "fear": 60,
        "disgust": 60,
        "surprise": 60,
    },
    speaker_count=4,
    speakers=_SPEAKERS,
    read=by_name(recognise),
    remark="four men, the same sentences",
)
