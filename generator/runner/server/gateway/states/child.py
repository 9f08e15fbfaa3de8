"""A process that runs handlers: one call after another, each with a time limit."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from generator.runner.server.gateway.states.calls import (
    Answer,
    BusyError,
    Call,
    CallLimits,
    CallTimeoutError,
    KernelEndedError,
    NotForkedError,
    UnsuitedError,
)
from generator.runner.server.gateway.states.channel import Channel, TooLargeError
from generator.runner.server.kernels.trial import HangWatch

_LOOK = 0.5
"""Seconds between two looks at a child that does not answer."""
_LEAST_PATIENCE, _MOST_PATIENCE = 2.0, 10.0
"""Seconds that a handler may wait for a lock before it counts as a hang of its fork."""
_INTERRUPT_GRACE = 2.0
"""Seconds that an interrupted handler has to answer before its process is killed."""
_TOO_LARGE = "its response is larger than the server allows (--max-response)"
_PRINTED = "/memfd:packmill-printed"
"""The file of `packmill_handlers` to which its cell and the programs of it print."""


class Child:
    """One process; ``ended`` has the status of wait(2), or -1 if it is unknown, when the process ended."""

    def __init__(self, channel: Channel, *, forked_from_seed: bool = False) -> None:
        self.channel = channel
        self.pid = 0
        """0 until it is known."""
        self.forked_from_seed = forked_from_seed
        self.refused = ""
        """Why the system refused to fork it."""
        self.exits = False
        """Whether a handler asked for the end of its process, with ``exit``."""
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.release: Callable[[], Awaitable[None]] | None = None
        """Releases what belongs to the process, after its end."""

    def note_end(self, status: int) -> None:
        """Note that the process ended."""
        if not self.ended.done():
            self.ended.set_result(status)

    async def call(self, call: Call, limits: CallLimits) -> Answer:
        """Run a handler. After an error the process is of no use, except after a timeout with ``interrupt``.

        Raises:
            BusyError, CallTimeoutError, KernelEndedError: as `State.call`.
            UnsuitedError: the process hangs, or was killed, perhaps because it was forked.
        """
        source = {"source": call.endpoint.source, "info": call.endpoint.info, "request": call.request}
        largest = limits.response
        answer = await self.ask({**source, "largest": largest}, limits.seconds, largest=largest)
        if answer.get("exits"):
            self.exits = True
        body, info, error = (str(answer.get(name, "")) for name in ("body", "info", "error"))
        if sum(len(text.encode("utf-8", "replace")) for text in (body, info)) > largest:
            raise KernelEndedError(_TOO_LARGE)
        return Answer(body=body, info=info, error=error)

    async def ask(
        self, message: dict[str, Any], seconds: float | None, *, largest: int | None = None
    ) -> dict[str, Any]:
        """Send a message and return its answer; meanwhile ``largest`` bytes may be printed. Raises as `call`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        await self.channel.send(message)
        reading = asyncio.ensure_future(self.channel.receive())
        try:
            return await self._wait(reading, deadline, patience=_patience(seconds), largest=largest)
        except TooLargeError:
            raise KernelEndedError(_TOO_LARGE) from None
        finally:
            if not reading.done():
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading

    async def _wait(
        self,
        reading: asyncio.Future[dict[str, Any] | None],
        deadline: float | None,
        *,
        patience: float,
        largest: int | None,
    ) -> dict[str, Any]:
        watch: HangWatch | None = None
        either: set[asyncio.Future[Any]] = {reading, self.ended}
        while True:
            left = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
            await asyncio.wait(either, timeout=max(0, left), return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and (answer := reading.result()) is not None:
                return answer
            if reading.done() or self.ended.done():
                raise await self._describe_end()
            if deadline is not None and time.monotonic() >= deadline:
                raise CallTimeoutError
            if largest is not None and self.pid and _printed(self.pid) > largest:
                raise TooLargeError
            if self.forked_from_seed and self.pid:
                watch = watch or HangWatch(self.pid, patience=patience)
                if watch.is_hung():
                    raise UnsuitedError("a handler waits for a lock without end")

    async def _describe_end(self) -> Exception:
        """Return the error for a process that ended before its answer."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.ended), _INTERRUPT_GRACE)
        if self.refused:
            return BusyError(self.refused)
        status = self.ended.result() if self.ended.done() else -1
        if status < 0:
            never_forked = self.forked_from_seed and not self.pid
            return (
                NotForkedError("its process was not forked") if never_forked else KernelEndedError("its process ended")
            )
        code = os.waitstatus_to_exitcode(status)
        how = f"its process was killed by signal {-code}" if code < 0 else f"its process exited with code {code}"
        return UnsuitedError(how) if code < 0 and self.forked_from_seed else KernelEndedError(how)

    async def interrupt(self) -> bool:
        """Interrupt a handler after its timeout; return whether the process can take the next call."""
        self._signal(signal.SIGINT)
        try:
            return await asyncio.wait_for(self.channel.receive(), _INTERRUPT_GRACE) is not None
        except (asyncio.TimeoutError, TooLargeError):
            return False

    async def finish(self, seconds: float | None) -> None:
        """Let the process end by itself, within a time limit, and kill it otherwise."""
        self.channel.close_writing()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.ended), seconds)
        await self.kill()

    async def kill(self) -> None:
        """End the process and what it started, and wait for its end."""
        if not self.ended.done():
            self._signal(signal.SIGKILL)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.ended), _INTERRUPT_GRACE)
        if self.release is not None:
            release, self.release = self.release, None
            await release()
        self.channel.close()

    def _signal(self, number: signal.Signals) -> None:
        if self.pid and not self.ended.done():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


def _patience(limit: float | None) -> float:
    """Return how long a handler may wait for a lock: a hang has to be noticed before the time limit."""
    return _MOST_PATIENCE if limit is None else min(_MOST_PATIENCE, max(_LEAST_PATIENCE, limit / 2))


def _printed(pid: int) -> int:
    """Return how many bytes the cell of a process has printed; 0 if it prints to another file."""
    output = Path(f"/proc/{pid}/fd/1")
    with suppress(OSError):  # it has ended
        if os.readlink(output).startswith(_PRINTED):
            return output.stat().st_size
    return 0
