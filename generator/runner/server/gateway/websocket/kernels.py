"""The kernels of the server: how many, whose they are, and what they are started with."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from jupyter_client.ioloop.restarter import AsyncIOLoopKernelRestarter
from jupyter_client.kernelspec import NoSuchKernel
from kernel_gateway.services.kernels.manager import KernelGatewayIOLoopKernelManager, SeedingMappingKernelManager
from tornado import web
from traitlets import default

from generator.runner.server.gateway.websocket.callers import may_see, owner_of_new_kernel
from generator.runner.server.gateway.websocket.channels import KeptMessages
from generator.runner.server.gateway.websocket.starting import PreparedKernels

_replaced_start: ContextVar[Any] = ContextVar("start_kernel", default=None)
_ID = re.compile(r"[0-9A-Za-z]+(-[0-9A-Za-z]+){4}")
_HALF_A_DAY = 12 * 3600
_CULL_INTERVAL = 60


class _Restarter(AsyncIOLoopKernelRestarter):  # type: ignore[misc]
    """Restarts a kernel that died where its clients are connected.

    For kernels younger than ten seconds, Jupyter chooses new addresses, and clients would wait without end.
    """

    @default("random_ports_until_alive")
    def _random_ports_until_alive(self) -> bool:
        return False


class OneKernel(KernelGatewayIOLoopKernelManager):  # type: ignore[misc]
    """One kernel, of the caller in whose request it is made."""

    restarter_class = _Restarter

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self.owner = owner_of_new_kernel()
        self.started = time.monotonic()


class Kernels(SeedingMappingKernelManager):  # type: ignore[misc]
    """All kernels."""

    prepared: PreparedKernels
    most: int | None = None
    """The largest number of kernels; None for any."""
    is_draining = False
    is_prepared = False
    """Whether the kernels of ``prespawn_count`` run, and the seed's cells ran in them."""
    started_count = 0

    cull_interval_default = _CULL_INTERVAL

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._starting: set[str] = set()
        """The ids, chosen by clients, of kernels that are starting."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @default("cull_idle_timeout")
    def _cull_idle_timeout(self) -> int:
        return _HALF_A_DAY

    @default("cull_interval")
    def _cull_interval(self) -> int:
        return _CULL_INTERVAL

    def _kernel_manager_class_default(self) -> str:
        return f"{OneKernel.__module__}.{OneKernel.__name__}"

    @property
    def start_kernel(self) -> Any:
        """The function that starts a kernel.

        The Kernel Gateway replaces it for the time of a request, to add the variables of the client. As an attribute of
        the manager, requests at once would mix their variables up, and the last one's would stay.
        """
        return _replaced_start.get() or self._start

    @start_kernel.setter
    def start_kernel(self, function: Any) -> None:
        _replaced_start.set(function)

    async def _start(self, *words: Any, **options: Any) -> str:
        """Start a kernel and run the seed's cells in it; return its id.

        Raises:
            HTTPError: 400, no kernel has the name, or the id is invalid; 403, there are too many kernels; 409, another
                request starts a kernel of this id; 500, the kernel does not start, or a cell fails; 503, during a
                shutdown.
        """
        self._check_id(options.get("kernel_id"))
        if options.get("kernel_id") not in self:
            self._check_room()
            self._check_name(self.parent.force_kernel_name or options.get("kernel_name") or self.default_kernel_name)
            self.started_count += 1
        try:
            with self._reserved(options.get("kernel_id")):
                kernel_id: str = await super().start_kernel(*words, **options)
        except web.HTTPError:
            raise
        except (OSError, RuntimeError) as error:
            raise web.HTTPError(500, f"the kernel does not start: {_describe(error)}") from error
        return kernel_id

    @contextmanager
    def _reserved(self, kernel_id: str | None) -> Iterator[None]:
        """Keep other requests from starting a kernel of the same id: only the last one could be ended again."""
        if kernel_id is None:
            yield
            return
        self._starting.add(kernel_id)
        try:
            yield
        finally:
            self._starting.discard(kernel_id)

    async def shutdown_kernel(self, kernel_id: str, *words: Any, **options: Any) -> Any:
        """End a kernel, after what other requests began with it."""
        async with self._turn(kernel_id):
            return await super().shutdown_kernel(kernel_id, *words, **options)

    async def restart_kernel(self, kernel_id: str, *words: Any, **options: Any) -> Any:
        """Restart a kernel, after what other requests began with it: it would leave a process behind otherwise."""
        async with self._turn(kernel_id):
            return await super().restart_kernel(kernel_id, *words, **options)

    async def interrupt_kernel(self, kernel_id: str, *words: Any, **options: Any) -> Any:
        """Interrupt a kernel, after what other requests began with it."""
        async with self._turn(kernel_id):
            return await super().interrupt_kernel(kernel_id, *words, **options)

    def _turn(self, kernel_id: str) -> asyncio.Lock:
        """Return the lock of a kernel, which lives as long as somebody has it."""
        lock = self._turns.get(kernel_id)
        if lock is None:
            lock = self._turns[kernel_id] = asyncio.Lock()
        return lock

    def start_buffering(self, kernel_id: str, session_key: str, channels: Mapping[str, Any]) -> None:
        """Keep the messages for a client that left, up to a size; one that had no channels yet changes nothing."""
        if not channels:
            return
        super().start_buffering(kernel_id, session_key, channels)
        if kernel_id in self._kernel_buffers:
            kept = self._kernel_buffers[kernel_id]["buffer"] = KeptMessages()
            for channel, stream in channels.items():
                stream.on_recv(partial(kept.take, channel))

    def _check_id(self, kernel_id: Any) -> None:
        """Check an id that a client chose: it becomes part of a file's name."""
        if kernel_id is None:
            return
        if not isinstance(kernel_id, str) or not _ID.fullmatch(kernel_id):
            raise web.HTTPError(400, "kernel_id: not a UUID; leave it out")
        if kernel_id in self and not may_see(self.owner_of(kernel_id)):
            raise web.HTTPError(403, f"kernel {kernel_id}: the id is in use")
        if kernel_id in self._starting:
            raise web.HTTPError(409, f"kernel {kernel_id}: another request is starting it")

    def _check_room(self) -> None:
        if self.is_draining:
            raise web.HTTPError(503, "the server is shutting down; try again later")
        count = len({*self._kernels, *self._pending_kernels})
        if self.most is not None and count >= self.most:
            raise web.HTTPError(
                403,
                f"Resource Limit: {count} kernels run, the most that this server allows; shut one down, or try later",
            )

    def _check_name(self, name: str) -> None:
        try:
            self.kernel_spec_manager.get_kernel_spec(name)
        except NoSuchKernel:
            known = ", ".join(self.kernel_spec_manager.kernels()) or "none"
            raise web.HTTPError(400, f"kernel {name!r}: not found; available: {known}") from None

    def owner_of(self, kernel_id: str) -> str:
        """Return the name of the token that started a kernel; empty without one, or for an unknown kernel."""
        kernel = self._kernels.get(kernel_id)
        return str(getattr(kernel, "owner", ""))

    def list_kernels(self) -> list[dict[str, Any]]:
        """Return the kernels that the caller may use."""
        return [model for model in super().list_kernels() if may_see(self.owner_of(model["id"]))]

    def connection_count(self) -> int:
        """Return the number of connections to the channels of kernels."""
        return sum(self._kernel_connections.values())

    def managers(self) -> dict[str, Any]:
        """Return the manager of each kernel, by its id."""
        return dict(self._kernels)


def _describe(error: Exception) -> str:
    content = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], dict) else {}
    if "evalue" in content:
        return f"a cell of the seed notebook failed: {content.get('ename')}: {content['evalue']}"
    return str(error)
