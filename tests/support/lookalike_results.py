"""Writes experiments' folders without training: seeded probabilities in the right files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

EMOTIONS = ("neutral", "anger", "happiness", "sadness")
SPEAKERS = tuple(f"person-{number:02d}" for number in range(10))
EACH = 12  # utterances a speaker
PAPER_SHOWS = (
    "table2", "table3", "table5", "significance", "confusions", "curves", "speakers", "calibration",
    "cost",
)  # fmt: skip


def corpus() -> pd.DataFrame:
    """Ten people who each say twelve things, three in each emotion."""
    rows = [
        {
            "file": f"{speaker}/{place:02d}.wav",
            "start": 0.0,
            "end": None,
            "speaker": speaker,
            "session": "",
            "emotion": EMOTIONS[place % 4],
            "corpus": "invented",
        }
        for speaker in SPEAKERS
        for place in range(EACH)
    ]
    return pd.DataFrame(rows)


def predictions(rows: pd.DataFrame, skill: float, seed: int) -> pd.DataFrame:
    """Answers that are the better, the greater the skill."""
    generator = np.random.default_rng(seed)
    actual = rows["emotion"].map(EMOTIONS.index).to_numpy()
    logits = generator.standard_normal((len(rows), 4)) + skill * np.eye(4)[actual]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    columns = dict(zip(EMOTIONS, probabilities.T, strict=True))
    predicted = np.asarray(EMOTIONS, object)[probabilities.argmax(axis=1)]
    return rows.assign(**columns, predicted=predicted)


def write_run(
    folder: Path, system: str, fold: int, seed: int, skill: float, **settings: Any
) -> None:
    """Writes a run that is done."""
    table = corpus()
    test, validation = SPEAKERS[2 * fold], SPEAKERS[2 * fold + 1]
    folder.mkdir(parents=True)
    scores: dict[str, Any] = {}
    # Systems differ, folds differ, seeds differ, and all of it is the same each time.
    number = sum(map(ord, system)) * 100 + fold * 10 + seed
    for part, speaker in (("validation", validation), ("test", test)):
        answers = predictions(table[table["speaker"] == speaker], skill - 0.3 * fold, number)
        answers.to_csv(folder / f"{part}.csv", index=False)
        scores[part] = {"all": {"wa": 0.6, "ua": 0.5, "ece": 0.1, "ece_uncalibrated": 0.25}}
    made = {
        "settings": {
            "system": system, "seed": seed, "epochs": 3, "curriculum": True,
            "capsules": {"routing_iterations": 3}, **settings,
        },
        "fold": {"name": f"paper-{fold + 1}"},
        "shared_speakers": [],
        "label_set": "paper4: four",
        "table_sha256": "0" * 64,
        "files": dict.fromkeys(table["file"], "ab" * 32),
        "versions": {"seqcap": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
        "commit": "abc1234",
    }  # fmt: skip
    write_json(folder / "settings.json", made)
    epochs = [
        line
        for epoch in range(3)
        for line in (f"{epoch},,{epoch},{1.2 - epoch / 5},{0.3 + epoch / 10},{0.4 + epoch / 10}",
                     f"{epoch},{1.3 - epoch / 5},{epoch},,,")
    ]  # fmt: skip
    header = "epoch,loss,step,validation_loss,validation_ua,validation_wa"
    (folder / "metrics.csv").write_text("\n".join([header, *epochs]) + "\n")
    resources = {
        "parameters": 703540, "training_s": 60.0 + seed, "training_steps": 420, "step_ms": 400.0,
        "testing_s": 2.0, "peak_memory_mb": 1000.0 + fold, "machine": "a machine, 2 cores",
    }  # fmt: skip
    write_json(folder / "resources.json", resources)
    write_json(folder / "scores.json", scores)


def write_experiment(
    folder: Path,
    skills: Mapping[str, float],
    folds: Sequence[int] = range(5),
    seeds: Sequence[int] = (0, 1),
    combinations: Sequence[tuple[str, str]] = (),
    **plan: Any,
) -> None:
    """Writes an experiment of which all runs are done.

    Args:
        folder: Gets plans/ and runs/.
        skills: By system.
        folds: From 0 to 4.
        seeds: Any.
        combinations: Pairs of systems to average.
        **plan: What the plan says otherwise; `labels` for other labels, `settings` by label.
    """
    settings = plan.pop("settings", {})
    entries = []
    for label, skill in skills.items():
        system = label.split(",")[0]
        runs = []
        for seed in seeds:
            for fold in folds:
                name = f"{label}-{plan.get('recipe', 'paper')}-{fold}-s{seed}".replace(", ", "-")
                write_run(
                    folder / "runs" / name, system, fold, seed, skill, **settings.get(label, {})
                )
                runs.append({"fold": f"paper-{fold + 1}", "seed": seed, "folder": name})
        entries.append({"label": label, "system": system, "runs": runs})
    written = {
        "grid": "table5", "title": "All systems", "purpose": "Which one\nis best.",
        "shows": list(PAPER_SHOWS), "corpus": ["invented"],
        "corpus_facts": {
            "utterances": EACH * len(SPEAKERS), "speakers": len(SPEAKERS),
            "emotions": {emotion: EACH * len(SPEAKERS) // 4 for emotion in EMOTIONS},
        },
        "label_set": "paper4: four", "emotions": list(EMOTIONS), "folds": "paper",
        "seeds": list(seeds), "recipe": "paper", "overrides": ["epochs=3"],
        "command": "seqcap experiment run table5", "entries": entries,
        "combinations": [{"label": " + ".join(of), "of": list(of)} for of in combinations],
        **plan,
    }  # fmt: skip
    (folder / "plans").mkdir(exist_ok=True)
    write_json(folder / "plans" / f"{written['grid']}.json", written)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))
