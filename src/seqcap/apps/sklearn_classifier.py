"""`SeqcapClassifier`: training and recognition under scikit-learn's interface.

Needs the extra `train`. `cross_val_score`, `GridSearchCV` and `clone` work as with any classifier.
"""

import dataclasses
import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from seqcap.apps.audformat_index import segments_of
from seqcap.apps.options import lightning_device
from seqcap.audio.source import Source
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.errors import AudioError, AudioWarning, SettingsError
from seqcap.recognition.recognizer import Failure, Recognizer
from seqcap.recognition.recordings import Segment

if TYPE_CHECKING:
    import pandas as pd

    from seqcap.audio.spectrogram import FloatArray
    from seqcap.recognition.checkpoint import Checkpoint
    from seqcap.training.batches import Utterance
    from seqcap.training.settings import TrainingSettings

Recordings: TypeAlias = "Sequence[Source | Segment] | NDArray[Any] | pd.Index[Any] | pd.Series[Any]"


class SeqcapClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A system of the paper as a classifier of recordings.

    Args:
        system: One of `seqcap systems`.
        recipe: `default`, `paper`, or a TOML file of settings.
        overrides: More settings, each `key=value`, as `seqcap train --set` takes them.
        init_from: A model whose weights the training begins with; "-" is the included one.
        validation_share: Share of the speakers that choose the temperature and do not train, above
            0 and at most a half.
        random_state: Random seed of initialisation, shuffling and cropping.
        rate_hz: Sampling rate of recordings that are given as rows of a matrix, Hz.
        device: Where to compute: auto, cpu, cuda or mps.

    Attributes:
        classes_: The labels, sorted.
        checkpoint_: The trained system; `save_checkpoint` writes it as a model.
        recognizer_: Answers with it.

    Example:
        >>> classifier = SeqcapClassifier("CNN_GRU", overrides=("epochs=3",))
        >>> classifier.get_params()["system"]
        'CNN_GRU'
    """

    def __init__(
        self,
        system: str = "CNN_SeqCap",
        *,
        recipe: str | os.PathLike[str] = "default",
        overrides: Sequence[str] = (),
        init_from: str = "",
        validation_share: float = 0.2,
        random_state: int = 0,
        rate_hz: int = SAMPLE_RATE_HZ,
        device: str = "auto",
    ) -> None:
        self.system = system
        self.recipe = recipe
        self.overrides = overrides
        self.init_from = init_from
        self.validation_share = validation_share
        self.random_state = random_state
        self.rate_hz = rate_hz
        self.device = device

    def __sklearn_tags__(self) -> Tags:
        """Recordings are no matrix of features, and are checked when they are read."""
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags

    def fit(
        self, X: Recordings, y: ArrayLike, groups: ArrayLike | None = None
    ) -> "SeqcapClassifier":
        """Trains on labelled recordings.

        Args:
            X: Paths, or arrays with their sampling rate, or any other source that `Recognizer`
                takes; or rows of samples, ``(recording, sample)``; or an audformat index.
            y: Label of each recording, two different ones at least.
            groups: Speaker of each recording, so that other speakers choose the temperature than
                those who train; each recording is a speaker of its own if None.

        Raises:
            AudioError: A recording cannot be read.
            SettingsError: A setting is wrong, or a label has recordings of one speaker only.
            ValueError: The number of labels is not that of recordings.

        Example:
            >>> SeqcapClassifier().fit(["a.wav", "b.wav"], ["anger", "anger"])
            Traceback (most recent call last):
                ...
            seqcap.errors.SettingsError: one class, anger; two are needed among the labels
        """
        from seqcap.training.settings import read_settings

        sources = _sources_of(X, self.rate_hz)
        labels = column_or_1d(y)
        check_classification_targets(labels)
        speakers = np.arange(len(sources)) if groups is None else column_or_1d(groups)
        check_consistent_length(sources, labels, speakers)
        self.classes_, targets = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise SettingsError(f"one class, {self.classes_[0]}; two are needed among the labels")
        settings = read_settings(
            self.recipe,
            self.overrides,
            system=self.system,
            init_from=self.init_from or None,
            seed=self.random_state,
        )
        validates = self._validating(targets, speakers)
        training, validation = (
            _utterances(sources, targets, speakers, part) for part in (~validates, validates)
        )
        emotions = tuple(map(str, self.classes_))
        self.checkpoint_ = _train(training, validation, emotions, settings, self.device)
        if groups is not None:  # so that `seqcap evaluate` scores them apart
            self.checkpoint_.provenance["fold"] = _fold(speakers, validates)
        self.recognizer_ = Recognizer(self.checkpoint_, self.device)
        return self

    def predict_proba(self, X: Recordings) -> NDArray[np.float64]:
        """Gives the probability of each class.

        Args:
            X: As for `fit`.

        Returns:
            Shape ``(recording, class)``, in the order of `classes_`; all classes alike where
            there is no speech.

        Raises:
            AudioError: A recording cannot be read.

        Warns:
            AudioWarning: There is no speech in a recording.

        Example:
            >>> SeqcapClassifier().predict_proba(["a.wav"])  # before `fit`
            Traceback (most recent call last):
                ...
            sklearn.exceptions.NotFittedError: This SeqcapClassifier instance is not fitted yet. \
