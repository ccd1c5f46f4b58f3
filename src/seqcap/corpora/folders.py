"""Any collection with one folder per emotion: `angry/x.wav`, `anna/angry/x.wav`, `test/sad/y.wav`.

Folders of people, above or below those of the emotions, say who speaks; `train`, `dev` and `test`
say the split.
"""

from collections import Counter
from pathlib import Path

from seqcap.corpora.corpus import Corpus, Findings, Utterance, recordings_in
from seqcap.corpora.emotions import canonical_emotion
from seqcap.corpora.fold import part_named


def read(folder: Path) -> Findings:
    """Finds out which level of folders says the emotion and which, if any, who speaks."""
    paths = [path.relative_to(folder) for path in recordings_in(folder)]
    levels = Counter(
        level
        for path in paths
        for level, name in enumerate(path.parts[:-1])
        if canonical_emotion(name)
    )
    if not levels:
        return Findings([], ["no folder in it bears the name of an emotion"])
    emotion_level = levels.most_common(1)[0][0]
    told = [path for path in paths if len(path.parts) > emotion_level + 1]
    people = {path: _between(path, emotion_level) for path in told}
    # A folder that all share (`data/`, `wav/`) is nobody.
    depth = next(
        (
            d
            for d in range(max((len(names) for names in people.values()), default=0))
            if len({names[d] for names in people.values() if len(names) > d}) > 1
        ),
        None,
    )
    utterances = [
        Utterance(
            file=folder / path,
            name=str(path),
            speaker=names[depth] if depth is not None and len(names) > depth else "",
            emotion=_emotion(path.parts[emotion_level]),
            split=next((part for name in path.parts[:-1] if (part := part_named(name))), ""),
        )
        for path, names in people.items()
    ]
    speakers = sorted({utterance.speaker for utterance in utterances} - {""})
    notes = [
        f"{len(speakers)} speakers, by folders: {', '.join(speakers[:5])}"
        if speakers
        else "no folders tell who speaks: fill the column 'speaker', folds need it"
    ]
    if len(told) < len(paths):
        notes.append(f"{len(paths) - len(told):,} files outside the emotions' folders left out")
    return Findings(utterances, notes)


def _between(path: Path, emotion_level: int) -> list[str]:
    return [
        name
        for level, name in enumerate(path.parts[:-1])
        if level != emotion_level and not part_named(name)
    ]


def _emotion(folder_name: str) -> str:
    return canonical_emotion(folder_name) or folder_name.strip().casefold()


FOLDERS = Corpus(
    name="folders",
    title="one folder per emotion",
    language="",
    licence="yours to know",
    citation="",
    counts={},
    speaker_count=0,
    read=read,
    remark="for collections of one's own; folders of people tell the speakers",
)
