"""The engine for many machines: Ray decides where a run is done, a shared folder has results."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import ray

from seqcap.errors import warnings_as_lines
from seqcap.experiments.cores import Engine, share_cores
from seqcap.experiments.plan import PlannedRun
from seqcap.experiments.worker import JobContext, State, run_job, write_error
from seqcap.recognition.ray_cluster import connect


def work_by_ray(
    work: JobContext, runs: Sequence[PlannedRun], engine: Engine
) -> Iterator[tuple[PlannedRun, State]]:
    """Does runs on a Ray cluster.

    All machines must see the experiment's folder and the recordings under the same paths, and
    have the same versions; a run that another machine would make differently is refused there.

    Args:
        work: What they have in common.
        runs: In the order in which they are begun.
        engine: The cluster's address, runs at once, and each one's share of a GPU.

    Yields:
        Each run as it ends.

    Raises:
        SettingsError: There is no such cluster.
    """
    connect(engine.address, engine.jobs or None)
    jobs, threads = _share_cluster(engine, len(runs))
    call = ray.remote(_run_job_for).options(
        num_cpus=threads, num_gpus=engine.gpus_per_run, max_retries=0
    )
    shared = ray.put(replace(work, threads=threads))
    waiting = list(reversed(runs))
    under_way: dict[ray.ObjectRef[State], PlannedRun] = {}
    while waiting or under_way:
        while waiting and len(under_way) < jobs:
            run = waiting.pop()
            under_way[call.remote(list(sys.argv), shared, run)] = run
        (ended,), _ = ray.wait(list(under_way), num_returns=1)
        run = under_way.pop(ended)
        yield run, _state(ended, work, run)


def _share_cluster(engine: Engine, runs: int) -> tuple[int, int]:
    machines = [
        int(node["Resources"].get("CPU", 0))
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    ]
    jobs, threads = share_cores(sum(machines), engine.jobs, runs)
    # No run can have more threads than a machine has cores.
    return jobs, min([threads, *(cores for cores in machines if cores)])


def _run_job_for(argv: list[str], work: JobContext, run: PlannedRun) -> State:
    sys.argv = argv  # what was typed belongs to the record of a run
    with warnings_as_lines():
        return run_job(work, run)


def _state(ended: "ray.ObjectRef[State]", work: JobContext, run: PlannedRun) -> State:
    try:
        return State(ray.get(ended))
    except ray.exceptions.RayError as error:  # the process or its machine died
        write_error(run.folder(work.folder), f"{error}\n")
        return State.FAILED
