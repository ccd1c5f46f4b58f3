"""Engines: who does the runs of a grid, one after the other here, on all cores, or on a cluster.

Results are the same by each: an engine only says where `attempt` is called.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from seqcap.errors import warnings_as_lines
from seqcap.experiments.cores import Engine, core_count, share_cores
from seqcap.experiments.plan import PlannedRun
from seqcap.experiments.worker import JobContext, State, run_job, write_error
from seqcap.training.run_locks import is_locked

_RECHECK_S = 2.0


def run_all(
    work: JobContext, runs: Sequence[PlannedRun], engine: Engine
) -> Iterator[tuple[PlannedRun, State]]:
    """Does all runs; waits for those that another process is doing.

    Args:
        work: What the runs have in common.
        runs: In the order in which they are started.
        engine: Where they run.

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
    work: JobContext, runs: Sequence[PlannedRun], engine: Engine
) -> Iterator[tuple[PlannedRun, State]]:
    _, threads = share_cores(core_count(), 1, len(runs))
    for run in runs:
        yield run, run_job(replace(work, threads=threads), run)


def _work_by_joblib(
    work: JobContext, runs: Sequence[PlannedRun], engine: Engine
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


def _pool(work: JobContext, runs: Sequence[PlannedRun], jobs: int) -> Iterator[tuple[str, State]]:
    calls = (joblib.delayed(_run_job_for)(sys.argv, work, run) for run in runs)
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


def _run_job_for(argv: list[str], work: JobContext, run: PlannedRun) -> tuple[str, State]:
    """Attempts a run in a process of its own."""
    sys.argv = list(argv)  # what was typed belongs to the record of a run
    with warnings_as_lines():
        return run.name, run_job(work, run)


def _end_with(parent: int) -> None:
    """Ends this process when its parent has: an orphan would hold its run's lock, or idle."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="seqcap-orphan", daemon=True).start()


def _work_by_ray(
    work: JobContext, runs: Sequence[PlannedRun], engine: Engine
) -> Iterator[tuple[PlannedRun, State]]:
    from seqcap.experiments.ray_engine import work_by_ray

    yield from work_by_ray(work, runs, engine)


_Doing = Callable[[JobContext, Sequence[PlannedRun], Engine], Iterator[tuple[PlannedRun, State]]]
ENGINES: dict[str, _Doing] = {
    "joblib": _work_by_joblib,
    "ray": _work_by_ray,
    "here": _work_here,
}
