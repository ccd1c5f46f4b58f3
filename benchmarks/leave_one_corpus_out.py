"""How good is an idea on corpora that it was not trained on? The development protocol.

Test speakers of all corpora (`recipes/development.json`) take no part in it. Of the others, some
corpora train and the ones that are left out are answered, with four emotions. This chooses recipes
and the temperature, so its figures are called development, wherever they are printed.

    python benchmarks/leave_one_corpus_out.py emodb.csv ravdess.csv nemo.csv crema_d.csv \
        banglaser.csv --left-out crema_d+emodb --idea baseline --steps 1200

Gives one row for each left-out corpus to `--scores`; the same command goes on where it stopped. The
temperature for one corpus is fitted on the answers of the idea for all the others.
"""

import argparse
import dataclasses
import json
import subprocess
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from seqcap.audio.normalisation import Normalisation
from seqcap.audio.spectrogram import BIN_COUNT
from seqcap.corpora.fold import Fold, part_of
from seqcap.corpora.folds import read_folds
from seqcap.corpora.labels import LabelSet, apply_labels, label_set_named
from seqcap.errors import CorpusWarning, SettingsError
from seqcap.files import atomic_write
from seqcap.models.systems import System
from seqcap.recognition.answers import NO_SPEECH
from seqcap.recognition.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from seqcap.scoring.balanced_prior import balance_prior
from seqcap.scoring.calibration import most_likely_temperature
from seqcap.scoring.evaluation import scores
from seqcap.scoring.metrics import calibration_error, most_probable
from seqcap.training.batches import (
    Segments,
    Utterance,
    WholeUtterances,
    by_length,
    collate,
    find_speech,
)
from seqcap.training.fine_tuning import describe_init_model, refuse_known_speakers
from seqcap.training.fit import answer_batches, train
from seqcap.training.run import load_utterances, read_tables
from seqcap.training.run_identity import describe_machine
from seqcap.training.settings import RECIPES, TrainingSettings, read_settings
from seqcap.training.speaker_features import subtract_speaker_features

MOST_VALIDATION_ROWS = 100  # they are watched only
ANSWERS_FILE = "answers.csv"
LOGITS_FILE = "logits.npz"
BINS = 15  # of the calibration error
COST_FILE = "cost.json"
MODEL_FOLDER = "model"
# Whose recordings give the mean spectrum that a model which adapts takes out.
ADAPTS_TO = ("speaker", "collection", "recording", "nobody")


def development_rows(
    table: pd.DataFrame, fold: Fold, left_out: Sequence[str], most_speakers: int
) -> dict[str, pd.DataFrame]:
    """Rows of each part when some corpora are left out; test speakers are in none.

    Args:
        table: All corpora.
        fold: Of `recipes/development.json`.
        left_out: Names of corpora.
        most_speakers: So many of a left-out corpus are answered, evenly spaced; 0: all.
    """
    parts = part_of(table, fold)
    known = table[parts != "test"]
    away = known["corpus"].isin(left_out)
    chosen: list[str] = []
    for corpus in left_out:
        speakers = sorted(set(known["speaker"][known["corpus"] == corpus]))
        chosen += speakers[:: max(1, round(len(speakers) / (most_speakers or len(speakers))))]
    return {
        "train": known[~away & (parts[known.index] == "train")],
        "validation": known[~away & (parts[known.index] == "validation")],
        "test": known[away & known["speaker"].isin(chosen)],
    }


