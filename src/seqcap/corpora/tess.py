"""TESS, Toronto emotional speech set: `OAF_angry/OAF_back_angry.wav`."""

import re
from pathlib import Path

from seqcap.corpora.corpus import Corpus, CorpusRow, by_name

# `OA_bite_neutral.wav` is a slip in the official copy: there is no third speaker.
_NAME = re.compile(r"(OAF?|YAF)_(\w+?)_(angry|disgust|fear|happy|neutral|ps|sad)", re.IGNORECASE)
_EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",  # pleasant surprise
    "sad": "sadness",
}


def recognise(path: Path) -> CorpusRow | None:
    """Reads speaker, word and emotion from one name.

    Args:
        path: Of a recording; nothing of it is read but the name.

    Example:
        >>> recognise(Path("YAF_pleasant_surprised/YAF_home_ps.wav")).emotion
        'surprise'
        >>> recognise(Path("OAF_neutral/OA_bite_neutral.wav")).speaker
        'OAF'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker = "YAF" if match[1].upper() == "YAF" else "OAF"
    word, emotion = match[2].lower(), match[3].lower()
    return CorpusRow(
        file=path,
        name=f"{speaker}_{word}_{emotion}",
        speaker=speaker,
        emotion=_EMOTIONS[emotion],
        gender="female",
        text=f"Say the word {word}.",
    )


TESS = Corpus(
    name="tess",
    title="TESS, Toronto Emotional Speech Set",
    language="en",
    licence="CC BY-NC-ND 4.0",
    citation="Pichora-Fuller, Dupuis, Toronto Emotional Speech Set, Scholars Portal, 2020",
    counts=dict.fromkeys(
        ("neutral", "anger", "happiness", "sadness", "fear", "disgust", "surprise"), 400
    ),
    speaker_count=2,
    speakers=("OAF", "YAF"),
    read=by_name(recognise),
    remark="two speakers only: no folds of its own in which three parts have different speakers",
)
