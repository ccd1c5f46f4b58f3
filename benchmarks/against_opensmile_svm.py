"""Is the shipped model better than openSMILE features with SVMs on the same speakers?

The SVMs are trained on the training speakers and choose C on the validation speakers, as the model
did. All are tested on the test speakers of one fold. Needs the extra `benchmark`:

    python benchmarks/against_opensmile_svm.py emodb.csv ravdess.csv nemo.csv \
        --folds src/seqcap/training/recipes/pretrained.json
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from peers import CACHE, FEATURE_SETS, answer_fold, functionals, per_speaker

from seqcap.corpora.fold import part_of
from seqcap.corpora.folds import choose_fold
from seqcap.recognition.recognizer import Recognizer
from seqcap.scoring.evaluation import labelled_for, predict_table, scores
from seqcap.scoring.score_text import write_card
from seqcap.training.run import read_tables

CARD_MARKER = "<!-- peer -->"
UNKNOWN = "each recording by itself"
KNOWN = (
    "each speaker known by all their recordings, labels aside: the model adapts, the features are "
    "standardised speaker by speaker"
)


def as_table(
    everyone: Mapping[str, pd.DataFrame], emotions: Sequence[str], what_is_known: str
) -> str:
    """Markdown: UA of all, per corpus and overall."""
    lines = [
        f"UA on the test speakers, {what_is_known}; with its 95 % interval by bootstrap over "
        "speakers",
        "",
        f"| corpus | utterances | speakers | {' | '.join(everyone)} |",
        f"|---|--:|--:|{'--:|' * len(everyone)}",
    ]
    corpora = sorted(next(iter(everyone.values()))["corpus"].unique())
    for corpus in [*corpora, "all"]:
        rows = [p if corpus == "all" else p[p["corpus"] == corpus] for p in everyone.values()]
        every_score = [scores(one, emotions) for one in rows]
        cells = [_ua(score) for score in every_score]
        people = rows[-1]["speaker"].nunique()
        lines.append(f"| {corpus} | {len(rows[-1])} | {people} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ua(score: Mapping[str, Any]) -> str:
    """UA with its interval; without one for too few speakers."""
    between = score["ua_interval"]
    return f"{score['ua']:.3f}" + (" ({:.3f} to {:.3f})".format(*between) if between else "")


def main() -> None:
    """Prints UA of all, per corpus and overall."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--folds", required=True)
    parser.add_argument("--fold", default="0")
    parser.add_argument("--model", help="folder of a model; the shipped one if not given")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where features are kept")
    parser.add_argument(
        "--card",
        type=Path,
        action="append",
        help="card to write the table into, as often as needed",
    )
    arguments = parser.parse_args()

    recognizer = Recognizer.from_pretrained(arguments.model)
    table, emotions = labelled_for(recognizer, read_tables(arguments.tables))
    fold = choose_fold(table, arguments.folds, arguments.fold, allow_shared_speakers=False)
    tested = table[part_of(table, fold) == "test"].reset_index(drop=True)
    parts = []
    for known in (False, True) if recognizer.is_speaker_adaptive else (False,):
        everyone = {}
        for feature_set in FEATURE_SETS:
            features = functionals(table, feature_set, arguments.cache)
            if known:
                features = per_speaker(features, table["speaker"])
            answers = answer_fold(features, table, fold, emotions, balanced_prior=False)
            for kernel in ("rbf", "linear"):
                everyone[f"{feature_set} + SVM ({kernel})"] = answers[f"{kernel}-chosen"]
        everyone[recognizer.checkpoint.name] = predict_table(
            recognizer, tested, emotions, progress=True, know_speakers=known
        )
        parts.append(as_table(everyone, emotions, KNOWN if known else UNKNOWN))
    text = "\n\n".join(parts)
    print(text)
    for card in arguments.card or ():
        write_card(card, text, CARD_MARKER)


if __name__ == "__main__":
    main()
