"""RAVDESS, speech part: `Actor_07/03-01-05-02-01-01-07.wav`."""

import re
from pathlib import Path

from seqcap.corpora.banglaser import of_both_corpora
from seqcap.corpora.corpus import Corpus, CorpusRow, Findings, LeftOut, by_name

_NAME = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-([0-2]\d)")
_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_INTENSITIES = {"01": "normal", "02": "strong"}
_TEXTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


def recognise(path: Path) -> CorpusRow | LeftOut | None:
    """Reads one name; song is another task and is left out.

    Args:
        path: Of a recording; nothing of it is read but the name.

    Example:
        >>> recognise(Path("Actor_07/03-01-05-02-01-01-07.wav")).speaker
        '07'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    modality, channel, emotion, intensity, statement, _repetition, actor = match.groups()
    if channel == "02":
        return LeftOut("song (second field 02) is another task")
    if modality != "03":
        return LeftOut("sound tracks of the videos (first field 01, 02) repeat the recordings")
    return CorpusRow(
        file=path,
        name=path.stem,
        speaker=actor,
        emotion=_EMOTIONS[emotion],
        gender="male" if int(actor) % 2 else "female",
        text=_TEXTS[statement],
        intensity=_INTENSITIES[intensity],
    )


def read_ravdess(folder: Path) -> Findings:
    """Reads a folder, unless its names are BanglaSER's, which have the same form.

    Args:
        folder: Of the corpus.
    """
    banglaser, _ = of_both_corpora(folder)
    if banglaser:
        return Findings([], [f"{banglaser} is a name of BanglaSER; its reader is called banglaser"])
    return by_name(recognise)(folder)


RAVDESS = Corpus(
    name="ravdess",
    title="RAVDESS, Ryerson Audio-Visual Database of Emotional Speech and Song (speech)",
    language="en",
    licence="CC BY-NC-SA 4.0",
    citation="Livingstone, Russo, PLoS ONE 13(5) e0196391, 2018",
    counts={
        "neutral": 96,
        "anger": 192,
        "happiness": 192,
        "sadness": 192,
        "fear": 192,
        "disgust": 192,
        "surprise": 192,
        "calm": 192,
    },
    speaker_count=24,
    speakers=tuple(f"{actor:02d}" for actor in range(1, 25)),
    read=read_ravdess,
    remark="two sentences, spoken by every actor; usual folds: groups:6, six groups of four actors",
)
