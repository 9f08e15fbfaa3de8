"""Where processes that have run a notebook's cells come from: from a prepared process, or forked with their state."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from operator import index
from pathlib import Path
from typing import Protocol

from generator.notebook.notebook import Cell
from generator.runner.kernels.forked import ForkedProcess, RunPlace
from generator.runner.kernels.prepared import ForkRefusedError, PreparedProcess, PreparedProcessDiedError, UnfitError
from generator.runner.kernels.process import build_environment
from generator.runner.kernels.specs import Kernel
from generator.runner.server.gateway.states.calls import BusyError, KernelEndedError, SeedError, UnsuitedError
from generator.runner.server.gateway.states.channel import Channel, TooLargeError
from generator.runner.server.gateway.states.child import Child

_PREPARE_TIMEOUT = 300.0
_LOOK = 0.5
"""Seconds between two looks for the end of the last child."""
_REPORT = 1 << 27
"""Bytes of an answer other than a response."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What processes of a notebook get: kernel, cells to run, environment, working directory."""

    name: str
    kernel: Kernel
    seed: Sequence[Cell]
    environment: dict[str, str]
    directory: Path
    largest: int
    """Bytes of an answer."""


class Source(Protocol):
    """Makes processes that are ready for calls."""

    async def make(self) -> Child:
        """Return a new process that has run the cells.

        Raises:
            BusyError: the system has no process or memory left.
            SeedError: a cell failed.
            UnsuitedError: no such process can be made.
        """

    async def stop(self) -> None:
        """End the processes behind it."""


class PreparedSource:
    """Forks processes from one that has at most imported modules, and runs the cells in each."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._prepared: PreparedProcess | None = None
        self._imports: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._lock = asyncio.Lock()
        """`PreparedProcess` is for one thread."""
        self.modules: tuple[str, ...] = ()
        self.local: tuple[str, ...] = ()
        """The modules that the cells loaded, and names of those that are not of the environment."""

    async def prepare(self, modules: Sequence[str] = (), local: Sequence[str] = ()) -> None:
        """Start the prepared process; it imports modules.

        Raises:
            UnsuitedError: it cannot be forked.
        """
        try:
            async with self._lock:
                self._imports = (tuple(modules), tuple(local))
                await asyncio.to_thread(self._start)
        except (UnfitError, OSError) as error:
            raise UnsuitedError(str(error)) from None

    def _start(self) -> None:
        place = self._place
        modules, local = self._imports
        prepared = PreparedProcess(
            place.kernel,
            "handlers",
            modules,
            local=local,
            environment=build_environment(place.kernel, place.environment),
            directory=place.directory,
        )
        self._prepared = prepared
        if not prepared.is_ready(_PREPARE_TIMEOUT):
            raise UnfitError(f"its imports take more than {_PREPARE_TIMEOUT:g} s")

    async def make(self) -> Child:
        """Fork a process and run the cells in it."""
        child = await self._fork()
        try:
            await self._seed(child)
        except BaseException:
            await child.kill()
            raise
        return child

    async def _fork(self) -> Child:
        try:
            async with self._lock:
                process = await asyncio.to_thread(self._fork_and_begin)
        except ForkRefusedError as error:
            raise BusyError(str(error)) from None
        except (UnfitError, OSError) as error:
            raise UnsuitedError(str(error)) from None
        child = Child(Channel(process.channel.socket, self._place.largest + _REPORT))
        child.pid = process.process_id
        child.release = partial(self._release, process)
        if process.fileno is not None:
            asyncio.get_running_loop().add_reader(process.fileno, child.note_end, -1)
        return child

    def _fork_and_begin(self) -> ForkedProcess:
        if self._prepared is None:
            raise UnfitError("it is stopped")
        try:
            process = ForkedProcess(self._prepared)
        except PreparedProcessDiedError:  # such as killed, since memory ran out; another one takes its place
            self._prepared.end()
            self._start()
            process = ForkedProcess(self._prepared)
        process.begin(RunPlace(directory=self._place.directory, environment={}, log=None))
        return process

    async def _release(self, process: ForkedProcess) -> None:
        if process.fileno is not None:
            asyncio.get_running_loop().remove_reader(process.fileno)
        async with self._lock:
            await asyncio.to_thread(process.end)

    async def _seed(self, child: Child) -> None:
        sources = [cell.source for cell in self._place.seed]
        try:
            answer = await child.ask({"cells": sources}, None)
        except KernelEndedError as error:
            raise SeedError(f"{self._place.name}: a cell that runs at the start: {error}") from None
        if "error" in answer:
            number = self._place.seed[answer["cell"]].number
            raise SeedError(f"{self._place.name}: cell {number}: {answer['error'].strip()}")
        self.modules, self.local = tuple(answer["modules"]["modules"]), tuple(answer["modules"]["local"])

    async def stop(self) -> None:
        """End the prepared process and its children."""
        async with self._lock:
            if self._prepared is not None:
                prepared, self._prepared = self._prepared, None
                await asyncio.to_thread(prepared.end)


class SeedSource:
    """Forks processes from one that has run the cells."""

    def __init__(self, seed: Child, largest: int) -> None:
        self._seed = seed
        self._largest = largest
        self._children: dict[int, Child] = {}
        self._number = 0
        self.unsuited = ""
        """Why the process cannot be forked."""
        self._reading = asyncio.create_task(self._read())

    @property
    def is_dead(self) -> bool:
        """Whether the process that ran the cells ended."""
        return self._seed.ended.done()

    async def make(self) -> Child:
        """Fork a process."""
        if self.unsuited or self._seed.ended.done():
            raise UnsuitedError(self.unsuited or "the process that ran the cells ended")
        ours, theirs = socket.socketpair()
        child = Child(Channel(ours, self._largest + _REPORT), forked_from_seed=True)
        self._number += 1
        self._children[self._number] = child
        with theirs:
            await self._seed.channel.send({"fork": self._number}, [theirs.fileno()])
        return child

    async def _read(self) -> None:
        with suppress(AttributeError, KeyError, TypeError, ValueError, TooLargeError):  # cells can write to the socket
            await self._read_messages()
        self._seed.note_end(-1)
        for child in self._children.values():
            child.note_end(-1)

    async def _read_messages(self) -> None:
        while (message := await self._seed.channel.receive()) is not None:
            if "exited" in message:
                self._children.pop(message["exited"]).note_end(index(message["status"]))
            elif "threads" in message:
                self.unsuited = f"cells that run at the start began threads ({', '.join(message['threads'])})"
                self._children.pop(message["forked"]).note_end(-1)
            elif "refused" in message:
                child = self._children.pop(message["forked"])
                child.refused = f"no process can be started at the moment: {message['refused']}"
                child.note_end(-1)
            else:
                self._children[message["forked"]].pid = index(message["pid"])

    async def stop_when_unused(self) -> None:
        """End the process that ran the cells when it has no children left."""
        while self._children and not self.is_dead:
            await asyncio.sleep(_LOOK)
        await self.stop()

    async def stop(self) -> None:
        """End the process that ran the cells, and its children."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading
        for child in list(self._children.values()):
            child.note_end(-1)
        await self._seed.kill()
