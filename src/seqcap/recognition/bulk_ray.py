"""Bulk recognition by the workers of a Ray cluster: an actor pool of Ray Data."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import ray
import ray.data

from seqcap.errors import SeqcapError, SettingsError
from seqcap.recognition.bulk_items import Unit, unpack
from seqcap.recognition.bulk_worker import BulkSettings, BulkWorker, Tally
from seqcap.recognition.ray_cluster import connect

_ATTEMPTS = 3  # at a unit whose workers die; then it is left out


class _Attempts:
    """Counts who has begun a unit. Ray itself would try again for ever."""

    def __init__(self) -> None:
        self._begun: Counter[bytes] = Counter()

    def begin(self, packed: bytes) -> int:
        """Gives the number of this attempt, from 1."""
        self._begun[packed] += 1
        return self._begun[packed]

    def end(self, packed: bytes) -> None:
        """Forgets a unit that is done."""
        del self._begun[packed]


class _Actor:
    """A worker as Ray Data calls it: a row is a unit, and becomes a row of counts."""

    def __init__(self, settings: BulkSettings, attempts: Any) -> None:
        self._settings = settings
        self._attempts = attempts
        self._worker: BulkWorker | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if ray.get(self._attempts.begin.remote(row["packed"])) > _ATTEMPTS:
            return _counts(Tally(), "")
        try:
            if self._worker is None:  # not sooner: an error of Ray's would hide the text
                self._worker = BulkWorker(self._settings)
            items = unpack(Unit(row["item_count"], row["packed"]))
            done = self._worker.write(list(self._worker.rows(items)))
        except SeqcapError as error:
            return _counts(Tally(), str(error))
        self._attempts.end.remote(row["packed"])
        return _counts(done, "")


def _counts(done: Tally, problem: str) -> dict[str, Any]:
    return {**vars(done), "problem": problem}


def recognise_by_ray(
    settings: BulkSettings, units: Sequence[Unit], address: str, jobs: int, gpus: float
) -> Iterator[Tally]:
    """Recognises units on a cluster; dead workers are replaced, and their units tried again.

    Args:
        settings: Of the whole recognition.
        units: What is to be recognised.
        address: As `connect`.
        jobs: Workers at once; 0 for as many as the cluster has cores, or shares of GPUs.
        gpus: Each worker's share of a GPU.

    Yields:
        What was done, unit by unit. A unit that has killed its workers three times is missing.

    Raises:
        SettingsError: There is no cluster; a worker cannot load the model or write its answers.
    """
    connect(address, jobs or None)
    if gpus and settings.device == "auto":
        settings = replace(settings, device="cuda")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    workers = min(jobs or _room_for_workers(gpus), len(units))
    attempts = ray.remote(_Attempts).options(num_cpus=0, max_restarts=-1).remote()
    rows = [unit._asdict() for unit in units]
    done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        _Actor,  # type: ignore[arg-type]  # Ray calls its instances
        fn_constructor_args=(settings, attempts),
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=workers, initial_size=workers, max_tasks_in_flight_per_actor=1
        ),
        num_cpus=1,
        num_gpus=gpus,
    )
    for row in done.iter_rows():
        if row["problem"]:
            raise SettingsError(row["problem"])
        yield Tally(row["recognised"], row["failed"], row["duration_s"])


def _room_for_workers(gpus: float) -> int:
    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    places = resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 1)
    if places < 1:
        raise SettingsError(
            f"--gpus {gpus}: the cluster has {resources.get('GPU', 0):g} GPUs; give --gpus 0, or "
            "start it where there are some"
        )
    return int(places)
