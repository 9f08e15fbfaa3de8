"""The API of the mode jupyter-websocket, which the Kernel Gateway loads as the module of its option ``api``."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jupyter_server.utils import url_path_join
from kernel_gateway.jupyter_websocket import JupyterWebsocketPersonality

from generator.runner.server.gateway.websocket.channels import KernelChannels
from generator.runner.server.gateway.websocket.handlers import check_handlers
from generator.runner.server.gateway.websocket.operation import (
    GatewayMetrics,
    HealthHandler,
    LifeHandler,
    MetricsHandler,
)
from generator.runner.server.operation.memory import memory_of_trees

_INTERVAL = 1.0
"""Seconds between two looks at the kernels."""
_POLL = 0.1
_NEWS = 0.3
"""Seconds in which the state of kernels that began a cell just now is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelBounds:
    """The bounds of one kernel: bytes of memory with its children, and seconds of its life; None for none."""

    memory: int | None = None
    lifetime: float | None = None


class Personality(JupyterWebsocketPersonality):  # type: ignore[misc]
    """Adds health, metrics and bounds of kernels, and ends all kernels at once."""

    bounds = KernelBounds()
    on_failure: Callable[[str], None] = print
    check_token: Callable[[str], None] | None = None
    """Raises a `ProblemError` for the name of a token that may not run code any more."""

    @property
    def metrics(self) -> GatewayMetrics:
        """The metrics of this server."""
        metrics: GatewayMetrics = self.parent.metrics
        return metrics

    async def init_configurables(self) -> None:
        """Start the kernels of ``prespawn_count``; the server ends if that fails."""
        try:
            await super().init_configurables()
            self.parent.kernel_manager.is_prepared = True
        except Exception as error:  # noqa: BLE001 - the Kernel Gateway would go on without them
            self.kernel_pool.pool_initialized.set_result(False)
            self.on_failure(str(getattr(error, "log_message", None) or error))

    def create_request_handlers(self) -> list[tuple[Any, ...]]:
        """Return the handlers of all paths."""
        kernels = self.parent.kernel_manager
        own: tuple[tuple[Any, ...], ...] = (
            ("/health", HealthHandler, {"kernels": kernels}),
            ("/health/live", LifeHandler),
            ("/metrics", MetricsHandler, {"metrics": self.metrics}),
        )
        base = url_path_join("/", self.parent.base_url)
        placed = [(url_path_join(base, path), *rest) for path, *rest in own]
        handlers = [*placed, *check_handlers(super().create_request_handlers())]
        # Paths are patterns for Tornado, and the Kernel Gateway puts the base in front of them as it is.
        return [(_escape_base(pattern, base.rstrip("/")), *rest) for pattern, *rest in handlers]

    async def watch(self) -> None:
        """End kernels that exceed a bound, and connections whose token was revoked, until the task is canceled.

        The end of a kernel that executes a cell, which takes seconds, keeps nothing else waiting.
        """
        await asyncio.gather(self._watch_tokens(), self._watch_kernels())

    async def _watch_tokens(self) -> None:
        while self.check_token is not None:
            await asyncio.sleep(_INTERVAL)
            try:
                KernelChannels.refuse_invalid(self.check_token)
            except Exception as error:  # noqa: BLE001 - such as of the tokens' database
                self.log.warning("the tokens of clients cannot be checked: %s", error)

    async def _watch_kernels(self) -> None:
        ending: dict[str, asyncio.Task[None]] = {}
        while True:
            await asyncio.sleep(_INTERVAL)
            ending = {kernel_id: task for kernel_id, task in ending.items() if not task.done()}
            for kernel_id, manager in self.parent.kernel_manager.managers().items():
                lifetime = self.bounds.lifetime
                if lifetime and time.monotonic() - manager.started > lifetime and kernel_id not in ending:
                    ending[kernel_id] = asyncio.create_task(self._end_old(kernel_id))
                try:
                    await self._check_memory(kernel_id, manager)
                except Exception as error:  # noqa: BLE001 - such as one for a kernel that ends meanwhile
                    self.log.warning("kernel %s: cannot be checked: %s", kernel_id, error)

    async def _end_old(self, kernel_id: str) -> None:
        self.log.warning("kernel %s: ended after %g s, its longest life", kernel_id, self.bounds.lifetime)
        self.metrics.count_end("lifetime")
        try:
            await self.parent.kernel_manager.shutdown_kernel(kernel_id)
        except Exception as error:  # noqa: BLE001 - such as one for a kernel that ends meanwhile
            self.log.warning("kernel %s: did not end well: %s", kernel_id, error)

    async def _check_memory(self, kernel_id: str, manager: Any) -> None:
        memory = self.bounds.memory
        if memory and manager.provisioner and manager.provisioner.pid:
            used = sum(await asyncio.to_thread(memory_of_trees, [manager.provisioner.pid]))
            if used > memory:
                self.log.warning("kernel %s: ended, it had %d MB of memory", kernel_id, used >> 20)
                self.metrics.count_end("memory")
                await manager.provisioner.kill()

    async def drain(self, timeout: float, hurry: asyncio.Event) -> None:
        """Wait until no kernel executes a cell, ``timeout`` seconds have passed, or somebody is in a hurry."""
        end = time.monotonic() + timeout
        await asyncio.sleep(min(_NEWS, timeout))
        while self._busy() and time.monotonic() < end:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(hurry.wait(), _POLL)
                return

    def _busy(self) -> bool:
        managers = self.parent.kernel_manager.managers().values()
        return any(getattr(one, "execution_state", "") == "busy" for one in managers)

    async def shutdown(self) -> None:
        """End all kernels, each with time to run what it does at its end."""
        kernels = self.parent.kernel_manager
        ending = (kernels.shutdown_kernel(kernel_id) for kernel_id in kernels.list_kernel_ids())
        for error in await asyncio.gather(*ending, return_exceptions=True):
            if error:
                self.log.warning("a kernel did not end well: %s", error)


def _escape_base(pattern: str, base: str) -> str:
    return re.escape(base) + pattern.removeprefix(base)


def create_personality(*words: Any, **options: Any) -> Personality:
    """Return the API, as the Kernel Gateway asks for it."""
    return Personality(*words, **options)
