"""How good are openSMILE's functionals and SVMs on the same folds?

There are two feature sets (eGeMAPSv02, 88 values, and ComParE_2016, 6,373), two kernels (rbf and
linear) and two values of C (1, and one chosen by UA on the validation part of each fold). All learn
from the training part only, as our systems do. Needs the extra `benchmark`:

    python benchmarks/peers.py emodb.csv --labels paper4 --folds paper --output peers/emodb

It writes one CSV of predictions a peer, which `seqcap experiment compare` reads, and `scores.md`.
With `--balanced-prior` the prior of each speaker's predictions is corrected, as
`seqcap evaluate --balanced-prior` does.
"""

import argparse
import itertools
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import opensmile
import pandas as pd
import torch
from rich.console import Console
from rich.progress import track
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.corpora.fold import Fold, part_of
from seqcap.corpora.folds import ALL_FOLDS, choose_folds
from seqcap.corpora.labels import LabelSet, apply_labels, label_set_named
from seqcap.corpora.provenance import below_shared_folder, file_hash
from seqcap.errors import SeqcapError
from seqcap.files import atomic_write
from seqcap.scoring.balanced_prior import balance_prior
from seqcap.scoring.calibration import most_likely_temperature
from seqcap.scoring.evaluation import load_rows, scores
from seqcap.scoring.metrics import WHAT_SCORES_MEAN, log_loss
from seqcap.scoring.score_text import write_card
from seqcap.training.run import read_tables

FEATURE_SETS = ("eGeMAPSv02", "ComParE_2016")
CACHE = Path.home() / ".cache/seqcap/peers"
FIXED_C = 1.0
CS = {
    "rbf": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
    "linear": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1, 1.0),
}
PER_SPEAKER = (
    "Features are z-scored per speaker, over all utterances of the speaker, tested ones included, "
    "without labels. This is transductive, and no fair comparison with systems that see one "
    "utterance at a time."
)
BALANCED_PRIOR = (
    "The prior of each speaker's predictions is corrected, over all tested utterances of the "
    "speaker and without labels, as if emotions were balanced. SVM margins become probabilities in "
    "one of three ways, each with a temperature; the validation part chooses the most likely one."
)


def functionals(table: pd.DataFrame, feature_set: str, cache: Path) -> np.ndarray:
    """Computes functionals of every row, shape (row, feature); a cache keeps them."""
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet[feature_set],
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    folder = cache / f"{feature_set}-opensmile-{opensmile.__version__}"
    features = []
    rows = track(
        range(len(table)), f"openSMILE {feature_set}", console=Console(stderr=True), transient=True
    )
    for place in rows:
        row = table.iloc[[place]]
        sound = row.iloc[0]
        end = "" if pd.isna(sound["end"]) else sound["end"]
        kept = folder / f"{file_hash(sound['file'])}-{sound['start'] or 0.0}-{end}.npy"
        if not kept.exists():
            (waveform,) = load_rows(row)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # segments that openSMILE calls short
                values = smile.process_signal(waveform, SAMPLE_RATE_HZ).to_numpy()[0]
            with atomic_write(kept) as path:
                np.save(path, values.astype(np.float32))
        features.append(np.load(kept))
    return np.stack(features).astype(float)


def per_speaker(features: np.ndarray, speakers: "pd.Series[str]") -> np.ndarray:
    """Each speaker's features with that speaker's mean and deviation taken out."""
    result = np.empty_like(features)
    for speaker in set(speakers):
        adapt_to_speaker = (speakers == speaker).to_numpy()
        result[adapt_to_speaker] = StandardScaler().fit_transform(features[adapt_to_speaker])
    return result


