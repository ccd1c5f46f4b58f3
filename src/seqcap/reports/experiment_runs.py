"""What one run has left so far, and runs averaged from others."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqcap.errors import SettingsError
from seqcap.experiments.run_files import CURVES, PARTS, RunFiles

DONE, FAILED, BEGUN, WAITING = "done", "failed", "begun", "waiting"

NO_SEED = -1  # of answers that no seed is told of, or that are the mean of several

Key = tuple[str, int]  # fold and seed


@dataclass(frozen=True)
class Run:
    """One system on one fold with one seed, as far as it has come.

    Attributes:
        fold: Name of the fold.
        seed: Of the training.
        name: Of its folder; "" for runs averaged from others.
        state: done, failed (the last try left an error), begun (runs now or was interrupted) or
            waiting (not begun).
        provenance: `settings.json`; empty while it waits.
        scores: `scores.json`; empty before it is done.
        resources: `resources.json`; empty before it is done.
        validation: Predictions; empty before it is done.
        test: Predictions; empty before it is done.
        unknown_speakers: Predictions of the test part without speaker adaptation; empty before it
            is done, and of systems that do not adapt to speakers.
        curves: The training, epoch by epoch; empty of runs averaged from others.
        gradients: File with the gradients of Fig. 8, if there is one.
        error: Last line of what went wrong.
    """

    fold: str
    seed: int
    name: str
    state: str
    provenance: Mapping[str, Any]
    scores: Mapping[str, Any]
    resources: Mapping[str, Any]
    validation: pd.DataFrame
    test: pd.DataFrame
    unknown_speakers: pd.DataFrame
    curves: pd.DataFrame
    gradients: Path | None = None
    error: str = ""

    @property
    def key(self) -> Key:
        """What runs of two systems are paired by."""
        return self.fold, self.seed


def as_run(left: RunFiles, fold: str, seed: int) -> Run:
    """Makes a run from what it left so far.

    Args:
        left: As `read_run_files` gives it.
        fold: Name of its fold.
        seed: Of its training.
    """
    begun, lines = bool(left.settings), left.error.strip().splitlines()
    state = DONE if left.is_done else FAILED if left.error else BEGUN if begun else WAITING
    validation, test, unknown_speakers, curves = (
        left.tables.get(name, pd.DataFrame()) for name in (*PARTS, CURVES)
    )
    return Run(
        fold=fold,
        seed=seed,
        name=left.name,
        state=state,
        provenance=left.settings,
        scores=left.scores,
        resources=left.resources,
        validation=validation,
        test=test,
        unknown_speakers=unknown_speakers,
        curves=curves,
        gradients=left.gradients,
        error=lines[-1] if lines else "",
    )


def probabilities_of(predictions: pd.DataFrame, emotions: Sequence[str]) -> NDArray[np.float64]:
    """Gives the columns of probabilities, shape ``(utterance, emotion)``."""
    return predictions[list(emotions)].to_numpy(float)


def actual_of(predictions: pd.DataFrame, emotions: Sequence[str]) -> NDArray[np.int64]:
    """Gives the truth as indices of emotions, shape ``(utterance,)``."""
    return pd.Index(emotions).get_indexer(pd.Index(predictions["emotion"])).astype(np.int64)


def average_runs(runs: Sequence[Run], emotions: Sequence[str]) -> Run:
    """Averages the probabilities of finished runs on the same fold.

    Args:
        runs: One of each system, or of each seed.
        emotions: Columns of the probabilities.

    Returns:
        A run that is done where all are, without costs of its own.

    Raises:
        SettingsError: The runs answered other utterances.
    """
    first = runs[0]
    states = [run.state for run in runs]
    if any(state != DONE for state in states):
        state = next(s for s in (FAILED, WAITING, BEGUN) if s in states)
        return dataclasses.replace(
            _without_training(first), state=state, scores={},
            validation=pd.DataFrame(), test=pd.DataFrame(), unknown_speakers=pd.DataFrame(),
        )  # fmt: skip
    averaged: dict[str, Any] = {}
    for part in ("validation", "test", "unknown_speakers"):
        tables: list[pd.DataFrame] = [getattr(run, part) for run in runs]
        if any(table.empty for table in tables):
            averaged[part] = pd.DataFrame()  # not all of them adapt to speakers
            continue
        keys = [table[["file", "start"]].to_numpy().tolist() for table in tables]
        if any(key != keys[0] for key in keys):
            raise SettingsError(
                f"{', '.join(run.name for run in runs)}: {part}.csv of other utterances; runs on "
                "the same fold of the same corpus are expected"
            )
        mean = np.mean([probabilities_of(table, emotions) for table in tables], axis=0)
        columns = dict(zip(emotions, mean.T, strict=True))
        predicted = np.asarray(emotions, object)[mean.argmax(axis=1)]
        averaged[part] = tables[0].assign(**columns, predicted=predicted)
    return dataclasses.replace(_without_training(first), scores={}, **averaged)


def average_seeds(runs: Sequence[Run], emotions: Sequence[str]) -> tuple[Run, ...]:
    """Averages the probabilities of one system's seeds, fold by fold.

    Args:
        runs: Of all folds and seeds, done or not.
        emotions: Columns of the probabilities.

    Returns:
        A run of no seed on each fold, done where all its seeds are.

    Raises:
        SettingsError: Runs on the same fold answered other utterances.
    """
    by_fold = {run.fold: [one for one in runs if one.fold == run.fold] for run in runs}
    return tuple(
        dataclasses.replace(average_runs(each, emotions), seed=NO_SEED) for each in by_fold.values()
    )


def as_unknown_speakers(run: Run) -> Run:
    """The same run, each test recording without others of its speaker; without costs."""
    if run.state != DONE:
        return _without_training(run)
    return dataclasses.replace(_without_training(run), scores={}, test=run.unknown_speakers)


def _without_training(run: Run) -> Run:
    """The same run as an answer that follows from others': no name, costs or curves."""
    return dataclasses.replace(run, name="", resources={}, curves=pd.DataFrame(), gradients=None)
