"""Schemes of folds: from the speakers of a table to training, validation and test.

Schemes: `paper` (Sec. VI-A: one session is left out, one of its speakers validates, the other
tests), `paper_swapped` (the other way round), `loso` (leave one speaker out), `groups:K` (K groups
of speakers), `corpora` (leave one corpus out), `split` (a column of the table: train, dev and test,
or numbers of folds). All are functions of the table alone.
"""

import dataclasses
import itertools
import re

import pandas as pd

from seqcap.corpora.fold import PARTS, Fold, part_named, parts_in_column, shared_speakers_error
from seqcap.corpora.speakers import Speaker, speaker_key, speakers_of
from seqcap.errors import CorpusError

SCHEMES = ("paper", "paper_swapped", "loso", "groups:K", "corpora", "split")
_VALIDATING_SHARE = 5  # one speaker in so many


def make_folds(table: pd.DataFrame, scheme: str, allow_shared_speakers: bool = False) -> list[Fold]:
    """Makes the folds of a scheme; the same table always gives the same folds.

    Args:
        table: As `read_table` gives it, before or after `apply_labels`; column speaker, and
            session, gender and corpus if known.
        scheme: `paper`, `paper_swapped`, `loso`, `groups:6`, `corpora`, `split`.
        allow_shared_speakers: For `split` only; such folds say so in their name.

    Raises:
        CorpusError: No such scheme; too few speakers for it; rows without a speaker; speakers
            shared by the parts.

    Example:
        >>> table = pd.DataFrame({"speaker": ["a", "b", "c", "d"], "session": ["1", "1", "2", "2"]})
        >>> make_folds(table, "paper")[1]
        Fold(name='paper-2', train=('a', 'b'), validation=('c',), test=('d',), column='')
    """
    speakers = speakers_of(table)
    name, _, number = scheme.partition(":")
    if scheme in ("paper", "paper_swapped"):
        return _paper_folds(speakers, scheme)
    if scheme == "loso":
        return _loso_folds(speakers)
    if name == "groups" and number.isdigit() and int(number) > 0:
        return _group_folds(speakers, int(number))
    if scheme == "corpora":
        return _corpus_folds(speakers)
    if scheme == "split":
        return _split_folds(table, allow_shared_speakers)
    raise CorpusError(f"{scheme}: no such scheme of folds; there are {', '.join(SCHEMES)}")


def _paper_folds(speakers: list[Speaker], scheme: str) -> list[Fold]:
    folds = []
    for label, couple in _couples(speakers).items():
        # The paper does not say which of the two validates. Choice: the woman validates and the
        # man tests (where that is not known: the first and the second by name), and
        # `paper_swapped` exchanges them, so that over both, every speaker tests once. A third one
        # goes with the second.
        validation, test = couple[:1], couple[1:]
        if scheme == "paper_swapped":
            validation, test = test, validation
        folds.append(_fold(f"{scheme}-{label}", speakers, validation, test))
    return folds


def _couples(speakers: list[Speaker]) -> dict[str, list[Speaker]]:
    """Groups left out together: a session, or two speakers of a corpus without sessions."""
    couples: dict[str, list[Speaker]] = {}
    without_session = []
    for speaker in speakers:
        if len(speaker.sessions) > 1:
            raise CorpusError(
                f"speaker {speaker.name} is in sessions {', '.join(speaker.sessions)}: no session "
                "can be left out whole; use loso or groups:K"
            )
        if speaker.sessions:
            couples.setdefault(speaker.sessions[0], []).append(speaker)
        else:
            without_session.append(speaker)
    for session, members in couples.items():
        if len(members) < 2:
            raise CorpusError(
                f"session {session} has one speaker, {members[0].name}; two were expected, one to "
                "validate and one to test: use loso or groups:K"
            )
        members.sort(key=lambda speaker: (speaker.gender, speaker.order))
    for number, couple in enumerate(_pairs(without_session), 1):
        couples[str(number)] = couple
    return couples


def _pairs(speakers: list[Speaker]) -> list[list[Speaker]]:
    # Choice: a corpus without sessions (EMO-DB: 10 speakers) gets pairs of a woman and a man, by
    # number. The remaining speakers are paired with each other, and a last single speaker joins
    # the last pair of the corpus.
    pairs: list[list[Speaker]] = []
    for corpus in sorted({speaker.corpus for speaker in speakers}):
        members = [speaker for speaker in speakers if speaker.corpus == corpus]
        women = [speaker for speaker in members if speaker.gender == "female"]
        men = [speaker for speaker in members if speaker.gender == "male"]
        mixed = [list(pair) for pair in zip(women, men, strict=False)]
        left_over = [speaker for speaker in members if not any(speaker in pair for pair in mixed)]
        mixed += [left_over[i : i + 2] for i in range(0, len(left_over), 2)]
        if len(mixed) > 1 and len(mixed[-1]) == 1:
            single = mixed.pop()
            mixed[-1] += single
        pairs += mixed
    if any(len(pair) < 2 for pair in pairs):
        raise _one_speaker()
    return pairs


