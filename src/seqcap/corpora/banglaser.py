"""BanglaSER, Bangla speech of ordinary people: `Actor 17/03-01-03-02-01-02-17.wav`.

The names have RAVDESS's form and other codes: 03 is anger here and happiness there. So
`read_banglaser` and `read_ravdess` look at all names of a folder before they read any.
"""

import re
from pathlib import Path

from seqcap.corpora.corpus import Corpus, CorpusRow, Findings, by_name, recordings_in

# Three names of speaker 15 begin with 01; everything else in them is regular.
_NAME = re.compile(r"0[1-3]-01-(0[1-5])-(0[12])-(0[1-3])-(0[1-3])-([0-3]\d)")
_EMOTIONS = {
    "01": "happiness",
    "02": "sadness",
    "03": "anger",
    "04": "surprise",
    "05": "neutral",
}
_INTENSITIES = {"01": "normal", "02": "strong"}
_SPEAKER_COUNT = 34

# What only one of the two has: third sentence or repetition, speakers from 25.
_ONLY_BANGLASER = re.compile(
    r"0[1-3]-01-0[1-5]-0[12]-(03-0[1-3]-\d\d|0[12]-03-\d\d|0[12]-0[12]-(2[5-9]|3\d))"
)
# Song, emotions from 06.
_ONLY_RAVDESS = re.compile(r"0[1-3]-(02-0[1-8]|01-0[678])-0[12]-0[12]-0[12]-[0-2]\d")


def of_both_corpora(folder: Path) -> tuple[str, str]:
    """Finds names that only BanglaSER and names that only RAVDESS can have.

    Args:
        folder: Any folder of recordings.

    Returns:
        One name of each, empty where there is none.
    """
    banglaser = ravdess = ""
    for path in recordings_in(folder):
        if not banglaser and _ONLY_BANGLASER.fullmatch(path.stem):
            banglaser = path.name
        elif not ravdess and _ONLY_RAVDESS.fullmatch(path.stem):
            ravdess = path.name
        if banglaser and ravdess:
            break
    return banglaser, ravdess


def recognise(path: Path) -> CorpusRow | None:
    """Reads one name, taken to be of this corpus.

    Args:
        path: Of a recording; nothing of it is read but the name.

    Example:
        >>> recognise(Path("Actor 17/03-01-03-02-01-02-17.wav")).emotion
        'anger'
    """
    match = _NAME.fullmatch(path.stem)
    if match is None or not 1 <= int(match[5]) <= _SPEAKER_COUNT:
        return None
    emotion, intensity, statement, _repetition, speaker = match.groups()
    return CorpusRow(
        file=path,
        name=path.stem,
        speaker=speaker,
        emotion=_EMOTIONS[emotion],
        gender="male" if int(speaker) % 2 else "female",
        text=statement,
        intensity=_INTENSITIES[intensity],
    )


def read_banglaser(folder: Path) -> Findings:
    """Reads a folder, unless its names are RAVDESS's.

    Args:
        folder: Of the corpus.
    """
    banglaser, ravdess = of_both_corpora(folder)
    if ravdess:
        return Findings([], [f"{ravdess} is a name of RAVDESS; its reader is called ravdess"])
    findings = by_name(recognise)(folder)
    if findings.utterances and not banglaser:
        findings.notes.append("these names could be RAVDESS's too, with other emotions")
    return findings


BANGLASER = Corpus(
    name="banglaser",
    title="BanglaSER, a speech emotion dataset for the Bangla language",
    language="bn",
    licence="CC BY 4.0",
    citation="Das et al., Data in Brief 42, 108091, 2022",
    counts={"neutral": 243, "anger": 306, "happiness": 306, "sadness": 306, "surprise": 306},
    speaker_count=_SPEAKER_COUNT,
    speakers=tuple(f"{speaker:02d}" for speaker in range(1, _SPEAKER_COUNT + 1)),
    read=read_banglaser,
    remark="three sentences, spoken by every actor on telephones and laptops; seven speakers are "
    "never neutral",
)
