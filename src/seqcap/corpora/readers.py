"""From a folder, as a corpus was unpacked, to the corpus table.

A corpus is added by copying the file of another and adding one line to `READERS`.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from seqcap.corpora.banglaser import BANGLASER
from seqcap.corpora.corpus import COLUMNS, Corpus
from seqcap.corpora.crema_d import CREMA_D
from seqcap.corpora.emodb import EMODB
from seqcap.corpora.emovo import EMOVO
from seqcap.corpora.folders import FOLDERS
from seqcap.corpora.iemocap import IEMOCAP
from seqcap.corpora.nemo import NEMO
from seqcap.corpora.ravdess import RAVDESS
from seqcap.corpora.savee import SAVEE
from seqcap.corpora.tess import TESS
from seqcap.corpora.urdu import URDU
from seqcap.errors import CorpusError, CorpusWarning, suggestion

if TYPE_CHECKING:
    import pandas as pd

READERS: dict[str, Corpus] = {
    "iemocap": IEMOCAP,
    "emodb": EMODB,
    "ravdess": RAVDESS,
    "nemo": NEMO,
    "crema_d": CREMA_D,
    "banglaser": BANGLASER,
    "savee": SAVEE,
    "tess": TESS,
    "emovo": EMOVO,
    "urdu": URDU,
    "folders": FOLDERS,
}


def read_corpus(name: str, folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads a corpus from its folder, at any depth, and compares it with the official counts.

    Args:
        name: One of `READERS`.
        folder: Where the corpus was unpacked, or any folder above it.

    Returns:
        One row an utterance, ordered by file: `file, start, end, speaker, session, emotion` and
        whatever else the corpus has. `start` is 0 and `end` empty: whole files. The corpus's name
        stands before speakers and sessions, `emodb-03`, so that tables can be joined.

    Raises:
        CorpusError: An unknown name, no such folder, or no recording of this corpus in it.

    Warns:
        CorpusWarning: For each difference from the official figures.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")  # one file of 535
        ...     _ = Path(folder, "03a01Fa.wav").write_bytes(b"")
        ...     read_corpus("emodb", folder)[["speaker", "emotion"]].values.tolist()
        [['emodb-03', 'happiness']]
    """
    if name not in READERS:
        raise CorpusError(
            f"{name}: no reader of this name; {suggestion(name, READERS)} "
            "(one folder per emotion: folders)"
        )
    corpus = READERS[name]
    root = Path(folder)
    if not root.is_dir():
        raise CorpusError(f"{folder}: no such folder; the unpacked {corpus.title} was expected")
    findings = corpus.read(root)
    if not findings.utterances:
        raise CorpusError(
            f"{folder}: no recording of {corpus.title} in it; "
            f"is it the right folder? {'; '.join(findings.notes)}".removesuffix(" ")
        )
    import pandas as pd

    table = pd.DataFrame([dataclasses.asdict(u) for u in findings.utterances])
    table["file"] = [str(file.absolute()) for file in table["file"]]
    table["start"] = 0.0
    table["end"] = float("nan")
    for note in findings.notes + differences(corpus, table):
        warnings.warn(f"{name}: {note}", CorpusWarning, stacklevel=2)
    for column in ("speaker", "session"):
        table[column] = [f"{name}-{value}" if value else "" for value in table[column]]
    table["language"] = corpus.language
    table["corpus"] = name
    extras = [c for c in table.columns if c not in COLUMNS and c != "name" and any(table[c])]
    return table[[*COLUMNS, *extras]].sort_values("file", ignore_index=True)


def differences(corpus: Corpus, table: pd.DataFrame) -> list[str]:
    """Lists where the utterances found differ from the official figures.

    Args:
        corpus: With the official figures; without any, nothing differs.
        table: Columns `speaker` (the corpus's own names) and `emotion`.

    Returns:
        One sentence a difference.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"speaker": ["OAF"] * 400, "emotion": "anger"})
        >>> differences(TESS, table)[1]
        'nothing from speakers YAF'
    """
    if not corpus.counts:
        return []
    found = collections.Counter(table["emotion"])
    official = sum(corpus.counts.values())
    notes = []
    emotions = dict.fromkeys([*corpus.counts, *found])
    wrong = [
        f"{emotion} {found[emotion]:,} of {corpus.counts.get(emotion, 0):,}"
        for emotion in emotions
        if found[emotion] != corpus.counts.get(emotion, 0)
    ]
    if wrong:
        notes.append(
            f"{len(table):,} utterances found, {official:,} are official: {', '.join(wrong)}"
        )
    speakers = set(table["speaker"])
    missing = sorted(set(corpus.speakers) - speakers)
    if missing:
        notes.append(f"nothing from speakers {', '.join(missing)}")
    unknown = sorted(speakers - set(corpus.speakers)) if corpus.speakers else []
    if unknown:
        notes.append(f"speakers who are not in the official corpus: {', '.join(unknown)}")
    if not corpus.speakers and len(speakers) != corpus.speaker_count:
        notes.append(f"{len(speakers)} speakers found, {corpus.speaker_count} are official")
    return notes