Call 'fit' with appropriate arguments before using this estimator.
        """
        check_is_fitted(self)
        rows = []
        for answer in self.recognizer_.recognize_many(_sources_of(X, self.rate_hz)):
            if isinstance(answer, Failure):
                raise AudioError(answer.reason)
            rows.append(list(answer.probabilities.values()))
            if np.isnan(rows[-1]).any():
                text = f"{answer.file}: no speech; all classes are equally probable"
                warnings.warn(text, AudioWarning, stacklevel=2)
                rows[-1] = [1 / len(self.classes_)] * len(self.classes_)
        return np.array(rows, float).reshape(-1, len(self.classes_))

    def predict(self, X: Recordings) -> NDArray[Any]:
        """Gives the most probable class of each recording.

        Args:
            X: As for `fit`.

        Returns:
            Shape ``(recording,)``.

        Raises:
            AudioError: A recording cannot be read.

        Example:
            >>> hasattr(SeqcapClassifier(), "predict")
            True
        """
        probabilities = self.predict_proba(X)
        chosen: NDArray[Any] = self.classes_[probabilities.argmax(1)]
        return chosen

    def _validating(self, targets: NDArray[np.int64], speakers: NDArray[Any]) -> NDArray[np.bool_]:
        """Says which recordings validate: whole speakers, all classes among both parts."""
        if not 0 < self.validation_share <= 0.5:
            raise SettingsError(
                f"validation_share {self.validation_share}; above 0 and at most 0.5 is expected"
            )
        speaker_count = len(set(speakers.tolist()))
        largest = int(np.bincount(targets).max())
        if speaker_count < 2 or largest < 2:
            raise SettingsError(
                f"recordings of {speaker_count} speakers, {largest} of a class at most; two "
                "speakers and two recordings of a class at least are expected"
            )
        part_count = min(round(1 / self.validation_share), speaker_count, largest)
        folds = StratifiedGroupKFold(part_count, shuffle=True, random_state=self.random_state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of classes with few recordings
            train_places, places = next(folds.split(targets, targets, speakers))
        missing = set(targets.tolist()) - set(targets[train_places].tolist())
        if missing:
            names = ", ".join(str(self.classes_[place]) for place in sorted(missing))
            raise SettingsError(
                f"class {names} has recordings of too few speakers; two at least are expected"
            )
        return np.isin(np.arange(len(targets)), places)


def _train(
    training: "list[Utterance]",
    validation: "list[Utterance]",
    emotions: tuple[str, ...],
    settings: "TrainingSettings",
    device: str,
) -> "Checkpoint":
    from seqcap.recognition.checkpoint import Checkpoint
    from seqcap.training.fit import train

    accelerator = lightning_device(device)
    with tempfile.TemporaryDirectory(prefix="seqcap-fit-") as folder:
        trained = train(
            training, validation, emotions, settings, Path(folder), accelerator, progress=False
        )
    return Checkpoint(
        system=trained.system,
        system_name=settings.system,
        capsule_settings=settings.capsules,
        emotions=emotions,
        normalisation=trained.normalisation,
        temperature=trained.temperature,
        name="SeqcapClassifier",
        provenance={"settings": dataclasses.asdict(settings)},
    )


def _sources_of(recordings: Recordings, rate_hz: int) -> "list[Source | Segment]":
    if hasattr(recordings, "nlevels"):
        return list(segments_of(cast("pd.Index[Any]", recordings)))
    if isinstance(recordings, np.ndarray) and recordings.dtype.kind in "fiu":
        if recordings.ndim != 2:
            raise AudioError(
                f"an array of shape {recordings.shape}; (recording, sample) is expected"
            )
        return [(row, rate_hz) for row in recordings]
    return list(recordings)


def _utterances(
    sources: "list[Source | Segment]",
    targets: NDArray[np.int64],
    speakers: NDArray[Any],
    chosen: NDArray[np.bool_],
) -> "list[Utterance]":
    from seqcap.training.batches import Utterance

    return [
        Utterance(_waveform(sources[place]), int(targets[place]), "", str(speakers[place]))
        for place in np.flatnonzero(chosen)
    ]


def _waveform(source: "Source | Segment") -> "FloatArray":
    part = source if isinstance(source, Segment) else Segment(source)
    return load_waveform(part.source, start_s=part.start_s, end_s=part.end_s, channel=part.channel)


def _fold(speakers: NDArray[Any], validates: NDArray[np.bool_]) -> dict[str, list[str]]:
    names = {"train": speakers[~validates], "validation": speakers[validates]}
    return {part: sorted(set(map(str, who))) for part, who in names.items()}
