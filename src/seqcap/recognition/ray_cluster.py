"""A Ray cluster: found, or started on this machine."""

import logging
import os
from typing import Any

import ray

from seqcap.errors import SettingsError

LOCAL = "local"


def connect(address: str, cpu_count: int | None = None) -> None:
    """Joins a cluster, unless this process belongs to one already.

    Args:
        address: As Ray names it: "auto", "host:port", "ray://host:port"; "local" starts one.
        cpu_count: Of one that is started; None for all cores.

    Raises:
        SettingsError: There is no such cluster.
    """
    if ray.is_initialized():
        return
    options: dict[str, Any] = {"address": address}
    if address == LOCAL:
        options |= {"num_cpus": cpu_count, "include_dashboard": False}
        os.environ.setdefault(
            "RAY_USAGE_STATS_ENABLED", "0"
        )  # a cluster of ours sends no statistics
    try:
        ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SettingsError(
            f"Ray cluster '{address}': {str(error).splitlines()[0]}; "
            "start one with `ray start --head`, or give --address local"
        ) from error
