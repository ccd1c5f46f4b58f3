"""Is the shipped model better than openSMILE eGeMAPS + SVM on the same speakers?

Both learn from the training speakers (the model has already), choose on the validation speakers
and answer for the test speakers of one fold, in one run. Needs the extra `benchmark`:

    python benchmarks/against_opensmile_svm.py emodb.csv ravdess.csv nemo.csv \
        --folds src/seqcap/experiments/recipes/pretrained.json
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import opensmile
import pandas as pd
from rich.progress import track
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.corpora.fold import part_of
from seqcap.corpora.labels import apply_labels, label_set_named
from seqcap.experiments.chosen_folds import choose_fold
from seqcap.experiments.evaluation import (
    emotions_in_common,
    load_rows,
    predict_table,
    scores,
)
from seqcap.experiments.runs import read_tables
from seqcap.experiments.score_text import write_card
from seqcap.recognition.recognizer import Recognizer

CS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
GAMMAS = ("scale", 0.003, 0.01, 0.03)
CARD_MARKER = "<!-- peer -->"


def functionals(table: pd.DataFrame) -> np.ndarray:
    """Extracts eGeMAPS functionals, shape (row, 88)."""
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # segments that openSMILE calls short
        rows = [
            smile.process_signal(waveform, SAMPLE_RATE_HZ).to_numpy()[0]
            for waveform in track(load_rows(table), "openSMILE eGeMAPS")
        ]
    return np.stack(rows)


def peer_predictions(
    table: pd.DataFrame, parts: pd.Series, emotions: tuple
) -> dict[str, pd.DataFrame]:
    """Answers of two SVMs for the test part: scikit-learn's C and gamma, and those chosen.

    They are chosen by UA on the validation part. What is chosen need not be better on others.
    """
    features = functionals(table)
    train, validation, test = ((parts == p).to_numpy() for p in ("train", "validation", "test"))

    def answers(c: float, gamma: float | str, where: np.ndarray) -> pd.DataFrame:
        machine = make_pipeline(
            StandardScaler(), SVC(C=c, gamma=gamma, class_weight="balanced")
        ).fit(features[train], table["emotion"][train])
        predicted = machine.predict(features[where])
        one_hot = {emotion: (predicted == emotion).astype(float) for emotion in emotions}
        rows = table[where].reset_index(drop=True)
        return pd.concat([rows, pd.DataFrame(one_hot)], axis=1)

    def validation_ua(choice: tuple[float, float | str]) -> float:
        return scores(answers(*choice, validation), emotions)["ua"]

    best = max(((c, gamma) for c in CS for gamma in GAMMAS), key=validation_ua)
    return {
        "eGeMAPS + SVM (C = 1)": answers(1.0, "scale", test),
        f"eGeMAPS + SVM (chosen: C = {best[0]}, gamma = {best[1]})": answers(*best, test),
    }


def main() -> None:
    """Prints UA of both, per corpus and overall."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--folds", required=True)
    parser.add_argument("--fold", default="0")
    parser.add_argument("--model", help="folder of a model; the shipped one if not given")
    parser.add_argument(
        "--card",
        type=Path,
        action="append",
        help="card to write the table into, as often as needed",
    )
    arguments = parser.parse_args()

    recognizer = Recognizer.from_pretrained(arguments.model)
    given = read_tables(arguments.tables)
    emotions = emotions_in_common(recognizer, given)
    table = apply_labels(given, label_set_named(",".join(emotions)))
    fold = choose_fold(table, arguments.folds, arguments.fold, allow_shared_speakers=False)
    parts = part_of(table, fold)
    everyone = peer_predictions(table, parts, emotions)
    ours = predict_table(recognizer, table[parts == "test"].reset_index(drop=True), emotions)
    everyone[recognizer.checkpoint.name] = ours

    lines = [
        "UA on the test speakers, with its 95 % interval by bootstrap over speakers",
        "",
        f"| corpus | utterances | speakers | {' | '.join(everyone)} |",
        f"|---|--:|--:|{'--:|' * len(everyone)}",
    ]
    for corpus in [*sorted(ours["corpus"].unique()), "all"]:
        rows = [p if corpus == "all" else p[p["corpus"] == corpus] for p in everyone.values()]
        every_score = [scores(one, emotions) for one in rows]
        cells = [
            "{:.3f} ({:.3f} to {:.3f})".format(score["ua"], *score["ua_interval"])
            for score in every_score
        ]
        people = rows[-1]["speaker"].nunique()
        lines.append(f"| {corpus} | {len(rows[-1])} | {people} | {' | '.join(cells)} |")
    text = "\n".join(lines)
    print(text)
    for card in arguments.card or ():
        write_card(card, text, CARD_MARKER)


if __name__ == "__main__":
    main()
