"""What the service counts, in the text format of Prometheus."""

import threading
from collections import defaultdict
from collections.abc import Mapping

_HELP = {
    "seqcap_requests_total": ("counter", "Requests answered, by path and status."),
    "seqcap_audio_seconds_total": ("counter", "Seconds of sound recognised."),
    "seqcap_batches_total": ("counter", "Batches that recordings were recognised in."),
    "seqcap_streams_total": ("counter", "Live streams begun."),
    "seqcap_request_seconds": ("histogram", "Seconds from a request to its answer."),
    "seqcap_queue_length": ("gauge", "Recordings that wait."),
    "seqcap_streams": ("gauge", "Live streams open."),
}
_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters and one histogram; any thread may count.

    Example:
        >>> metrics = Metrics()
        >>> metrics.count("seqcap_requests_total", {"path": "/healthz", "status": "200"})
        >>> print(metrics.text({"seqcap_queue_length": 3}))
        # HELP seqcap_requests_total Requests answered, by path and status.
        # TYPE seqcap_requests_total counter
        seqcap_requests_total{path="/healthz",status="200"} 1
        # HELP seqcap_queue_length Recordings that wait.
        # TYPE seqcap_queue_length gauge
        seqcap_queue_length 3
        <BLANKLINE>
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def count(
        self, name: str, labels: Mapping[str, str] | None = None, amount: float = 1.0
    ) -> None:
        """Adds to a counter."""
        with self._lock:
            self._values[name][_labels(labels or {})] += amount

    def observe_s(self, seconds: float) -> None:
        """Adds a request to the histogram of durations."""
        name = "seqcap_request_seconds"
        with self._lock:
            for bound in (*_BOUNDS_S, float("inf")):
                le = "+Inf" if bound == float("inf") else f"{bound:g}"
                self._values[name][f'_bucket{{le="{le}"}}'] += seconds <= bound
            self._values[name]["_sum"] += seconds
            self._values[name]["_count"] += 1

    def text(self, gauges: Mapping[str, float]) -> str:
        """Writes everything.

        Args:
            gauges: Values of this moment, by name.
        """
        with self._lock:
            values = {name: dict(rows) for name, rows in self._values.items()}
        values |= {name: {"": value} for name, value in gauges.items()}
        lines = []
        for name, (kind, description) in _HELP.items():
            if name in values:
                lines += [f"# HELP {name} {description}", f"# TYPE {name} {kind}"]
                lines += [f"{name}{labels} {value:.12g}" for labels, value in values[name].items()]
        return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
