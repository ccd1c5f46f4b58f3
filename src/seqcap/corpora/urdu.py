"""URDU, emotional utterances from talk shows: `Angry/SM5_F10_A010.wav`."""

import re
from pathlib import Path

from seqcap.corpora.corpus import Corpus, CorpusRow, by_name

_NAME = re.compile(r"S([MF])(\d+)_F\d+_([AHNS])\d+", re.IGNORECASE)
_EMOTIONS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}


def recognise(path: Path) -> CorpusRow | None:
    """Reads speaker and emotion from one name; the folder says the emotion once more.

    Args:
        path: Of a recording; nothing of it is read but the name.

    Example:
        >>> recognise(Path("Angry/SM5_F10_A010.wav")).speaker
        'M5'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    sex, number, emotion = (field.upper() for field in match.groups())
    return CorpusRow(
        file=path,
        name=path.stem,
        speaker=f"{sex}{int(number)}",
        emotion=_EMOTIONS[emotion],
        gender="male" if sex == "M" else "female",
    )


URDU = Corpus(
    name="urdu",
    title="URDU, emotional utterances from Urdu talk shows",
    language="ur",
    licence="free for research",
    citation="Latif et al., Cross Lingual Speech Emotion Recognition: Urdu vs. Western, FIT 2018",
    counts=dict.fromkeys(("neutral", "anger", "happiness", "sadness"), 100),
    speaker_count=29,
    speakers=(
        *(f"F{number}" for number in range(1, 12)),
        *(f"M{number}" for number in (*range(1, 8), *range(17, 28))),
    ),
    read=by_name(recognise),
    remark="speakers have from 2 to 80 utterances: folds differ much in size",
)
