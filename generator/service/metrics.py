"""Metrics of the service for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest

from generator.shared.request_metrics import RequestMetrics


class ServiceMetrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = RequestMetrics(registry)
        self._pipelines = Gauge("packmill_ci_pipelines", "Stored pipelines by status", ["status"], registry=registry)
        self._jobs = Gauge("packmill_ci_jobs", "Stored jobs by status", ["status"], registry=registry)
        self._deliveries = Gauge(
            "packmill_ci_hook_deliveries", "Deliveries of hooks in the last week", ["status"], registry=registry
        )
        self._places = Gauge("packmill_ci_concurrent_jobs", "Jobs that may run at once", registry=registry)
        self._disk = Gauge("packmill_disk_free_bytes", "Free space of the data folder", registry=registry)

    def count_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count an HTTP request."""
        self._requests.count(method=method, route=route, status=status, seconds=seconds)

    def text(
        self,
        *,
        pipelines: Mapping[str, int],
        jobs: Mapping[str, int],
        deliveries: Mapping[str, int],
        concurrent: int,
        disk_free: int,
    ) -> bytes:
        """Return all metrics in Prometheus' text format."""
        for gauge, counts in ((self._pipelines, pipelines), (self._jobs, jobs), (self._deliveries, deliveries)):
            for status, count in counts.items():
                gauge.labels(status).set(count)
        self._places.set(concurrent)
        self._disk.set(disk_free)
        return generate_latest(self._registry)
