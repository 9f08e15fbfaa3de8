"""Health, metrics and access log of the server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector
from tornado import httputil, web

from generator.runner.server.gateway.websocket.callers import caller
from generator.runner.server.gateway.websocket.kernels import Kernels
from generator.runner.server.operation.logs import log
from generator.runner.server.operation.memory import memory_of_trees

_QUIET = ("HealthHandler", "LifeHandler", "MetricsHandler")
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class GatewayMetrics:
    """The metrics of one server."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        labels = ["method", "handler", "status"]
        self._requests = Counter("packmill_http_requests", "HTTP requests", labels, registry=registry)
        self._seconds = Histogram(
            "packmill_http_request_seconds",
            "Duration of an HTTP request, other than a kernel's channels",
            ["handler"],
            buckets=_SECONDS,
            registry=registry,
        )
        gauges = {
            "kernels": "Kernels that run",
            "busy_kernels": "Kernels that execute a cell",
            "kernel_connections": "Connections to the channels of kernels",
            "kernel_memory_bytes": "Proportional memory of kernels and their children",
        }
        self._gauges = {
            name: Gauge(f"packmill_gateway_{name}", text, registry=registry) for name, text in gauges.items()
        }
        self._started = Counter("packmill_gateway_kernels_started", "Kernels that were requested", registry=registry)
        self._ended = Counter(
            "packmill_gateway_kernels_ended", "Kernels that the server ended by reason", ["reason"], registry=registry
        )
        self._counted = 0

    def count_request(self, handler: web.RequestHandler) -> None:
        """Count a request that was answered."""
        name, method = type(handler).__name__, handler.request.method or ""
        self._requests.labels(method if method in _METHODS else "other", name, str(handler.get_status())).inc()
        if name != "KernelWebsocketHandler":
            self._seconds.labels(name).observe(handler.request.request_time())

    def count_end(self, reason: str) -> None:
        """Count a kernel that a limit ended."""
        self._ended.labels(reason).inc()

    async def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        managers = self._kernels.managers().values()
        roots = [manager.provisioner.pid for manager in managers if manager.provisioner and manager.provisioner.pid]
        own, below = await asyncio.to_thread(memory_of_trees, roots)
        self._gauges["kernels"].set(len(managers))
        self._gauges["busy_kernels"].set(sum(getattr(one, "execution_state", "") == "busy" for one in managers))
        self._gauges["kernel_connections"].set(self._kernels.connection_count())
        self._gauges["kernel_memory_bytes"].set(own + below)
        self._started.inc(self._kernels.started_count - self._counted)
        self._counted = self._kernels.started_count
        return generate_latest(self._registry)


class HealthHandler(web.RequestHandler):
    """Tells whether the server can start kernels."""

    def initialize(self, kernels: Kernels) -> None:
        """Take what is examined."""
        self._kernels = kernels

    def get(self) -> None:
        """Answer 200 or 503."""
        problems = list(_problems(self._kernels))
        self.set_status(503 if problems else 200)
        self.finish({"status": "unavailable" if problems else "ok", "problems": problems})


class LifeHandler(web.RequestHandler):
    """Tells that the server answers."""

    def get(self) -> None:
        """Answer 200."""
        self.finish({"status": "ok"})


class MetricsHandler(web.RequestHandler):
    """The metrics for Prometheus."""

    def initialize(self, metrics: GatewayMetrics) -> None:
        """Take the metrics."""
        self._metrics = metrics

    async def get(self) -> None:
        """Answer to callers who may read what concerns all."""
        identity = caller.get()
        if identity is None or identity.owner is not None:
            self.set_status(403)
            self.finish({"reason": "Forbidden", "message": "the token's role is 'run', but 'read' is needed"})
            return
        text = await self._metrics.text()
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(text)


def _problems(kernels: Kernels) -> Iterator[str]:
    if kernels.is_draining:
        yield "the server is shutting down"
    elif not kernels.is_prepared:
        yield "the kernels of --prespawn-count are starting"
    if not kernels.kernel_spec_manager.kernels():
        yield "no kernel is installed"


def note_request(handler: web.RequestHandler, metrics: GatewayMetrics) -> None:
    """Write the log line of a request, which has no query, since that may have the token, and count it."""
    metrics.count_request(handler)
    request: httputil.HTTPServerRequest = handler.request
    quiet = type(handler).__name__ in _QUIET and handler.get_status() < 400
    log(
        "request",
        level=logging.DEBUG if quiet else logging.INFO,
        method=request.method,
        path=request.path,
        status=handler.get_status(),
        ms=round(request.request_time() * 1000, 1),
        by=getattr(caller.get(), "name", ""),
    )
