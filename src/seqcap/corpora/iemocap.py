"""IEMOCAP: `Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav`.

Labels are in `Session1/dialog/EmoEvaluation/Ses01F_impro01.txt`, texts, where they are there, in
`Session1/dialog/transcriptions/`. A dialog's name says who wears the markers; who speaks is the
letter of an utterance's last field.
"""

import re
from pathlib import Path

from seqcap.corpora.corpus import (
    Corpus,
    CorpusRow,
    Findings,
    files_in,
    recordings_in,
    without_copies,
)
from seqcap.corpora.emotions import UNDECIDED

_DIALOG = re.compile(r"Ses0[1-5][FM]_(?:impro|script)\w+")
_UTTERANCE = re.compile(r"Ses0([1-5])[FM]_(impro|script)\w*_([FM])\w*\d")
# CorpusRow lines start with '['; the header has a '[' too, but inside.
_LABEL = re.compile(r"\[[\d.]+ - [\d.]+\]\s+(\S+)\s+(\w+)\s+\[")
_TEXT = re.compile(r"(Ses\S+) \[[\d.]+-[\d.]+\]:?\s*(.*)")
_EMOTIONS = {
    "neu": "neutral",
    "ang": "anger",
    "hap": "happiness",
    "sad": "sadness",
    "fea": "fear",
    "dis": "disgust",
    "sur": "surprise",
    "exc": "excitement",
    "fru": "frustration",
    "oth": "other",
    "xxx": UNDECIDED,
}
_PARTS = {"impro": "improvised", "script": "scripted"}


def read(folder: Path) -> Findings:
    """Joins recordings, labels and texts by the utterances' names.

    Args:
        folder: Of the corpus.
    """
    labels = _lines_by_utterance(folder, "emoevaluation", _LABEL)
    texts = _lines_by_utterance(folder, "transcriptions", _TEXT)
    utterances = []
    unlabelled = []
    for path in recordings_in(folder):
        match = _UTTERANCE.fullmatch(path.stem)
        if match is None:
            continue  # whole dialogs, beside the sentences in the full release
        if path.stem not in labels:
            unlabelled.append(path.stem)
            continue
        session, kind, letter = match.groups()
        utterances.append(
            CorpusRow(
                file=path,
                name=path.stem,
                speaker=f"{session}{letter}",
                emotion=_EMOTIONS.get(labels[path.stem], labels[path.stem]),
                session=session,
                gender="male" if letter == "M" else "female",
                text=texts.get(path.stem, "").strip(),
                part=_PARTS[kind],
            )
        )
    kept, notes = without_copies(utterances, folder)
    soundless = sorted(labels.keys() - {utterance.name for utterance in kept})
    for names, what in (
        (soundless, "labelled utterances have no recording"),
        (sorted(set(unlabelled)), "recordings have no label in dialog/EmoEvaluation"),
    ):
        if names:
            notes.append(f"{len(names):,} {what}: {', '.join(names[:3])}")
    return Findings(kept, notes)


def _lines_by_utterance(folder: Path, inside: str, line: re.Pattern[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in files_in(folder, (".txt",)):
        # Only the dialogs' own files directly in it: the folders inside (Attribute, Categorical,
        # Self-evaluation) hold single raters.
        if path.parent.name.casefold() == inside and _DIALOG.fullmatch(path.stem):
            text = path.read_text(encoding="utf-8", errors="replace")
            matches = (line.match(each) for each in text.splitlines())
            found |= {match[1]: match[2] for match in matches if match}
    return found


IEMOCAP = Corpus(
    name="iemocap",
    title="IEMOCAP, Interactive Emotional Dyadic Motion Capture Database",
    language="en",
    licence="research only, by agreement with USC",
    citation="Busso et al., Language Resources and Evaluation 42, 2008",
    counts={
        "neutral": 1708,
        "anger": 1103,
        "happiness": 595,
        "sadness": 1084,
        "fear": 40,
        "disgust": 2,
        "surprise": 107,
        "excitement": 1041,
        "frustration": 1849,
        "other": 3,
        UNDECIDED: 2507,
    },
    speaker_count=10,
    speakers=("1F", "1M", "2F", "2M", "3F", "3M", "4F", "4M", "5F", "5M"),
    read=read,
    remark="parts improvised (4,784) and scripted (5,255); scripted texts repeat over sessions",
)
