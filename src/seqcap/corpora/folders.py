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
    own_levels = {path: _emotion_level(path) for path in paths}
    levels = Counter(level for level in own_levels.values() if level is not None)
    if not levels:
        return Findings([], ["no folder in it bears the name of an emotion"])
    # A folder of an unknown name beside those of known emotions is an emotion of one's own.
    usual = levels.most_common(1)[0][0]
    told = {
        path: usual if level is None else level
        for path, level in own_levels.items()
        if level is not None or len(path.parts) > usual + 1
    }
    people = {path: _other_folders(path, level) for path, level in told.items()}
    depth = _telling_depth(list(people.values()))
    utterances = [
        Utterance(
            file=folder / path,
            name=str(path),
            speaker=people[path][depth] if len(people[path]) > depth else "",
            emotion=canonical_emotion(path.parts[level]) or path.parts[level].strip().casefold(),
            split=next((part for name in path.parts[:-1] if (part := part_named(name))), ""),
        )
        for path, level in told.items()
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


def _emotion_level(path: Path) -> int | None:
    return next((i for i, name in enumerate(path.parts[:-1]) if canonical_emotion(name)), None)


def _other_folders(path: Path, emotion_level: int) -> list[str]:
    return [
        name
        for level, name in enumerate(path.parts[:-1])
        if level != emotion_level and not part_named(name)
    ]


def _telling_depth(people: list[list[str]]) -> int:
    """Finds the first level whose names differ: a folder that all share (`data/`) is nobody."""
    depths = range(max(map(len, people)))
    return next(
        (d for d in depths if len({names[d] for names in people if len(names) > d}) > 1),
        len(depths),
    )


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
