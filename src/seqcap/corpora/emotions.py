"""Emotions under one name each, from the many spellings that tables and corpora use."""

import difflib
import re
import unicodedata
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

# Words and codes: English, then the codes of corpora, then German, French, Spanish, Portuguese,
# Italian, Polish, Turkish, Russian, Chinese and Japanese; accents do not matter.
_SPELLINGS = {
    "neutral": """neu neut ntr neutrality normal neutral_state
        neutrale neutre neutro neutra neutralny neutralnie notr нейтральный нейтрально 中性 中立""",
    "anger": """angry ang angr rage mad furious fury irritated hot_anger cold_anger
        wut wutend arger argerlich zorn zornig colere fache enfado enojo enojado ira raiva rabbia
        rab arrabbiato zlosc gniew zly ofke kizgin злость гнев злой 生气 愤怒 怒り""",
    "happiness": """happy hap happ joy joyful joyous glad cheerful amused amusement
        freude freudig frohlich glucklich joie joyeux heureux felicidad feliz alegria alegre
        felicidade gioia gio felice felicita radosc radosny szczescie mutlu mutluluk nese
        радость радостный счастье 高兴 快乐 开心 喜び""",
    "sadness": """sad sadn sorrow sorrowful unhappy
        trauer traurig traurigkeit tristesse triste tristeza tristezza tri smutek smutny
        uzgun uzuntu грусть печаль грустный 悲伤 难过 伤心 悲しみ""",
    "fear": """fearful fea afraid scared anxiety anxious terrified panic
        angst angstlich furcht peur miedo medo paura pau strach korku страх 恐惧 害怕 恐れ""",
    "disgust": """disgusted dis disg disgusting
        ekel degout degoute asco nojo disgusto schifo wstret obrzydzenie tiksinti igrenme
        отвращение 厌恶 嫌悪""",
    "surprise": """surprised sur surp surpr ps pleasant_surprise pleasant_surprised astonished
        uberraschung uberrascht sorpresa sor surpresa sorpreso zaskoczenie zdziwienie saskinlik
        удивление 惊讶 惊喜 驚き""",
    "boredom": """bored bor boring
        langeweile gelangweilt ennui aburrimiento tedio noia nuda znudzenie sikinti
        скука 无聊 退屈""",
    "calm": """cal calmness relaxed
        ruhe ruhig calme calma tranquilo tranquillo spokoj sakin спокойствие 平静 冷静""",
    "excitement": "excited exc excite enthusiasm enthusiastic 兴奋 興奮",
    "frustration": "frustrated fru frustriert",
    "other": "oth others sonstige autre otro",
    UNDECIDED: "xxx",
}


def _fold(spelling: str) -> str:
    """A spelling without case, accents and separators' kinds."""
    decomposed = unicodedata.normalize("NFKD", spelling.casefold()).replace("ı", "i")
    plain = "".join(c for c in decomposed if not unicodedata.combining(c)).replace("ł", "l")
    return "_".join(plain.replace("-", " ").replace("_", " ").split())


_CANONICAL = {
    _fold(spelling): emotion
    for emotion, spellings in _SPELLINGS.items()
    for spelling in (emotion, *spellings.split())
}
# Words that are short and still no codes, in names of several words.
_SHORT_WORDS = {"joy", "sad", "mad", "wut", "ira"}
_NEGATIONS = {"no", "non", "not", "un", "without"}

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


def emotion_in_name(name: str) -> str | None:
    """Names the emotion in a folder's name: `01Neutral`, `happy_speech`, `ANG`.

    Numbers count for nothing. Of several words one may be an emotion; codes are read where
    they stand alone.

    Args:
        name: Of a folder.

    Example:
        >>> [emotion_in_name(name) for name in ("02Fearful", "happy_speech", "ANG", "OAF_angry")]
        ['fear', 'happiness', 'anger', 'anger']
        >>> [emotion_in_name(name) for name in ("not_angry", "happy or sad", "data")]
        [None, None, None]
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|\d+", " ", name)
    words = [word for word in re.split(r"[\W_]+", spaced) if word]
    whole = canonical_emotion(" ".join(words)) if words else None
    if whole is not None or _NEGATIONS & {word.casefold() for word in words}:
        return whole
    found = {
        emotion
        for word in words
        if (len(word) > 3 or _fold(word) in _SHORT_WORDS or not word.isascii())
        and (emotion := canonical_emotion(word)) is not None
    }
    return found.pop() if len(found) == 1 else None


def canonical_spellings(spellings: Iterable[str]) -> dict[str, str]:
    """Maps all spellings of one label column to emotions; what is unknown is left out.

    Codes of one letter are read only here, because one letter alone is ambiguous: where `W`,
    `L`, `E` or `T` occur they are EMO-DB's (A is fear), else the first letters of the English
    names.

    Args:
        spellings: All of one column.

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

    Args:
        spelling: An unknown label.

    Example:
        >>> nearest_emotion("hapiness"), nearest_emotion("qqq")
        ('happiness', None)
    """
    near = difflib.get_close_matches(_fold(spelling), _CANONICAL, n=1, cutoff=0.7)
    return _CANONICAL[near[0]] if near else None
