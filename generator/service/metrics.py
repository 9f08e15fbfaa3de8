"""Metrics of the service for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest

from generator.service.retention.keeper import Keeper
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

        self._data = Gauge(
            "packmill_data_bytes", "Space of the data folder, as measured last", ["kind"], registry=registry
        )
        self._images = Gauge("packmill_images_bytes", "Space of packmill's images, as measured last", registry=registry)
        self._quotas = Gauge("packmill_quota_bytes", "Quotas that the operator set", ["of"], registry=registry)
        self._removed = Gauge(
            "packmill_removed", "Things removed since the start to stay within limits", ["kind"], registry=registry
        )
        self._removed_bytes = Gauge("packmill_removed_bytes", "Space of the removed things", registry=registry)

    def set_storage(self, keeper: Keeper) -> None:
        """Set the metrics of what the service stores."""
        for kind, size in keeper.usage.by_kind().items():
            self._data.labels(kind).set(size)
        if keeper.images:
            self._images.set(keeper.images.size)
        for name, quota in (("data", keeper.policy.quota), ("images", keeper.policy.image_quota)):
            if quota is not None:
                self._quotas.labels(name).set(quota)
        for kind in ("artifacts", "pipelines", "images"):
            self._removed.labels(kind).set(getattr(keeper.removed, kind))
        self._removed_bytes.set(keeper.removed.size)

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
