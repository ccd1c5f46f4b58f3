"""Which engine does the runs of a grid, and how many cores each run gets."""

from dataclasses import dataclass

import joblib

from seqcap.errors import SettingsError

ENGINE_NAMES = ("joblib", "ray", "here")


@dataclass(frozen=True)
class Engine:
    """Where runs are done.

    Attributes:
        name: One of ``ENGINE_NAMES``: "joblib" on this machine's cores, "ray" on a cluster,
            "here" in this process, one after the other.
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
        if self.name not in ENGINE_NAMES:
            raise SettingsError(
                f"engine '{self.name}' is unknown; one of {', '.join(ENGINE_NAMES)} is expected"
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
