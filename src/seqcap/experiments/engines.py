"""Engines: who does the runs of a grid, one after the other here, on all cores, or on a cluster.

Results are the same by each: an engine only says where `attempt` is called.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from seqcap.errors import SettingsError
from seqcap.experiments.attempt import State, Work, attempt, write_error
from seqcap.experiments.plan import PlannedRun
from seqcap.experiments.run_locks import is_locked

_RECHECK_S = 2.0


@dataclass(frozen=True)
class Engine:
    """Where runs are done.

    Attributes:
        name: One of ``ENGINES``: "joblib" on this machine's cores, "ray" on a cluster, "here" in
            this process, one after the other.
        jobs: Runs at once; 0 takes as many as there are cores, each with one thread, but no more
            than there are runs.
        address: Of the Ray cluster, "auto" for the one this machine is in, "local" to start one
            on this machine.
        gpus_per_run: What Ray reserves; .25 lets four runs share a card.
    """

    name: str = "joblib"
    jobs: int = 0
    address: str = "auto"
    gpus_per_run: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what cannot be.

        Raises:
            SettingsError: Another name, or counts below zero.
        """
        if self.name not in ENGINES:
            raise SettingsError(
                f"engine '{self.name}' is unknown; one of {', '.join(ENGINES)} is expected"
            )
        for word, value in (("jobs", self.jobs), ("GPUs per run", self.gpus_per_run)):
            if value < 0:
                raise SettingsError(f"{word}: {value} came, at least 0 is expected")


def core_count() -> int:
    """Counts the cores that this process may use: affinity and containers are respected."""
    return int(joblib.cpu_count())


def share_cores(cores: int, jobs: int, runs: int) -> tuple[int, int]:
    """Divides cores among runs.

    Args:
        cores: That there are.
        jobs: Runs at once; 0 for as many as make sense.
        runs: To be done.

    Returns:
        Runs at once, and threads of each.

    Example:
        >>> share_cores(8, 0, 100), share_cores(8, 0, 2), share_cores(8, 3, 100)
        ((8, 1), (2, 4), (3, 2))
    """
    jobs = max(1, min(jobs or cores, runs))
    return jobs, max(1, cores // jobs)


def work_through(
    work: Work, runs: Sequence[PlannedRun], engine: Engine
) -> Iterator[tuple[PlannedRun, State]]:
    """Does all runs; those that somebody else is at are waited for.

    Args:
        work: What they have in common.
        runs: In the order in which they are begun.
        engine: Where.

    Yields:
        Each run once, as it ends, DONE or FAILED.
    """
    left = list(runs)
    while left:
        elsewhere = []
        for run, state in ENGINES[engine.name](work, left, engine):
            if state is State.ELSEWHERE:
                elsewhere.append(run)
            else:
                yield run, state
        left = elsewhere
        while left and all(is_locked(work.folder, run.name) for run in left):
            time.sleep(_RECHECK_S)


def _work_here(
    work: Work, runs: Sequence[PlannedRun], engine: Engine
) -> Iterator[tuple[PlannedRun, State]]:
    _, threads = share_cores(core_count(), 1, len(runs))
    for run in runs:
        yield run, attempt(replace(work, threads=threads), run)


def _work_by_joblib(
    work: Work, runs: Sequence[PlannedRun], engine: Engine
) -> Iterator[tuple[PlannedRun, State]]:
    """Keeps a pool of processes busy.

    A process that dies (for lack of memory, as a rule) takes joblib's pool with it. Those that
    were under way are then tried one at a time, which shows whose fault it was.
    """
    left = {run.name: run for run in runs}
    while left:
        jobs, threads = share_cores(core_count(), engine.jobs, len(left))
        work = replace(work, threads=threads)
        with contextlib.suppress(TerminatedWorkerError):
            for name, state in _pool(work, list(left.values()), jobs):
                yield left.pop(name), state
        for run in list(left.values())[:jobs]:  # they are begun in this order
            try:
                ((name, state),) = _pool(work, [run], 1)
            except TerminatedWorkerError:
                write_error(run.folder(work.folder), "the process died; is there enough memory?\n")
                name, state = run.name, State.FAILED
            yield left.pop(name), state


def _pool(work: Work, runs: Sequence[PlannedRun], jobs: int) -> Iterator[tuple[str, State]]:
    calls = (joblib.delayed(_attempt_for)(sys.argv, work, run) for run in runs)
    # joblib does without processes where there is one job; a process that may die is wanted.
    with joblib.parallel_config(
        "loky",
        n_jobs=max(2, jobs),
        inner_max_num_threads=work.threads,
        initializer=_end_with,
        initargs=(os.getpid(),),
    ):
        yield from joblib.Parallel(
            return_as="generator_unordered", pre_dispatch=jobs, batch_size=1
        )(calls)


def _attempt_for(argv: list[str], work: Work, run: PlannedRun) -> tuple[str, State]:
    """Attempts a run in a process of its own."""
    sys.argv = list(argv)  # what was typed belongs to the record of a run
    return run.name, attempt(work, run)


def _end_with(parent: int) -> None:
    """Ends this process when its parent has: an orphan would hold its run's lock, or idle."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="seqcap-orphan", daemon=True).start()


def _work_by_ray(
    work: Work, runs: Sequence[PlannedRun], engine: Engine
) -> Iterator[tuple[PlannedRun, State]]:
    from seqcap.experiments.ray_engine import work_by_ray

    yield from work_by_ray(work, runs, engine)


_Doing = Callable[[Work, Sequence[PlannedRun], Engine], Iterator[tuple[PlannedRun, State]]]
ENGINES: dict[str, _Doing] = {
    "joblib": _work_by_joblib,
    "ray": _work_by_ray,
    "here": _work_here,
}
