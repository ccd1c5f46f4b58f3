"""nEMO, emotional speech in Polish: `EB0_anger_1.wav`."""

import re
from pathlib import Path

from seqcap.corpora.corpus import Corpus, Utterance, by_name

_NAME = re.compile(
    r"([A-Z]{2}\d)_(anger|fear|happiness|neutral|sadness|surprise)_(\d+)", re.IGNORECASE
)


def recognise(path: Path) -> Utterance | None:
    """Reads speaker, emotion and number of the sentence from one name.

    Example:
        >>> recognise(Path("samples/EB0_anger_1.wav")).text
        'sentence 1'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, emotion, sentence = match.groups()
    return Utterance(
        file=path,
        name=path.stem,
        speaker=speaker.upper(),
        emotion=emotion.lower(),
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
    remark="everybody speaks the same sentences",
)
