"""Metrics of HTTP requests, which all servers have."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
"""Upper bounds of the buckets of durations."""
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class RequestMetrics:
    """The requests of one server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "packmill_http_requests", "HTTP requests", ["method", "route", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "packmill_http_request_seconds",
            "Duration of an HTTP request, other than a stream of events",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )

    def count(self, *, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count a request; without ``seconds``, as for a stream, its duration does not count."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        if seconds is not None:
            self._request_seconds.labels(route).observe(seconds)
