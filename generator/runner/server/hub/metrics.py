"""Metrics of the service for Prometheus; users' servers have their own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest

from generator.shared.request_metrics import RequestMetrics


class HubMetrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = RequestMetrics(registry)
        self._servers = Gauge("packmill_hub_user_servers", "Running servers of users", registry=registry)
        self._scheduled = Gauge("packmill_hub_scheduled_users", "Users with schedules", registry=registry)

    def count_request(self, *, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count an HTTP request; without ``seconds``, as for a stream, its duration does not count."""
        self._requests.count(method=method, route=route, status=status, seconds=seconds)

    def text(self, *, servers: int, scheduled: int) -> bytes:
        """Return all metrics in Prometheus' text format."""
        self._servers.set(servers)
        self._scheduled.set(scheduled)
        return generate_latest(self._registry)
