"""The server's side of the worker processes: start them, wake them, hear from them, replace dead ones, stop them."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from generator.runner.server.operation.logs import log
from generator.runner.server.workers.channel import channel_pair, receive, send
from generator.runner.server.workers.settings import WorkerSettings

_RESTART_DELAY = 1.0
"""Seconds before a worker that died is replaced, so that one that cannot start does not use up the machine."""


@dataclass(slots=True, eq=False)
class _Worker:
    name: str
    process: subprocess.Popen[bytes]
    channel: socket.socket
    idle: bool = False
    current: str | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class WorkerPool:
    """The worker processes of one server; to be used in its event loop."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        count: int,
        on_message: Callable[[Mapping[str, Any]], None],
        on_death: Callable[[str], None],
    ) -> None:
        """``on_message`` gets each message about a run, ``on_death`` the name of a worker that died unexpectedly."""
        self._settings = settings
        self._count = count
        self._on_message = on_message
        self._on_death = on_death
        self._workers: list[_Worker] = []
        self._next = 0
        self._stopping = False

    @property
    def busy(self) -> int:
        """How many workers execute a run."""
        return sum(worker.current is not None for worker in self._workers)

    @property
    def count(self) -> int:
        """How many workers there should be."""
        return self._count

    @property
    def size(self) -> int:
        """How many workers live."""
        return len(self._workers)

    def process_ids(self) -> tuple[int, ...]:
        """Return the process ids of the workers."""
        return tuple(worker.process.pid for worker in self._workers)

    def start(self) -> None:
        """Start the workers."""
        for _ in range(self._count):
            self._start_one()

    def wake(self) -> None:
        """Tell a worker, preferably an idle one, that a run waits."""
        if not self._workers:
            return
        idle = next((worker for worker in self._workers if worker.idle), None)
        if idle is None:
            self._next = (self._next + 1) % len(self._workers)
            idle = self._workers[self._next]
        idle.idle = False
        send(idle.channel, {"do": "look"})

    def dismiss(self, run_id: str) -> None:
        """Interrupt a run, if one of these workers executes it; it may not have reported so yet."""
        for worker in self._workers:
            send(worker.channel, {"do": "dismiss", "run": run_id})

    async def stop(self, timeout: float, *, hurry: asyncio.Event | None = None) -> None:
        """Let the workers finish their runs for ``timeout`` seconds, then interrupt these, which saves notebooks.

        ``hurry`` ends the time early.
        """
        self._stopping = True
        workers = list(self._workers)
        for worker in workers:
            send(worker.channel, {"do": "stop"})
        if await _all_gone(workers, timeout, hurry):
            return
        for worker in workers:
            with suppress(ProcessLookupError):
                worker.process.send_signal(signal.SIGTERM)
        if await _all_gone(workers, 10):
            return
        for worker in workers:
            worker.process.kill()
        await _all_gone(workers, 5)

    def _start_one(self) -> None:
        """Start a worker.

        Raises:
            OSError: this machine can start no process now, or has no descriptors.
        """
        with ExitStack() as stack:
            ours, theirs = map(stack.enter_context, channel_pair())
            process = subprocess.Popen(
                [sys.executable, *_isolation(), "-m", "generator.runner.server.workers.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if name not in self._settings.variables},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the server, which stops its workers
            )
            theirs.close()
            stack.pop_all()
        name = f"{os.getpid()}-{process.pid}-{secrets.token_hex(4)}"
        send(ours, replace(self._settings, name=name).as_message())
        ours.settimeout(0)
        worker = _Worker(name, process, ours)
        self._workers.append(worker)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._read, worker)

    def _read(self, worker: _Worker) -> None:
        while True:
            try:
                message = receive(worker.channel)
            except BlockingIOError:
                return
            if message is None:
                self._note_end(worker)
                return
            self._handle(worker, message)

    def _handle(self, worker: _Worker, message: Mapping[str, Any]) -> None:
        if "idle" in message:
            worker.idle = True
            return
        if "started" in message:
            worker.current = message["started"]
        elif "ended" in message:
            worker.current = None
        self._on_message(message)

    def _note_end(self, worker: _Worker) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(worker.channel.fileno())
        worker.channel.close()
        self._workers.remove(worker)
        loop.run_in_executor(None, worker.process.wait).add_done_callback(lambda _: self._note_exit(worker))
        if not self._stopping:
            loop.call_later(_RESTART_DELAY, self._replace)

    def _note_exit(self, worker: _Worker) -> None:
        worker.gone.set()
        if not self._stopping:
            self._on_death(worker.name)

    def _replace(self) -> None:
        if self._stopping:
            return
        try:
            self._start_one()
        except OSError as error:
            log("no worker can be started", level=logging.WARNING, reason=str(error))
            asyncio.get_running_loop().call_later(_RESTART_DELAY, self._replace)


async def _all_gone(workers: list[_Worker], timeout: float, hurry: asyncio.Event | None = None) -> bool:
    """Wait until all workers have ended, at most ``timeout`` seconds, or until ``hurry``; return whether they have."""
    waits = [asyncio.ensure_future(worker.gone.wait()) for worker in workers]
    ends = asyncio.ensure_future(hurry.wait()) if hurry else asyncio.get_running_loop().create_future()
    everything = asyncio.gather(*waits)
    await asyncio.wait({everything, ends}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    for future in (*waits, ends):
        future.cancel()
    with suppress(asyncio.CancelledError):
        await everything
    return all(worker.gone.is_set() for worker in workers)


def _isolation() -> tuple[str, ...]:
    """Return the options of this interpreter that a worker needs, too."""
    return tuple(f"-{name}" for name, flag in (("I", sys.flags.isolated), ("B", sys.flags.dont_write_bytecode)) if flag)
