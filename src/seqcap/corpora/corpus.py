"""What a reader of one corpus tells: facts about the corpus, and the utterances in a folder.

A reader's file holds a `Corpus`: its official figures as data and one function from a folder to
what was found there. Where names tell everything, that function is `by_name(recognise)`.
"""

import filecmp
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seqcap.audio.formats import ENDINGS
from seqcap.audio.source import printable
from seqcap.errors import CorpusWarning

# Of the corpus table; a corpus may tell more.
COLUMNS = ("file", "start", "end", "speaker", "session", "emotion")


@dataclass(frozen=True)
class CorpusRow:
    """One labelled recording, as a corpus's names and label files tell it.

    Attributes:
        file: the recording.
        name: its name within the corpus; two files of one name are copies of one recording.
        speaker: the corpus's own id; `read_corpus` puts the corpus's name before it.
        emotion: a canonical name, see `seqcap.corpora.emotions`.
        session: who recorded together, where the corpus has sessions.
        text: what is said, or the corpus's code of the sentence; tells shared sentences.
        part: a part of the corpus that is used on its own (IEMOCAP: improvised, scripted).
        split: train, validation or test, where a collection comes divided.
    """

    file: Path
    name: str
    speaker: str
    emotion: str
    session: str = ""
    gender: str = ""
    text: str = ""
    intensity: str = ""
    part: str = ""
    split: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A recording that belongs to the corpus but not to the task.

    Attributes:
        reason: Which recordings these are, and why they are left out.
    """

    reason: str


@dataclass(frozen=True)
class Findings:
    """What a folder holds.

    Attributes:
        utterances: Rows of the corpus table.
        notes: Sentences about anything unusual, such as duplicates.
    """

    utterances: list[CorpusRow]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Corpus:
    """One corpus: official figures, and how to read a folder that holds it.

    Attributes:
        name: Short name in lower case, which is put before the speakers' ids.
        title: Full name.
        language: ISO 639-1 code.
        licence: Licence of the recordings.
        citation: The paper to cite.
        counts: Official number of utterances of each emotion; empty for no particular corpus.
        speaker_count: Official number of speakers; 0 for no particular corpus.
        read: Reads a folder, in any nesting, into `Findings`.
        speakers: Official ids of the speakers where they are known.
        remark: What users of this corpus must know.
    """

    name: str
    title: str
    language: str
    licence: str
    citation: str
    counts: Mapping[str, int]
    speaker_count: int
    read: Callable[[Path], Findings]
    speakers: tuple[str, ...] = ()
    remark: str = ""


def by_name(
    recognise: Callable[[Path], CorpusRow | LeftOut | None],
) -> Callable[[Path], Findings]:
    """Makes a corpus's `read` from a function that reads the name of one recording.

    Args:
        recognise: Gives the utterance of a path; `LeftOut` for recordings of another task; None
            for a name that is not of this corpus.

    Example:
        >>> import tempfile
        >>> read = by_name(lambda path: None)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     read(Path(folder))
        Findings(utterances=[], notes=[])
    """

    def read(folder: Path) -> Findings:
        utterances: list[CorpusRow] = []
        left_out: dict[str, int] = {}
        foreign: list[Path] = []
        for path in recordings_in(folder):
            match recognise(path):
                case CorpusRow() as utterance:
                    utterances.append(utterance)
                case LeftOut(reason):
                    left_out[reason] = left_out.get(reason, 0) + 1
                case None:
                    foreign.append(path)
        kept, notes = without_copies(utterances, folder)
        notes += [f"{count:,} files left out: {reason}" for reason, count in left_out.items()]
        if foreign:
            examples = ", ".join(path.name for path in foreign[:3])
            notes.append(
                f"{len(foreign):,} files with names of another kind left out, such as {examples}"
            )
        return Findings(kept, notes)

    return read


def recordings_in(folder: Path) -> Iterator[Path]:
    """Finds all recordings below a folder, by their endings, in a fixed order.

    Warns:
        CorpusWarning: some files are left out since a table cannot hold their names.

    Args:
        folder: Its own links are followed.
    """
    unnamable = []
    for path in files_in(folder, ENDINGS):
        if printable(str(path)) == str(path):
            yield path
        else:
            unnamable.append(printable(path.name))
    if unnamable:
        warnings.warn(
            f"{len(unnamable):,} files left out, whose names are no UTF-8: "
            f"{', '.join(unnamable[:3])}; rename them",
            CorpusWarning,
            stacklevel=2,
        )


def files_in(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    """Finds all files of some endings, in any case, below a folder; links are followed.

    `._name.wav` and `__MACOSX/` are what a Mac leaves in archives: neither audio nor labels.
    Pipes and devices are passed over.

    Warns:
        CorpusWarning: a folder cannot be searched.

    Args:
        folder: Searched with all below it.
        endings: Lower case, with their dot.
    """
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_warn_of_folder):
        real = os.path.realpath(parent)
        if real in seen:  # a link back to where we have been
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX")
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(endings):
                path = Path(parent, name)
                if path.is_file():
                    yield path


def _warn_of_folder(error: OSError) -> None:
    warnings.warn(
        f"{printable(str(error.filename))}: cannot be searched ({error.strerror}); see its rights",
        CorpusWarning,
        stacklevel=3,
    )


def without_copies(utterances: list[CorpusRow], folder: Path) -> tuple[list[CorpusRow], list[str]]:
    """Keeps one of several files of one name, and says so.

    Choice: archives unpacked into a folder of their own name, and mirrors that hold everything
    twice, are common; of two copies the one in the preferred format counts, then the one higher
    up, then the first by name.

    Args:
        utterances: Rows with their names.
        folder: Of the corpus; paths in notes start there.
    """
    by_key: dict[str, list[CorpusRow]] = {}
    for utterance in utterances:
        by_key.setdefault(utterance.name.casefold(), []).append(utterance)
    kept = []
    copied = []
    differing = []
    for copies in by_key.values():
        first, *others = sorted(copies, key=lambda u: _preference(u.file))
        kept.append(first)
        if others:
            copied.append((first, others[0]))
        differing += [
            other.file
            for other in others
            if other.file.suffix.lower() == first.file.suffix.lower()
            and not filecmp.cmp(first.file, other.file, shallow=False)
        ]
    notes = []
    if copied:
        first, other = copied[0]
        notes.append(
            f"{len(copied):,} recordings are there more than once, as "
            f"{first.file.relative_to(folder)} and {other.file.relative_to(folder)}: "
            "each counted once"
        )
    if differing:
        notes.append(
            f"{len(differing):,} of the copies differ in content from the file that was "
            f"kept: {differing[0].relative_to(folder)}"
        )
    return kept, notes


def _preference(file: Path) -> tuple[int, int, str]:
    return ENDINGS.index(file.suffix.lower()), len(file.parts), str(file)
