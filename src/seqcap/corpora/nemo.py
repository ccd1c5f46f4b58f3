"""nEMO, emotional speech in Polish: `EB0_anger_1.wav`."""

import re
from pathlib import Path

from seqcap.corpora.corpus import Corpus, CorpusRow, by_name

# Its own word for surprise is `surprised`.
_NAME = re.compile(
    r"([A-Z]{2}\d)_(anger|fear|happiness|neutral|sadness|surprise)d?_(\d+)", re.IGNORECASE
)
_FEMALE = ("EB0", "IC0", "KD0", "MK0")


def recognise(path: Path) -> CorpusRow | None:
    """Reads speaker, emotion and number of the sentence from one name.

    Args:
        path: Of a recording; nothing of it is read but the name.

    Example:
        >>> recognise(Path("samples/EB0_surprised_1.wav")).emotion
        'surprise'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, emotion, sentence = match.groups()
    return CorpusRow(
        file=path,
        name=path.stem,
        speaker=speaker.upper(),
        emotion=emotion.lower(),
        gender="female" if speaker.upper() in _FEMALE else "male",
        text=f"sentence {int(sentence)}",
    )


NEMO = Corpus(
    name="nemo",
    title="nEMO, Dataset of Emotional Speech in Polish",
    language="pl",
    licence="CC BY-NC-SA 4.0",
    citation="Christop, nEMO: Dataset of Emotional Speech in Polish, LREC-COLING 2024",
    counts={
        "neutral": 809,
        "anger": 749,
        "happiness": 749,
        "sadness": 769,
        "fear": 736,
        "surprise": 669,
    },
    speaker_count=9,
    speakers=("EB0", "IC0", "KD0", "KS0", "MK0", "MP0", "SM0", "TP0", "WR0"),
    read=by_name(recognise),
    remark="ninety sentences, spoken by every actor in every emotion",
)
