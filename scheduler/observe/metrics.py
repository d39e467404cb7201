"""Metrics, read when scraped: a collector looks at the running parts, so that deciding counts nothing on the side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

Readings = Mapping[str, float]


class Collector:
    """Turns named readings into metrics: names that end in ``_total`` are counters, the others gauges."""

    def __init__(self, read: Callable[[], Readings]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for name, value in self._read().items():
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(f"muster_{name}", DESCRIPTIONS.get(name, name.replace("_", " ")), value=value)


DESCRIPTIONS = {
    "leading": "1 while this process holds the lease",
    "synced": "1 once everything on the API server has been seen",
    "gangs_waiting": "gangs that wait for a decision",
    "pods_waiting": "single pods that wait for a decision",
    "cycles_total": "decisions made",
    "cycles_failed_total": "decisions that ended in an error",
    "cycle_snapshot_seconds": "time the last snapshot took",
    "cycle_decide_seconds": "time the last decision took, without its solves",
    "cycle_solve_seconds": "time the last decision waited for the solver",
    "decisions_refused_total": "decisions that no longer held when they were checked again",
    "effects_waiting": "effects that wait for a connection",
    "effects_total": "effects performed",
    "effects_failed_total": "effects refused or lost",
    "api_calls_total": "requests to the API server",
    "relists_total": "times a kind was listed again",
    "objects_malformed_total": "objects that could not be read",
    "loop_stall_seconds_max": "longest time the event loop was away from its tasks",
}


def exposition(read: Callable[[], Readings]) -> Callable[[], bytes]:
    """A function that gives the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Collector(read))
    return lambda: generate_latest(registry)
