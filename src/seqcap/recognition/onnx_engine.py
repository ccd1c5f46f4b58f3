"""A model's network run by onnxruntime; torch is not needed."""

import copy
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from seqcap.audio.spectrogram import FloatArray
from seqcap.errors import CheckpointError
from seqcap.models.graph_names import CHUNKING, FEATURE_MEAN, MEAN_FEATURES
from seqcap.recognition.engine import ALL_STEPS, Chunking, IntArray, Output
from seqcap.recognition.graph_checks import check_graph
from seqcap.recognition.model_folder import DECIDE_FILE, ENCODE_FILE

_ERRORS_ONLY = 3
# Choice: each worker holds a group of recordings in memory, some 50 MB.
_MOST_WORKERS = 8
_OF_PARENT: list[onnxruntime.InferenceSession] = []


class OnnxEngine:
    """Runs the two graphs of a model's folder on the CPU.

    Args:
        folder: With `encode.onnx` and `decide.onnx`, as `seqcap export` writes them.
        threads: Threads of one run; None: as `OMP_NUM_THREADS` says, or all cores.

    Raises:
        CheckpointError: The graphs cannot be read.
    """

    name = "onnx"
    device = "cpu"
    feature_mean: FloatArray | None = None

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._threads = threads or int(os.environ.get("OMP_NUM_THREADS", "0")) or _cores()
        self._folder = folder
        self._open(self._threads)
        self._worker: OnnxEngine | None = None
        self._general: OnnxEngine | None = None  # what this one is an adapted copy of
        try:
            facts = self._encode.get_modelmeta().custom_metadata_map
            self.chunking = Chunking(**json.loads(facts[CHUNKING]))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{folder / ENCODE_FILE}: not a graph of this program; "
                "'seqcap export' writes it again"
            ) from error
        self._kept = [each.name for each in self._encode.get_outputs()]
        self._kept = [name for name in self._kept if name != MEAN_FEATURES]
        self._names = [output.name for output in self._decide.get_outputs()]
        recurrent = [each for each in self._encode.get_inputs() if each.name == "previous"]
        # Only the capsules of RecCap look back; their branch is the last one.
        self._previous_size = recurrent[0].shape[1] if recurrent else 0

    @property
    def worker_count(self) -> int:
        """One for each thread, up to eight."""
        return min(self._threads, _MOST_WORKERS)

    def worker(self) -> "OnnxEngine":
        """The same network for one worker, with its share of the threads.

        Workers may share what this gives: its sessions can be run from several threads at once.
        """
        if self._worker is None:
            if self._general is not None and self.feature_mean is not None:
                self._worker = self._general.worker().adapted(self.feature_mean)
            else:
                self._worker = OnnxEngine(self._folder, self._threads // self.worker_count)
        return self._worker

    def adapted(self, feature_mean: FloatArray) -> "OnnxEngine":
        """The same sessions, whose encoder's features lose a speaker's mean.

        Args:
            feature_mean: As for `Engine.adapted`.
        """
        engine = copy.copy(self)
        engine.feature_mean = feature_mean
        engine._general, engine._worker = self, None
        return engine

    def mean_features(self, frames: FloatArray, counts: IntArray) -> FloatArray:
        """Computes the mean of the encoder's features over each recording.

        Args:
            frames: As for `Engine.run`, shape ``(batch, frame, bin)``.
            counts: As for `Engine.run`, shape ``(batch,)``.
        """
        self._reopen_after_fork()
        given = _given(frames, counts, 0, ALL_STEPS)
        return self._run(self._encode, ENCODE_FILE, given, [MEAN_FEATURES])[0]

    def _open(self, threads: int) -> None:
        self._encode = _session(self._folder / ENCODE_FILE, threads)
        self._decide = _session(self._folder / DECIDE_FILE, threads)
        self._process = os.getpid()

    def _reopen_after_fork(self) -> None:
        """A session's threads do not exist in a forked process: opens others, of one thread."""
        if self._process != os.getpid():
            _OF_PARENT.extend((self._encode, self._decide))  # closing them would wait for threads
            self._open(1)

    def run(self, frames: FloatArray, counts: IntArray) -> Output:
        """Runs the network on whole recordings.

        Args:
            frames: As for `Engine.run`, shape ``(batch, frame, bin)``.
            counts: As for `Engine.run`, shape ``(batch,)``.
        """
        features = self._features(frames, counts, 0, ALL_STEPS, None)
        return self._decided(features, -(-counts // self.chunking.frames_per_step))

    def encode(
        self,
        frames: FloatArray,
        skipped_steps: int,
        kept_steps: int,
        previous: Sequence[FloatArray] | None,
    ) -> list[FloatArray]:
        """Computes the features of one chunk.

        Args:
            frames: As for `Engine.encode`, shape ``(1, frame, bin)``.
            skipped_steps: As for `Engine.encode`.
            kept_steps: As for `Engine.encode`.
            previous: As for `Engine.encode`.
        """
        counts = np.array([frames.shape[1]])
        last = previous[-1] if previous else None
        return self._features(frames, counts, skipped_steps, kept_steps, last)

    def decide(self, features: Sequence[FloatArray], step_count: int) -> Output:
        """Computes the logits of one recording.

        Args:
            features: As for `Engine.decide`, each of shape ``(1, unit, feature)``.
            step_count: As for `Engine.decide`.
        """
        return self._decided(features, np.array([step_count]))

    def _features(
        self,
        frames: FloatArray,
        counts: IntArray,
        skipped_steps: int,
        kept_steps: int,
        previous: FloatArray | None,
    ) -> list[FloatArray]:
        self._reopen_after_fork()
        given = _given(frames, counts, skipped_steps, kept_steps)
        if self.feature_mean is not None:
            given[FEATURE_MEAN] = self.feature_mean[None]
        if self._previous_size:
            nothing = np.zeros((len(frames), self._previous_size), np.float32)
            given["previous"] = nothing if previous is None else previous
        return self._run(self._encode, ENCODE_FILE, given, self._kept)

    def _decided(self, features: Sequence[FloatArray], step_counts: IntArray) -> Output:
        self._reopen_after_fork()
        given = {f"features_{index}": each for index, each in enumerate(features)}
        given["step_counts"] = step_counts.astype(np.int64)
        logits = self._run(self._decide, DECIDE_FILE, given, self._names)
        found = dict(zip(self._names, logits, strict=True))
        return Output(
            found["logits"], found.get("utterance_capsules"), found.get("utterance_couplings")
        )

    def _run(
        self,
        session: onnxruntime.InferenceSession,
        file: str,
        given: Mapping[str, Any],
        wanted: Sequence[str],
    ) -> list[FloatArray]:
        try:
            found: list[FloatArray] = session.run(wanted, given)
        except Exception as error:  # onnxruntime's own classes have no common parent
            raise CheckpointError(
                f"{self._folder / file}: onnxruntime cannot run it ({_first_line(error)}); "
                "'seqcap export' writes it again"
            ) from error
        return found


def _given(
    frames: FloatArray, counts: IntArray, skipped_steps: int, kept_steps: int
) -> dict[str, FloatArray | IntArray]:
    return {
        "frames": frames,
        "frame_counts": counts.astype(np.int64),
        "skipped_steps": np.array([skipped_steps], np.int64),
        "kept_steps": np.array([kept_steps], np.int64),
    }


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]


def _cores() -> int:
    # Those this process may use, where the system tells.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    # Plans of memory are kept for each shape, and lengths of recordings have many.
    options.enable_mem_pattern = False
    # Threads that wait actively would slow down the one that reads the next recordings.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        check_graph(file)
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes have no common parent
        raise CheckpointError(
            f"{file}: onnxruntime cannot read it ({_first_line(error)}); "
            "'seqcap export' writes it again"
        ) from error