def gram(kernel: str, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Kernel values, shape (row, column); gamma as scikit-learn's "scale" has it."""
    if kernel == "linear":
        return linear_kernel(rows, columns)
    return rbf_kernel(rows, columns, gamma=1 / (columns.shape[1] * columns.var()))


def decisions(machine: SVC, values: np.ndarray, emotions: Sequence[str]) -> dict[str, np.ndarray]:
    """How far each emotion is ahead, ``(row, emotion)``, in three ways.

    Counts of pairs won with squashed margins as scikit-learn has them, and sums of the pairs'
    margins, as they are and squashed.
    """
    classes = list(machine.classes_)
    pairs = machine.set_params(decision_function_shape="ovo").decision_function(values)
    pairs = pairs.reshape(len(values), -1)
    if len(classes) == 2:
        pairs = -pairs  # of two, scikit-learn counts for the second
    counted = machine.set_params(decision_function_shape="ovr").decision_function(values)
    ways = {
        "counts": np.stack([-counted, counted], 1) if counted.ndim == 1 else counted,
        "sums": np.zeros((len(values), len(classes))),
        "squashed sums": np.zeros((len(values), len(classes))),
    }
    for margins, (one, other) in zip(
        pairs.T, itertools.combinations(range(len(classes)), 2), strict=True
    ):
        for way, won in (("sums", margins), ("squashed sums", np.tanh(2 * margins))):
            ways[way][:, one] += won
            ways[way][:, other] -= won
    never = {way: table.min() - np.ptp(table) for way, table in ways.items()}  # heard of
    return {
        way: np.stack(
            [
                table[:, classes.index(each)]
                if each in classes
                else np.full(len(table), never[way])
                for each in emotions
            ],
            axis=1,
        )
        for way, table in ways.items()
    }


def probabilities(
    machine: SVC, values: dict[str, np.ndarray], truth: Sequence[str], emotions: Sequence[str]
) -> dict[str, np.ndarray]:
    """Probabilities of the test part, in the way that is most likely on the validation part."""
    actual = np.array([emotions.index(each) for each in truth])
    known = decisions(machine, values["validation"], emotions)
    asked = decisions(machine, values["test"], emotions)
    losses, found = {}, {}
    for way in known:
        before = torch.tensor(known[way])[None]
        temperature = most_likely_temperature(before, torch.tensor(actual))
        losses[way] = log_loss((before[0] / temperature).softmax(1).numpy(), actual)
        found[way] = (torch.tensor(asked[way]) / temperature).softmax(1).numpy()
    best = min(losses, key=losses.__getitem__)
    return dict(zip(emotions, found[best].T, strict=True))


def answer_fold(
    features: np.ndarray,
    table: pd.DataFrame,
    fold: Fold,
    emotions: Sequence[str],
    balanced_prior: bool,
    refit: bool = False,
) -> dict[str, pd.DataFrame]:
    """Predicts a fold's test part with each kernel, with C = 1 and with the chosen C.

    Args:
        features: Of every row of the table, shape ``(row, feature)``.
        table: The corpus, its labels applied.
        fold: Speakers of each part.
        emotions: The emotions to be learned.
        balanced_prior: Correct the prior of each speaker's predictions.
        refit: When C is chosen, train again with the validation part as well.

    Returns:
        Predictions by kernel and choice of C.
    """
    parts = part_of(table, fold)
    place = {part: (parts == part).to_numpy() for part in ("train", "validation", "test")}
    scaler = StandardScaler().fit(features[place["train"]])
    scaled = {part: scaler.transform(features[rows]) for part, rows in place.items()}
    answers = {}
    for kernel, cs in CS.items():
        # The kernel's values once, instead of once for every C.
        values = {part: gram(kernel, rows, scaled["train"]) for part, rows in scaled.items()}
        machines = {
            c: SVC(C=c, kernel="precomputed", class_weight="balanced").fit(
                values["train"], table["emotion"][place["train"]]
            )
            for c in cs
        }

        def predictions(
            c: float,
            part: str,
            machines: Mapping[float, SVC] = machines,
            values: Mapping[str, np.ndarray] = values,
        ) -> pd.DataFrame:
            predicted = machines[c].predict(values[part])
            rows = table[place[part]].reset_index(drop=True).assign(fold=fold.name)
            for emotion in emotions:  # one-hot: an SVM gives no probabilities of its own
                rows[emotion] = (predicted == emotion).astype(float)
            return rows.assign(predicted=predicted, truth=rows["emotion"])

        # Of equals the first: the smaller C.
        chosen = max(cs, key=lambda c: scores(predictions(c, "validation"), emotions)["ua"])
        if refit:
            scaled_all = scaler.transform(features[place["train"] | place["validation"]])
            known = table["emotion"][place["train"] | place["validation"]]
            values = {"test": gram(kernel, scaled["test"], scaled_all)}
            values_of_all = gram(kernel, scaled_all, scaled_all)
            machines = {
                c: SVC(C=c, kernel="precomputed", class_weight="balanced").fit(values_of_all, known)
                for c in {FIXED_C, chosen}
            }
        answers[f"{kernel}-C1"] = predictions(FIXED_C, "test", machines, values)
        answers[f"{kernel}-chosen"] = predictions(chosen, "test", machines, values).assign(c=chosen)
        if balanced_prior:
            truth = table["emotion"][place["validation"]].tolist()
            for name, c in (("C1", FIXED_C), ("chosen", chosen)):
                shares = probabilities(machines[c], values, truth, emotions)
                rows = answers[f"{kernel}-{name}"]
                answers[f"{kernel}-{name}"] = balance_prior(rows.assign(**shares), emotions)
    return answers


def all_predictions(
    table: pd.DataFrame,
    folds: Sequence[Fold],
    emotions: Sequence[str],
    cache: Path,
    each_speaker: bool,
    balanced_prior: bool,
) -> dict[str, pd.DataFrame]:
    """Predicts with every peer, all folds together."""
    result = {}
    ending = _ending(each_speaker, balanced_prior)
    for feature_set in FEATURE_SETS:
        features = functionals(table, feature_set, cache)
        if each_speaker:
            features = per_speaker(features, table["speaker"])
        by_fold = [
            answer_fold(features, table, fold, emotions, balanced_prior)
            for fold in track(
                folds, f"SVMs, {feature_set}", console=Console(stderr=True), transient=True
            )
        ]
        for machine in by_fold[0]:
            result[f"{feature_set}-{machine}{ending}"] = pd.concat(
                [one[machine] for one in by_fold], ignore_index=True
            )
    return result


def scores_by_fold(
    everyone: dict[str, pd.DataFrame], emotions: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores by peer and fold."""
    return {
        name: {str(fold): scores(part, emotions) for fold, part in rows.groupby("fold")}
        for name, rows in everyone.items()
    }


def summary(everyone: dict[str, pd.DataFrame], label_set: LabelSet, notes: Sequence[str]) -> str:
    """Markdown: each peer over all folds."""
    emotions = label_set.emotions
    some = next(iter(everyone.values()))
    lines = [
        f"Labels {label_set.description}; {len(some)} tested utterances of "
        f"{some['speaker'].nunique()} speakers in {some['fold'].nunique()} folds.",
        WHAT_SCORES_MEAN,
        "Mean and standard deviation over folds; pooled: all tested utterances together, with the "
        "95 % interval of UA by bootstrap over speakers.",
        *notes,
        "",
        "| peer | WA | UA | pooled WA | pooled UA |",
        "|---|--:|--:|--:|--:|",
    ]
    by_fold = scores_by_fold(everyone, emotions)
    for name, rows in everyone.items():
        cells = []
        for score in ("wa", "ua"):
            values = [one[score] for one in by_fold[name].values()]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{spread}")
        pooled = scores(rows, emotions)
        between = " ({:.3f} to {:.3f})".format(*(pooled["ua_interval"] or [np.nan] * 2))
        cells += [f"{pooled['wa']:.3f}", f"{pooled['ua']:.3f}{between}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def fold_by_fold(everyone: dict[str, pd.DataFrame], emotions: Sequence[str]) -> str:
    """Markdown: WA and UA of each peer on each fold."""
    by_fold = scores_by_fold(everyone, emotions)
    lines = [
        "Fold by fold, WA / UA:",
        "",
        f"| fold | utterances | {' | '.join(everyone)} |",
        f"|---|--:|{'--:|' * len(everyone)}",
    ]
    for fold in by_fold[next(iter(everyone))]:
        cells = [f"{one[fold]['wa']:.3f} / {one[fold]['ua']:.3f}" for one in by_fold.values()]
        count = next(iter(by_fold.values()))[fold]["utterances"]
        lines.append(f"| {fold} | {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ending(each_speaker: bool, balanced_prior: bool) -> str:
    """Gives the ending of names of peers and files."""
    return "-per-speaker" * each_speaker + "-balanced-prior" * balanced_prior


def main() -> None:
    """Writes every peer's predictions and prints their scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--labels", default="paper4", help="a label set, 'all', or emotions")
    parser.add_argument("--folds", default="paper", help="a scheme or a file of folds")
    parser.add_argument("--output", type=Path, required=True, help="folder of the CSVs")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of cached features")
    parser.add_argument("--per-speaker", action="store_true", help=PER_SPEAKER)
    parser.add_argument("--balanced-prior", action="store_true", help=BALANCED_PRIOR)
    parser.add_argument(
        "--card", type=Path, help="file to write the table into, between two lines of a marker"
    )
    arguments = parser.parse_args()
    try:
        table = read_tables(arguments.tables)
        label_set = label_set_named(arguments.labels, table)
        folds = choose_folds(table, arguments.folds, ALL_FOLDS, allow_shared_speakers=False)
        table = apply_labels(table, label_set)
        everyone = all_predictions(
            table,
            folds,
            label_set.emotions,
            arguments.cache,
            arguments.per_speaker,
            arguments.balanced_prior,
        )
    except SeqcapError as error:
        sys.exit(f"peers: {error}")
    below = dict(zip(table["file"], below_shared_folder(table["file"]), strict=True))
    kept = ["file", "start", "end", "speaker", "emotion", "fold", *label_set.emotions]
    for name, rows in everyone.items():
        columns = [*kept, "predicted", "truth", *(["c"] if "c" in rows else [])]
        with atomic_write(arguments.output / f"{name}.csv") as path:
            rows.assign(file=rows["file"].map(below))[columns].to_csv(path, index=False)
    ways = ((arguments.per_speaker, PER_SPEAKER), (arguments.balanced_prior, BALANCED_PRIOR))
    table_of_all = summary(everyone, label_set, [note for asked, note in ways if asked])
    text = f"{table_of_all}\n\n{fold_by_fold(everyone, label_set.emotions)}\n"
    ending = _ending(arguments.per_speaker, arguments.balanced_prior)
    with atomic_write(arguments.output / f"scores{ending}.md") as path:
        path.write_text(text, "utf-8")
    print(text)
    if arguments.card:
        marker = f"<!-- peers {arguments.output.name}{ending} -->"
        write_card(arguments.card, table_of_all, marker)


if __name__ == "__main__":
    main()
