"""Any collection with one folder per emotion: `angry/x.wav`, `anna/02Sad/x.wav`, `test/sad/y.wav`.

Folders of people, above or below those of the emotions, say who speaks; `train`, `dev` and `test`
say the split. What each folder was taken for is told.
"""

from pathlib import Path

from seqcap.corpora.corpus import Corpus, CorpusRow, Findings, recordings_in
from seqcap.corpora.emotions import emotion_in_name
from seqcap.corpora.fold import part_named


def read(folder: Path) -> Findings:
    """Finds out which level of folders says the emotion and which, if any, who speaks.

    Args:
        folder: Of the corpus.
    """
    paths = [path.relative_to(folder) for path in recordings_in(folder)]
    usual = _emotion_level(paths)
    if usual is None:
        return Findings([], ["no folder in it bears the name of an emotion"])
    own_levels = {path: _level_of(path, usual) for path in paths}
    # A folder of an unknown name beside those of known emotions is a new emotion.
    told = {
        path: usual if level is None else level
        for path, level in own_levels.items()
        if level is not None or len(path.parts) > usual + 1
    }
    people = {path: _other_folders(path, level) for path, level in told.items()}
    depth = _telling_depth(list(people.values()))
    utterances = [
        CorpusRow(
            file=folder / path,
            name=str(path),
            speaker=people[path][depth] if len(people[path]) > depth else "",
            emotion=_emotion_of(path.parts[level]),
            split=next((part for name in path.parts[:-1] if (part := part_named(name))), ""),
        )
        for path, level in told.items()
    ]
    speakers = sorted({utterance.speaker for utterance in utterances} - {""})
    who = (
        f"{len(speakers)} speakers, by folders: {', '.join(speakers[:5])}"
        if speakers
        else "no folders tell who speaks: fill the column 'speaker', folds need it"
    )
    notes = [f"{who}; {_taken_for({path.parts[level] for path, level in told.items()})}"]
    if len(told) < len(paths):
        notes.append(f"{len(paths) - len(told):,} files outside the emotions' folders left out")
    return Findings(utterances, notes)


def _emotion_level(paths: list[Path]) -> int | None:
    """The level of folders at which most emotions stand: a person may be called Joy."""
    named: dict[int, list[str]] = {}
    for path in paths:
        for level, name in enumerate(path.parts[:-1]):
            if (emotion := emotion_in_name(name)) is not None:
                named.setdefault(level, []).append(emotion)
    ranked = {level: (len(set(found)), len(found), -level) for level, found in named.items()}
    return max(ranked, key=ranked.__getitem__, default=None)


def _level_of(path: Path, usual: int) -> int | None:
    """The level that says this file's emotion."""
    levels = [i for i, name in enumerate(path.parts[:-1]) if emotion_in_name(name) is not None]
    return usual if usual in levels else next(iter(levels), None)


def _emotion_of(folder: str) -> str:
    return emotion_in_name(folder) or folder.strip().casefold()


def _taken_for(folders: set[str]) -> str:
    """Tells which folders were taken for which emotions."""
    names: dict[str, list[str]] = {}
    for folder in sorted(folders):
        names.setdefault(_emotion_of(folder), []).append(folder)
    told = (f"{emotion} ({', '.join(of_it)})" for emotion, of_it in sorted(names.items()))
    return f"emotions, by folders: {', '.join(told)}"


def _other_folders(path: Path, emotion_level: int) -> list[str]:
    return [
        name
        for level, name in enumerate(path.parts[:-1])
        if level != emotion_level and not part_named(name)
    ]


def _telling_depth(people: list[list[str]]) -> int:
    """Finds the first level whose names differ: a folder that all share (`data/`) is no speaker."""
    depths = range(max(map(len, people)))
    return next(
        (d for d in depths if len({names[d] for names in people if len(names) > d}) > 1),
        len(depths),
    )


FOLDERS = Corpus(
    name="folders",
    title="one folder per emotion",
    language="",
    licence="your own data",
    citation="",
    counts={},
    speaker_count=0,
    read=read,
    remark="for your own collections; folders give the speakers",
)
