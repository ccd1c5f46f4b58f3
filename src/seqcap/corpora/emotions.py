"""Emotions under one name each, from the many spellings that tables and corpora use."""

import difflib
from collections.abc import Iterable

# In this order wherever emotions are listed; the first four are the paper's, in Table III's order.
EMOTIONS = (
    "neutral",
    "anger",
    "happiness",
    "sadness",
    "fear",
    "disgust",
    "surprise",
    "boredom",
    "calm",
    "excitement",
    "frustration",
    "other",
)

UNDECIDED = "undecided"  # no majority among the raters: IEMOCAP's `xxx`

_SPELLINGS = {
    "neutral": "neu neut ntr neutrality neutrale normal",
    "anger": "angry ang angr rage rabbia rab",
    "happiness": "happy hap happ joy joyful joyous gioia gio amused",
    "sadness": "sad sadn sorrow tristezza tri",
    "fear": "fearful fea afraid scared anxiety anxious paura pau",
    "disgust": "disgusted dis disg disgusting disgusto",
    "surprise": "surprised sur surp surpr ps pleasant_surprise pleasant_surprised sorpresa sor",
    "boredom": "bored bor boring",
    "calm": "cal calmness",
    "excitement": "excited exc excite",
    "frustration": "frustrated fru",
    "other": "oth others",
    UNDECIDED: "xxx",
}
_CANONICAL = {
    spelling: emotion
    for emotion, spellings in _SPELLINGS.items()
    for spelling in (emotion, *spellings.split())
}

# One letter an emotion. A is anger in English codes but fear (Angst) in EMO-DB's: the other
# letters of the column decide.
_ENGLISH_LETTERS = {emotion[0].upper(): emotion for emotion in EMOTIONS[:6]}
_GERMAN_LETTERS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}


def canonical_emotion(spelling: str) -> str | None:
    """Gives the emotion that a spelling stands for.

    Args:
        spelling: A word or an abbreviation, in any case.

    Returns:
        One of `EMOTIONS` or `undecided`; None for an unknown spelling.

    Example:
        >>> canonical_emotion("Angry"), canonical_emotion("hap"), canonical_emotion("hapiness")
        ('anger', 'happiness', None)
    """
    return _CANONICAL.get(_fold(spelling))


def canonical_spellings(spellings: Iterable[str]) -> dict[str, str]:
    """Maps all spellings of one label column to emotions; what is unknown is left out.

    Codes of one letter are read only here, because one letter alone is ambiguous: where `W`,
    `L`, `E` or `T` occur they are EMO-DB's (A is fear), else the first letters of the English
    names.

    Example:
        >>> canonical_spellings(["ang", "Neutral", "zen"])
        {'ang': 'anger', 'Neutral': 'neutral'}
        >>> canonical_spellings(["A", "N", "W"])
        {'A': 'fear', 'N': 'neutral', 'W': 'anger'}
    """
    found = list(dict.fromkeys(spellings))
    letters = {spelling.strip().upper() for spelling in found if spelling.strip()}
    for code in (_ENGLISH_LETTERS, _GERMAN_LETTERS):
        if letters and letters <= code.keys():
            return {s: code[s.strip().upper()] for s in found if s.strip()}
    return {s: emotion for s in found if (emotion := canonical_emotion(s)) is not None}


def nearest_emotion(spelling: str) -> str | None:
    """Suggests the emotion that a misspelt label was probably meant to be.

    Example:
        >>> nearest_emotion("hapiness"), nearest_emotion("qqq")
        ('happiness', None)
    """
    near = difflib.get_close_matches(_fold(spelling), _CANONICAL, n=1, cutoff=0.7)
    return _CANONICAL[near[0]] if near else None


def _fold(spelling: str) -> str:
    return "_".join(spelling.casefold().replace("-", " ").replace("_", " ").split())