def _one_speaker() -> CorpusError:
    return CorpusError(
        "one speaker; at least three are expected, to train, validate and test: join another "
        "corpus, or write a column 'split' with the speaker in all parts (--folds split "
        "--allow-shared-speakers), which makes scores too good and marks them"
    )


def _loso_folds(speakers: list[Speaker]) -> list[Fold]:
    if len(speakers) == 1:
        raise _one_speaker()
    folds = []
    for index, speaker in enumerate(speakers):
        # Choice: the other speaker of the session validates, because they share conversations;
        # without sessions, the next speaker in order.
        partners = [p for p in speakers if p != speaker and set(p.sessions) & set(speaker.sessions)]
        validation = partners or [speakers[(index + 1) % len(speakers)]]
        folds.append(_fold(f"loso-{speaker.name}", speakers, validation, [speaker]))
    return folds


def _group_folds(speakers: list[Speaker], count: int) -> list[Fold]:
    # Choice: groups of speakers who follow each other in order, of sizes as equal as can be, each
    # tested once; the next group validates. RAVDESS numbers its actors man, woman, man, woman, so
    # that groups:6 gives the usual six groups of two men and two women.
    if len(speakers) == 1:
        raise _one_speaker()
    if not 3 <= count <= len(speakers):
        raise CorpusError(
            f"groups:{count}: {len(speakers)} speakers; from 3 groups to one for each speaker were "
            "expected"
        )
    bounds = [round(i * len(speakers) / count) for i in range(count + 1)]
    groups = [speakers[a:b] for a, b in itertools.pairwise(bounds)]
    return _rotated_folds(f"groups_{count}", groups)


def _corpus_folds(speakers: list[Speaker]) -> list[Fold]:
    by_corpus: dict[str, list[Speaker]] = {}
    for speaker in speakers:
        by_corpus.setdefault(speaker.corpus, []).append(speaker)
    if len(by_corpus) < 2:
        raise CorpusError(
            f"corpora: the table holds {', '.join(by_corpus) or 'no corpus'}; two or more were "
            "expected, in a column 'corpus': give several tables"
        )
    folds = []
    for left_out, tested in by_corpus.items():
        # Choice: in every other corpus each fifth speaker validates, the last one of a smaller.
        validating = [
            speaker
            for corpus, members in by_corpus.items()
            if corpus != left_out
            for speaker in members[_VALIDATING_SHARE - 1 :: _VALIDATING_SHARE] or members[-1:]
        ]
        folds.append(_fold(f"corpora-{left_out}", speakers, validating, tested))
    return folds


def _rotated_folds(scheme: str, groups: list[list[Speaker]]) -> list[Fold]:
    speakers = [speaker for group in groups for speaker in group]
    return [
        _fold(f"{scheme}-{i + 1}", speakers, groups[(i + 1) % len(groups)], group)
        for i, group in enumerate(groups)
    ]


def _fold(
    name: str, speakers: list[Speaker], validation: list[Speaker], test: list[Speaker]
) -> Fold:
    left_out = {speaker.name for speaker in (*validation, *test)}
    train = tuple(speaker.name for speaker in speakers if speaker.name not in left_out)
    if not train or not left_out:
        raise CorpusError(
            f"{len(speakers)} speakers ({', '.join(one.name for one in speakers[:5])}) are too "
            f"few for the folds {name}: no speaker is left for training; join another corpus or "
            "write a column 'split' and give --folds split"
        )
    return Fold(
        name=re.sub(r"[^\w.+-]", "_", name),
        train=train,
        validation=tuple(speaker.name for speaker in validation),
        test=tuple(speaker.name for speaker in test),
    )


def _split_folds(table: pd.DataFrame, allow_shared_speakers: bool) -> list[Fold]:
    words = sorted(set(table["split"].astype(str))) if "split" in table else []
    if len(words) > 2 and not any(map(part_named, words)):
        return _numbered_folds(table, words)
    parts = parts_in_column(table)
    speakers = {
        part: tuple(speaker.name for speaker in speakers_of(table[parts == part])) for part in PARTS
    }
    empty = [part for part in PARTS if not speakers[part]]
    if empty:
        raise CorpusError(
            f"column 'split' has no rows for {', '.join(empty)}; train, dev and test were expected "
            "(the epoch is chosen on dev, never on test)"
        )
    fold = Fold("split", speakers["train"], speakers["validation"], speakers["test"])
    if not fold.shared_speakers:
        return [fold]
    if not allow_shared_speakers:
        raise shared_speakers_error(fold)
    return [dataclasses.replace(fold, name="split_shared_speakers", column="split")]


def _numbered_folds(table: pd.DataFrame, words: list[str]) -> list[Fold]:
    # Choice: a column of other words than train, dev and test numbers the folds of a
    # cross-validation; each is tested once and the next one validates, as with groups:K.
    groups = [speakers_of(table[table["split"].astype(str) == word]) for word in words]
    word_of: dict[str, str] = {}
    for word, group in zip(words, groups, strict=True):
        for speaker in group:
            other = word_of.setdefault(speaker_key(speaker.name), word)
            if other != word:
                raise CorpusError(
                    f"speaker {speaker.name} is in folds {other} and {word} of column 'split'; "
                    "move each speaker to one"
                )
    return _rotated_folds("split", groups)
