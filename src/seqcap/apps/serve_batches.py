"""Recognition threads of the service: one a core, each takes together what waits."""

import itertools
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from seqcap.apps.serve_metrics import Metrics
from seqcap.recognition.recognizer import Answer, Failure, Recognizer
from seqcap.recognition.recordings import Segment

# Choice: more recordings together gain little and make the first of them wait.
BATCH_JOBS = 8


class QueueFullError(Exception):
    """More waits than is allowed."""


@dataclass(frozen=True)
class Job:
    """A recording to be recognised, or any other work of a recognition thread.

    Attributes:
        model: Name of the model.
        timeline: Also answer for each 2-s piece.
        source: The recording; None if there is `work`.
        work: What to do in place of a recording.
        future: Gets the answer or the failure, or what `work` gives.
    """

    model: str = ""
    timeline: bool = False
    source: Segment | None = None
    work: Callable[[], Any] | None = None
    future: "Future[Any]" = field(default_factory=Future)


class Workers:
    """Threads that recognise what is submitted, first come first served.

    Args:
        recognizers: By name; shared by all threads.
        thread_count: One for each core.
        queue_length: How many jobs may wait.
        metrics: Counts batches.
    """

    def __init__(
        self,
        recognizers: Mapping[str, Recognizer],
        thread_count: int,
        queue_length: int,
        metrics: Metrics,
    ) -> None:
        self._recognizers = recognizers
        self._metrics = metrics
        self._waiting: queue.Queue[Job | None] = queue.Queue(queue_length)
        self._threads = [
            threading.Thread(target=self._work, name=f"seqcap-worker-{i}")
            for i in range(thread_count)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting_count(self) -> int:
        """How many jobs wait."""
        return self._waiting.qsize()

    def submit(self, job: Job) -> "Future[Any]":
        """Takes a job.

        Raises:
            QueueFullError: Too many wait already.
        """
        try:
            self._waiting.put_nowait(job)
        except queue.Full:
            raise QueueFullError from None
        return job.future

    def close(self) -> None:
        """Ends the threads once all that was submitted is done."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            batch, last = self._more(job)
            batch = [each for each in batch if each.future.set_running_or_notify_cancel()]
            for each in batch:
                if each.work is not None:
                    _resolve(each, each.work)
            recordings = [each for each in batch if each.source is not None]
            recordings.sort(key=_kind)  # stable
            for (model, timeline), group in itertools.groupby(recordings, _kind):
                self._recognize(model, timeline, list(group))
            if last:
                return

    def _more(self, first: Job) -> tuple[list[Job], bool]:
        """Takes what waits behind a job; True if the end is among it."""
        batch = [first]
        while len(batch) < BATCH_JOBS:
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False

    def _recognize(self, model: str, timeline: bool, jobs: list[Job]) -> None:
        self._metrics.count("seqcap_batches_total")
        sources = [job.source for job in jobs if job.source is not None]
        try:
            answers = self._recognizers[model].recognize_many(
                sources, timeline=timeline, warn=False
            )
            for job, answer in zip(jobs, answers, strict=True):
                job.future.set_result(answer)
        except Exception as error:
            for job in jobs:
                if not job.future.done():
                    job.future.set_exception(error)


def _kind(job: Job) -> tuple[str, bool]:
    return job.model, job.timeline


def _resolve(job: Job, work: Callable[[], Any]) -> None:
    try:
        job.future.set_result(work())
    except Exception as error:
        job.future.set_exception(error)


__all__ = ["Answer", "Failure", "Job", "QueueFullError", "Workers"]