def labelled(table: pd.DataFrame, labels: LabelSet) -> pd.DataFrame:
    """The rows with an emotion of the set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CorpusWarning)
        return apply_labels(table, labels)


def count_epochs(training: Sequence[Utterance], settings: TrainingSettings, steps: int) -> int:
    """How many epochs come nearest to so many steps."""
    nothing = np.zeros(BIN_COUNT, np.float32)
    unmeasured = Normalisation(nothing, nothing, settings.normalisation)
    pieces = len(Segments(training, unmeasured, None, 0, settings.segment_s))
    return max(1, round(steps * settings.batch_size / pieces))


def train_idea(
    rows: dict[str, pd.DataFrame],
    labels: LabelSet,
    settings: TrainingSettings,
    steps: int,
    folder: Path,
) -> None:
    """Trains and answers; keeps the answers and what it cost."""
    tested = Fold("left out", (), (), tuple(sorted(set(rows["test"]["speaker"]))))
    refuse_known_speakers(describe_init_model(settings), tested)
    began_s = time.perf_counter()
    # The last epoch is kept and the temperature is fitted elsewhere, so validation speakers choose
    # nothing, and train as well: people are what is missing.
    known = pd.concat([rows["train"], rows["validation"]], ignore_index=True)
    training = find_speech(load_utterances(known, labels), settings.normalisation)
    settings = dataclasses.replace(settings, epochs=count_epochs(training, settings, steps))
    with atomic_write(folder / "settings.json") as path:
        path.write_text(json.dumps(dataclasses.asdict(settings), indent=1) + "\n", "utf-8")
    few = rows["validation"][:: -(-len(rows["validation"]) // MOST_VALIDATION_ROWS)]
    trained = train(
        training,
        load_utterances(few, labels),
        labels.emotions,
        settings,
        folder,
        "cpu",
        progress=False,
    )
    seconds = round(time.perf_counter() - began_s)
    cost = {"steps": trained.steps, "step_ms": round(trained.step_ms), "seconds": seconds}
    save_checkpoint(
        Checkpoint(
            name=folder.parent.name,
            system=trained.system,
            system_name=settings.system,
            capsule_settings=settings.capsules,
            emotions=labels.emotions,
            normalisation=trained.normalisation,
        ),
        folder / MODEL_FOLDER,
    )
    answer(trained.system, trained.normalisation, rows["test"], labels, folder, cost)
    for leftover in folder.glob("*.ckpt"):
        leftover.unlink()


def answer(
    system: System,
    normalisation: Normalisation,
    rows: pd.DataFrame,
    labels: LabelSet,
    folder: Path,
    cost: dict[str, Any],
    adapts_to: str = "speaker",
) -> None:
    """Keeps each row's logits, ``(branch, row, emotion)``; then what they cost, last."""
    asked = [
        one._replace(speaker=_group(one, place, adapts_to))
        for place, one in enumerate(load_utterances(rows, labels))
    ]
    if adapts_to == "nobody":
        normalisation = normalisation.changed(speaker_mean_norm=0.0, speaker_feature_norm=0.0)
    heard = normalisation.find_speech([one.waveform for one in asked])
    spoken = [place for place, speech in enumerate(heard) if speech is None or speech.any()]
    there = [asked[place]._replace(speech=heard[place]) for place in spoken]
    there = subtract_speaker_features(there, normalisation)
    order = by_length(there, 16)
    batches = DataLoader(
        WholeUtterances(there, normalisation), batch_sampler=order, collate_fn=collate
    )
    found, _ = answer_batches(system, batches)
    logits = np.full((len(found), len(asked), len(labels.emotions)), np.nan, np.float32)
    logits[:, [spoken[place] for batch in order for place in batch]] = found.numpy()
    np.savez(folder / LOGITS_FILE, logits=logits)
    rows[["corpus", "speaker", "emotion"]].to_csv(folder / ANSWERS_FILE, index=False)
    with atomic_write(folder / COST_FILE) as path:
        path.write_text(json.dumps(cost) + "\n", "utf-8")


def average_answers(ideas: Sequence[Path], left_out: str, folder: Path) -> None:
    """Keeps the mean probabilities of several ideas for the same rows, as if one had answered.

    Args:
        ideas: Their folders.
        left_out: Corpora, as in the names of the folders within.
        folder: Where the mean goes.

    Raises:
        SettingsError: They did not answer the same rows.
    """
    rows = [pd.read_csv(one / left_out / ANSWERS_FILE, dtype=str) for one in ideas]
    if not all(one.equals(rows[0]) for one in rows):
        raise SettingsError(f"{left_out}: {', '.join(map(str, ideas))} answered different rows")
    each = [torch.from_numpy(np.load(one / left_out / LOGITS_FILE)["logits"]) for one in ideas]
    mean = torch.stack([logits.softmax(-1).mean(0) for logits in each]).mean(0)
    np.savez(folder / LOGITS_FILE, logits=mean.clamp(min=1e-9).log()[None].numpy())
    rows[0].to_csv(folder / ANSWERS_FILE, index=False)
    with atomic_write(folder / COST_FILE) as path:
        path.write_text(json.dumps({"steps": 0}) + "\n", "utf-8")


