"""Metrics for Prometheus: the server's own, and those that its worker processes report over their channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from generator.shared.request_metrics import SECONDS, RequestMetrics

_MOST_NOTEBOOKS = 500
"""Notebooks with metrics of their own; others count together, so that the metrics stay bounded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The state of the server at one moment; sizes in bytes."""

    queued: int
    running: int
    queue_limit: int
    workers: int
    busy: int
    disk_free: int
    worker_memory: int
    prepared_memory: int


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        run_labels = ["notebook", "state"]
        self._runs = Counter("packmill_runs", "Runs that have ended", run_labels, registry=registry)
        self._failures = Counter("packmill_run_failures", "Failed runs by reason", ["reason"], registry=registry)
        self._durations = Histogram(
            "packmill_run_seconds", "Duration of a run", ["notebook"], buckets=SECONDS, registry=registry
        )
        self._waits = Histogram(
            "packmill_run_wait_seconds", "Time of a run in the queue", buckets=SECONDS, registry=registry
        )
        self._kernels = Counter("packmill_kernels", "Kernels of runs by way", ["way"], registry=registry)
        self._deaths = Counter("packmill_worker_deaths", "Workers that died and were replaced", registry=registry)
        self._requests = RequestMetrics(registry)
        self._gauges = {
            "queued": Gauge("packmill_queue_runs", "Runs that wait", registry=registry),
            "running": Gauge("packmill_running_runs", "Runs that run, on all servers", registry=registry),
            "queue_limit": Gauge("packmill_queue_limit_runs", "Runs that may wait", registry=registry),
            "workers": Gauge("packmill_workers", "Living workers", registry=registry),
            "busy": Gauge("packmill_busy_workers", "Workers that execute a run", registry=registry),
            "disk_free": Gauge("packmill_disk_free_bytes", "Free space of the data folder", registry=registry),
            "worker_memory": Gauge(
                "packmill_worker_memory_bytes", "Proportional memory of the workers themselves", registry=registry
            ),
            "prepared_memory": Gauge(
                "packmill_kernel_memory_bytes",
                "Proportional memory of prepared processes and kernels",
                registry=registry,
            ),
        }
        self._notebooks: set[str] = set()

    def count_run(self, message: Mapping[str, Any]) -> None:
        """Count a run that has ended, from its worker's message."""
        notebook = self._notebook(message["notebook"])
        self._runs.labels(notebook, message["state"]).inc()
        if message["state"] == "failed":
            self._failures.labels(message["reason"] or "failed").inc()
        if message.get("seconds") is not None:
            self._durations.labels(notebook).observe(message["seconds"])
            self._waits.observe(message["waited"])
            self._kernels.labels(message["way"] or "cold").inc()

    def count_death(self) -> None:
        """Count a worker that died."""
        self._deaths.inc()

    def count_request(self, *, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count an HTTP request; without ``seconds``, as for a stream, its duration does not count."""
        self._requests.count(method=method, route=route, status=status, seconds=seconds)

    def text(self, snapshot: Snapshot) -> bytes:
        """Return all metrics in Prometheus' text format."""
        for name, gauge in self._gauges.items():
            gauge.set(getattr(snapshot, name))
        return generate_latest(self._registry)

    def _notebook(self, path: str) -> str:
        if path in self._notebooks or len(self._notebooks) < _MOST_NOTEBOOKS:
            self._notebooks.add(path)
            return path
        return "(other)"
