"""EMO-DB, the Berlin database of emotional speech: `03a01Fa.wav`."""

import re
from pathlib import Path

from seqcap.corpora.corpus import Corpus, CorpusRow, by_name

_NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z]?)", re.IGNORECASE)
_EMOTIONS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
_MALE = {"03", "10", "11", "12", "15"}
_TEXTS = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}


def recognise(path: Path) -> CorpusRow | None:
    """Reads speaker, sentence and emotion from one name.

    Args:
        path: Of a recording; nothing of it is read but the name.

    Example:
        >>> recognise(Path("wav/03a01Fa.wav")).emotion
        'happiness'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, sentence, letter, _take = match.groups()
    return CorpusRow(
        file=path,
        name=path.stem,
        speaker=speaker,
        emotion=_EMOTIONS[letter.upper()],
        gender="male" if speaker in _MALE else "female",
        text=_TEXTS.get(sentence.lower(), sentence.lower()),
    )


EMODB = Corpus(
    name="emodb",
    title="EMO-DB, Berlin Database of Emotional Speech",
    language="de",
    licence="CC BY 4.0",
    citation="Burkhardt et al., A Database of German Emotional Speech, Interspeech 2005",
    counts={
        "neutral": 79,
        "anger": 127,
        "happiness": 71,
        "sadness": 62,
        "fear": 69,
        "disgust": 46,
        "boredom": 81,
    },
    speaker_count=10,
    speakers=("03", "08", "09", "10", "11", "12", "13", "14", "15", "16"),
    read=by_name(recognise),
    remark="ten sentences, spoken by every actor: training and test share their text",
)
