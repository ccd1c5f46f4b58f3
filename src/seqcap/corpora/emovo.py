"""EMOVO, Italian emotional speech: `f1/dis-f1-b1.wav`."""

import re
from pathlib import Path

from seqcap.corpora.corpus import Corpus, CorpusRow, by_name

_NAME = re.compile(r"(dis|gio|neu|pau|rab|sor|tri)-([fm][1-3])-([a-z]\d)", re.IGNORECASE)
_EMOTIONS = {
    "dis": "disgust",
    "gio": "happiness",  # gioia
    "neu": "neutral",
    "pau": "fear",  # paura
    "rab": "anger",  # rabbia
    "sor": "surprise",  # sorpresa
    "tri": "sadness",  # tristezza
}
_TEXTS = {
    "b1": "Gli operai si alzano presto.",
    "b2": "I vigili sono muniti di pistola.",
    "b3": "La cascata fa molto rumore.",
    "l1": "L'autunno prossimo Tony partirà per la Spagna: nella prima metà di ottobre.",
    "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata.",
    "l3": "Un attimo dopo s'è incamminato... ed è inciampato.",
    "l4": "Vorrei il numero telefonico del Signor Piatti.",
    "n1": "La casa forte vuole col pane.",
    "n2": "La forza trova il passo e l'aglio rosso.",
    "n3": "Il gatto sta scorrendo nella pera.",
    "n4": "Insalata pastasciutta coscia d'agnello limoncello.",
    "n5": "Uno quarantatré dieci mille cinquantasette venti.",
    "d1": "Sabato sera cosa farà?",
    "d2": "Porti con te quella cosa?",
}


def recognise(path: Path) -> CorpusRow | None:
    """Reads emotion, speaker and sentence from one name.

    Args:
        path: Of a recording; nothing of it is read but the name.

    Example:
        >>> recognise(Path("f1/dis-f1-b1.wav")).text
        'Gli operai si alzano presto.'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    emotion, speaker, sentence = (field.lower() for field in match.groups())
    return CorpusRow(
        file=path,
        name=path.stem,
        speaker=speaker,
        emotion=_EMOTIONS[emotion],
        gender="male" if speaker[0] == "m" else "female",
        text=_TEXTS.get(sentence, sentence),
    )


EMOVO = Corpus(
    name="emovo",
    title="EMOVO, Italian Emotional Speech Database",
    language="it",
    licence="free for research",
    citation="Costantini et al., EMOVO Corpus: an Italian Emotional Speech Database, LREC 2014",
    counts=dict.fromkeys(
        ("neutral", "anger", "happiness", "sadness", "fear", "disgust", "surprise"), 84
    ),
    speaker_count=6,
    speakers=("f1", "f2", "f3", "m1", "m2", "m3"),
    read=by_name(recognise),
    remark="fourteen sentences, spoken by all actors; stereo, the channels differ and are averaged",
)
