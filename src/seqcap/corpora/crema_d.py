"""CREMA-D, crowd-sourced emotional multimodal actors: `AudioWAV/1001_DFA_ANG_XX.wav`."""

import re
from pathlib import Path

from seqcap.corpora.corpus import Corpus, CorpusRow, LeftOut, by_name

# `1040_ITH_SAD_X.wav` is the one name in the official copy with a level of one letter.
_NAME = re.compile(r"(10\d\d)_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)", re.IGNORECASE)
_EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
_INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high"}
_TEXTS = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
# In the official release these are one sound under two names and labels, or silent.
_UNUSABLE = frozenset(
    {
        "1006_TIE_HAP_XX",
        "1006_TIE_NEU_XX",
        "1013_WSI_DIS_XX",
        "1013_WSI_SAD_XX",
        "1017_IWW_ANG_XX",
        "1017_IWW_FEA_XX",
        "1076_MTI_SAD_XX",
    }
)
_WHY_LEFT_OUT = (
    "three sounds that have two labels each, and a silent recording; "
    "551 of those kept touch full scale"
)
# fmt: off
_FEMALE = frozenset({
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025,
    1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060,
    1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
})
# fmt: on


def recognise(path: Path) -> CorpusRow | LeftOut | None:
    """Reads speaker, sentence, emotion and level from one name.

    Args:
        path: Of a recording; nothing of it is read but the name.

    Example:
        >>> recognise(Path("AudioWAV/1001_DFA_ANG_XX.wav")).text
        "Don't forget a jacket."
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    if path.stem.upper() in _UNUSABLE:
        return LeftOut(_WHY_LEFT_OUT)
    speaker, sentence, emotion, level = match.groups()
    return CorpusRow(
        file=path,
        name=path.stem,
        speaker=speaker,
        emotion=_EMOTIONS[emotion.upper()],
        gender="female" if int(speaker) in _FEMALE else "male",
        text=_TEXTS.get(sentence.upper(), sentence.upper()),
        intensity=_INTENSITIES.get(level.upper(), ""),
    )


CREMA_D = Corpus(
    name="crema_d",
    title="CREMA-D, Crowd-sourced Emotional Multimodal Actors Dataset",
    language="en",
    licence="Open Database License 1.0",
    citation="Cao et al., IEEE Transactions on Affective Computing 5(4), 2014",
    counts={  # without those that cannot be used
        "neutral": 1086,
        "anger": 1270,
        "happiness": 1270,
        "sadness": 1269,
        "fear": 1270,
        "disgust": 1270,
    },
    speaker_count=91,
    speakers=tuple(str(actor) for actor in range(1001, 1092)),
    read=by_name(recognise),
    remark="twelve sentences, spoken by all; the label is the acted emotion, not the perceived one",
)