def _group(one: Utterance, place: int, adapts_to: str) -> str:
    """Names those with whom an utterance shares its mean spectrum."""
    names = {"speaker": one.speaker, "collection": one.corpus, "recording": str(place)}
    return names.get(adapts_to, "")


def answer_with_opensmile(
    rows: dict[str, pd.DataFrame], emotions: Sequence[str], feature_set: str, each_speaker: bool
) -> dict[str, list[dict[str, Any]]]:
    """Scores of each of openSMILE's machines, by its name, on each left-out corpus.

    When C is chosen, they are trained on the same speakers as the networks. With `each_speaker`,
    features are standardised by speaker, without labels.
    """
    from peers import CACHE, answer_fold, functionals, per_speaker

    speakers = {part: tuple(sorted(set(one["speaker"]))) for part, one in rows.items()}
    fold = Fold("left-out", speakers["train"], speakers["validation"], speakers["test"])
    table = pd.concat(rows.values(), ignore_index=True)
    features = functionals(table, feature_set, CACHE)
    if each_speaker:
        features = per_speaker(features, table["speaker"])
    ending = "-refit-per-speaker" if each_speaker else "-refit"
    answers = answer_fold(features, table, fold, emotions, balanced_prior=False, refit=True)
    return {
        f"{feature_set}-{machine}{ending}": [
            _row(str(corpus), part, scores(part, emotions))
            for corpus, part in predictions.groupby("corpus")
        ]
        for machine, predictions in answers.items()
    }


def _row(corpus: str, part: pd.DataFrame, score: dict[str, Any]) -> dict[str, Any]:
    low, high = score["ua_interval"] or (float("nan"), float("nan"))
    return {
        "corpus": corpus,
        **{key: round(score[key], 4) for key in ("ua", "wa")},
        "ua_low": round(low, 3),
        "ua_high": round(high, 3),
        **{f"recall_{e}": round(r, 3) for e, r in score["recall"].items() if r is not None},
        "utterances": len(part),
        "speakers": score["speakers"],
    }


def score_idea(folders: Sequence[Path], emotions: Sequence[str]) -> list[dict[str, Any]]:
    """Scores of each left-out corpus of an idea, with the temperature of all others' answers."""
    every = []
    for folder in folders:
        rows = pd.read_csv(folder / ANSWERS_FILE, dtype=str)
        logits = torch.from_numpy(np.load(folder / LOGITS_FILE)["logits"])
        every += [
            (folder, corpus, part, logits[:, part.index.tolist()])
            for corpus, part in rows.groupby("corpus")
        ]
    result = []
    for folder, corpus, part, logits in every:
        others = [(o, z) for _, name, o, z in every if name != corpus]
        temperature = temperature_of(others, emotions)
        shares = (logits / (temperature if others else 1.0)).softmax(-1).mean(0).numpy()
        table = pd.concat(
            [part.reset_index(drop=True), pd.DataFrame(shares, columns=list(emotions))], axis=1
        )
        row = {"folder": folder, **_row(str(corpus), part, scores(table, emotions))}
        actual = [emotions.index(one) for one in part["emotion"]]
        plain = logits.softmax(-1).mean(0).numpy()
        row["ece_uncalibrated"] = round(calibration_error(plain, actual, BINS), 3)
        names = np.array([*emotions, NO_SPEECH])  # -1 is the last one
        named = table.assign(predicted=names[most_probable(shares)])
        row["ua_balanced"] = round(scores(balance_prior(named, emotions), emotions)["ua"], 4)
        if others:
            row["temperature"] = round(temperature, 3)
            row["ece"] = round(calibration_error(shares, actual, BINS), 3)
        row["no_speech"] = int(logits.isnan().any(-1).any(0).sum())
        result.append(row)
    return result


def temperature_of(
    others: Sequence[tuple[pd.DataFrame, torch.Tensor]], emotions: Sequence[str]
) -> float:
    """The geometric mean of what each corpus asks for, so that large ones count no more."""
    found = []
    for rows, logits in others:
        labels = torch.tensor([emotions.index(one) for one in rows["emotion"]])
        spoken = ~logits.isnan().any(-1).any(0)
        found.append(most_likely_temperature(logits[:, spoken], labels[spoken]))
    return float(np.exp(np.mean(np.log(found)))) if found else 1.0


