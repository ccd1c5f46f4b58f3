"""What training and test must not share: speakers, recordings and, where it is known, sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from seqcap.corpora.fold import Fold, part_of, shared_speakers_error
from seqcap.errors import CorpusError


@dataclass(frozen=True)
class FoldReport:
    """What the parts of a fold share although they may.

    Attributes:
        fold: The fold's name.
        shared_speakers: Empty unless sharing them was allowed.
        shared_texts: Sentences of the test part that are in the training part too, in order.
            Scripted corpora share all of them, and a system can learn sentences instead of
            emotions.
        test_share: Share of the test rows whose sentence is in the training part too, 0 to 1.

    Example:
        >>> FoldReport("f", (), ("Hi.",), test_share=1.0).shared_texts
        ('Hi.',)
    """

    fold: str
    shared_speakers: tuple[str, ...]
    shared_texts: tuple[str, ...]
    test_share: float


def check_fold(
    table: pd.DataFrame,
    fold: Fold,
    allow_shared_speakers: bool = False,
    audio_hashes: Mapping[str, str] | None = None,
) -> FoldReport:
    """Refuses a fold that leaks from training into test; reports the sentences that both have.

    Args:
        table: As `read_table` gives it; columns file and speaker, text if known.
        fold: As `make_folds` gives it.
        allow_shared_speakers: Accept shared speakers; the report names them.
        audio_hashes: File -> hash of its sound. With them, the same recording under two names is
            found; without, only the same file is.

    Raises:
        CorpusError: Speakers are in several parts; a part is empty; a recording is in several
            parts.

    Example:
        >>> table = pd.DataFrame(
        ...     {"file": ["1", "2", "3"], "speaker": ["a", "b", "c"], "text": ["Hi.", "Ho.", "Hi."]}
        ... )
        >>> check_fold(table, Fold("f", ("a",), ("b",), ("c",))).shared_texts
        ('Hi.',)
    """
    if fold.shared_speakers and not allow_shared_speakers:
        raise shared_speakers_error(fold)
    parts = part_of(table, fold)
    for part in ("train", "validation", "test"):
        if not (parts == part).any():
            raise CorpusError(f"fold {fold.name}: nothing to {part}; each part needs utterances")
    _refuse_shared_recordings(table, fold, parts, audio_hashes or {})
    texts = table["text"] if "text" in table else pd.Series("", index=table.index)
    known = set(texts[parts == "train"]) - {""}
    tested = texts[parts == "test"]
    return FoldReport(
        fold=fold.name,
        shared_speakers=fold.shared_speakers,
        shared_texts=tuple(sorted(known & set(tested))),
        test_share=float(tested.isin(known).mean()),
    )


def _refuse_shared_recordings(
    table: pd.DataFrame, fold: Fold, parts: "pd.Series[str]", audio_hashes: Mapping[str, str]
) -> None:
    sounds = [audio_hashes.get(file, file) for file in table["file"]]
    if "start" in table:  # two pieces of one file are two recordings
        sounds = [f"{sound} {start}" for sound, start in zip(sounds, table["start"], strict=True)]
    first_of: dict[str, int] = {}
    shared = []
    part_of_row = parts.tolist()
    for row, sound in enumerate(sounds):
        first = first_of.setdefault(sound, row)
        if part_of_row[first] != part_of_row[row]:
            shared.append((first, row))
    if shared:
        here, there = (
            f"{table['file'].iloc[row]} (row {row + 2}, {part_of_row[row]})" for row in shared[0]
        )
        raise CorpusError(
            f"fold {fold.name}: {len(shared):,} recordings are in two parts, the first as {here} "
            f"and {there}; keep one of each"
        )
