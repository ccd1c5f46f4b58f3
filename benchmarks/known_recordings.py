"""How many recordings of a speaker does a speaker-adaptive model need to gain?

Each recording is recognised alone, by a model adapted to a number of other recordings of its
speaker, drawn at random, without labels; with `--known-emotion`, from those of one emotion. Needs
the extra `train`:

    python benchmarks/known_recordings.py emodb.csv ravdess.csv nemo.csv \
        --folds src/seqcap/training/recipes/pretrained.json --part validation
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from seqcap.audio.source import Source
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.corpora.folds import choose_fold, rows_of_part
from seqcap.errors import SeqcapError
from seqcap.recognition.answers import Failure
from seqcap.recognition.recognizer import Recognizer
from seqcap.scoring.evaluation import labelled_for, load_rows, scores
from seqcap.scoring.metrics import WHAT_SCORES_MEAN
from seqcap.training.run import read_tables

COUNTS = (0, 1, 2, 4, 8, 16, 32)
GROUPS = 4  # of a speaker's recordings: each is answered knowing recordings of other groups alone


def answer(
    recognizer: Recognizer,
    sounds: Sequence[Source],
    emotions: Sequence[str],
    known: int,
    generator: np.random.Generator,
    may_be_known: np.ndarray,
) -> list[list[float]]:
    """Probabilities of one speaker's recordings, each group by recordings of the other groups."""
    group = generator.permutation(len(sounds)) % GROUPS
    result: list[list[float]] = [[]] * len(sounds)
    for one in range(GROUPS):
        others, own = np.flatnonzero((group != one) & may_be_known), np.flatnonzero(group == one)
        drawn = generator.permutation(others)[:known]
        adapted = recognizer.adapt_to_speaker([sounds[int(place)] for place in drawn])
        answers = adapted.recognize_many([sounds[int(place)] for place in own])
        for place, each in zip(own, answers, strict=True):
            if isinstance(each, Failure):
                raise SeqcapError(f"{each.file}: {each.reason}")
            result[place] = [each.probabilities[emotion] for emotion in emotions]
    return result


def main() -> None:
    """Prints UA by number of known recordings, per corpus and overall."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--folds", required=True)
    parser.add_argument("--fold", default="0")
    parser.add_argument("--part", default="validation", help="validation or test")
    parser.add_argument("--model", help="folder of a model; the shipped one if not given")
    parser.add_argument("--known-emotion", help="only recordings of this emotion are known")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing")
    arguments = parser.parse_args()
    try:
        recognizer = Recognizer.from_pretrained(arguments.model)
        table, emotions = labelled_for(recognizer, read_tables(arguments.tables))
        fold = choose_fold(table, arguments.folds, arguments.fold, allow_shared_speakers=False)
        asked = rows_of_part(table, fold, arguments.part).reset_index(drop=True)
        if not recognizer.is_speaker_adaptive:
            recognizer.adapt_to_speaker([])
    except SeqcapError as error:
        sys.exit(f"known_recordings: {error}")
    corpora = sorted(asked["corpus"].unique())
    print(WHAT_SCORES_MEAN)
    print(f"\n| known | {' | '.join(corpora)} | all |\n|--:|{'--:|' * (len(corpora) + 1)}")
    speakers = asked["speaker"].unique()
    sounds = [(waveform, SAMPLE_RATE_HZ) for waveform in load_rows(asked)]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("recognising", total=len(COUNTS) * len(speakers))
        for known in COUNTS:
            generator = np.random.default_rng(arguments.seed)
            answered = asked.copy()
            answered[list(emotions)] = 0.0
            for speaker in speakers:
                own = np.flatnonzero(asked["speaker"] == speaker)
                recordings = [sounds[int(place)] for place in own]
                label = arguments.known_emotion
                allowed = (asked["emotion"][own] == label).to_numpy() | (label is None)
                answered.loc[own, list(emotions)] = answer(
                    recognizer, recordings, emotions, known, generator, allowed
                )
                progress.advance(task)
            cells = [scores(answered[answered["corpus"] == one], emotions) for one in corpora]
            cells.append(scores(answered, emotions))
            uas = " | ".join(f"{one['ua']:.3f}" for one in cells)
            print(f"| {known} | {uas} |", flush=True)


if __name__ == "__main__":
    main()