def main() -> None:
    """Trains one idea with some corpora left out, and writes its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--left-out", required=True, help="corpora, with + between them")
    parser.add_argument("--idea", required=True, help="what it is called in the rows")
    parser.add_argument("--labels", default="paper4", help="that train; paper4 is answered")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--model", help="answer with this model, and train nothing")
    parser.add_argument("--adapts-to", choices=ADAPTS_TO, default="speaker")
    parser.add_argument(
        "--average", nargs="+", type=Path, help="folders of ideas, whose probabilities are averaged"
    )
    parser.add_argument("--opensmile", help="a feature set: its machines answer instead")
    parser.add_argument(
        "--each-speaker", action="store_true", help="openSMILE: standardised by speaker"
    )
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--most-speakers", type=int, default=0)
    parser.add_argument("--folds", type=Path, default=RECIPES / "development.json")
    parser.add_argument("--output", type=Path, default=Path("runs/development"))
    parser.add_argument(
        "--scores", type=Path, default=Path("results/development/leave-one-corpus-out.csv")
    )
    arguments = parser.parse_args()
    left_out = arguments.left_out.split("+")
    settings = read_settings(
        arguments.recipe,
        ["precision=bf16-mixed", "threads=1", *arguments.overrides],
    )
    answered, trained = label_set_named("paper4"), label_set_named(arguments.labels)
    table = read_tables(arguments.tables)
    (fold,) = read_folds(arguments.folds)
    rows = development_rows(table, fold, left_out, arguments.most_speakers)
    rows = {
        part: labelled(one, answered if part == "test" else trained) for part, one in rows.items()
    }
    torch.set_num_threads(1)
    if arguments.opensmile:
        found = answer_with_opensmile(
            rows, answered.emotions, arguments.opensmile, arguments.each_speaker
        )
        for machine, fresh in found.items():
            add_rows(arguments, machine, 0, fresh)
        return
    folder = arguments.output / f"{arguments.idea}-{arguments.steps}-{settings.seed}"
    own = folder / arguments.left_out
    own.mkdir(parents=True, exist_ok=True)
    if arguments.average:
        average_answers(arguments.average, arguments.left_out, own)
    elif arguments.model and not (own / COST_FILE).exists():
        given = load_checkpoint(arguments.model)
        cost = {"steps": 0}
        answer(
            given.system,
            given.normalisation,
            rows["test"],
            answered,
            own,
            cost,
            arguments.adapts_to,
        )
    elif not (own / COST_FILE).exists():
        train_idea(rows, trained, settings, arguments.steps, own)
    write_scores(arguments, settings, folder, answered.emotions)


def write_scores(
    arguments: argparse.Namespace,
    settings: TrainingSettings,
    folder: Path,
    emotions: Sequence[str],
) -> None:
    """Adds the rows of all that was left out for this idea, so that temperatures are of all."""
    for own in sorted(path.parent for path in folder.glob(f"*/{COST_FILE}")):
        cost = json.loads((own / COST_FILE).read_text("utf-8"))
        folders = sorted(path.parent for path in folder.glob(f"*/{COST_FILE}"))
        fresh = [row for row in score_idea(folders, emotions) if row.pop("folder") == own]
        add_rows(arguments, arguments.idea, settings.seed, [row | cost for row in fresh], own.name)


def add_rows(
    arguments: argparse.Namespace,
    idea: str,
    seed: int,
    fresh: Sequence[dict[str, Any]],
    left_out: str = "",
) -> None:
    """Replaces an idea's rows in the table of all ideas, and prints them."""
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    key = {
        "idea": idea,
        "left_out": left_out or arguments.left_out,
        "seed": seed,
        "asked_steps": arguments.steps,
    }
    notes = {
        "recipe": arguments.recipe,
        "changed": " ".join(arguments.overrides),
        "labels": arguments.labels,
        "machine": describe_machine(),
        "commit": commit,
    }
    rows = pd.DataFrame([{**key, **row, **notes} for row in fresh])
    if arguments.scores.exists():
        before = pd.read_csv(arguments.scores)
        ours = (before[list(key)] == pd.Series(key)).all(axis=1)
        rows = pd.concat([before[~ours], rows], ignore_index=True)
    with atomic_write(arguments.scores) as path:
        rows.to_csv(path, index=False)
    print(pd.DataFrame(fresh).assign(idea=idea).to_string())


if __name__ == "__main__":
    main()
