"""Accepted runs are on the disk before a client hears of it; many requests share one wait for the disk."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.store import StoreUnavailableError

_PATIENCE = 5.0
"""Seconds for which a failure that passes is repeated."""
_PAUSE = 0.2
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
"""Files, memory or threads are short. After a failure of the disk, a repeated fsync can succeed without the data."""


@dataclass(kw_only=True, slots=True)
class _Waiting:
    folder: RunFolder
    saved: asyncio.Future[None]
    until: float


class Durability:
    """Writes runs that were accepted to the disk: those of all requests that wait, then those that came meanwhile."""

    def __init__(self, sync_rows: Callable[[], None]) -> None:
        """``sync_rows`` writes the rows that the database has stored to the disk (`RunStore.sync`)."""
        self._sync_rows = sync_rows
        self._waiting: list[_Waiting] = []
        self._work: asyncio.Task[None] | None = None

    async def save(self, folder: RunFolder) -> None:
        """Wait until a run is on the disk: its row, and the files of its request.

        Raises:
            StoreUnavailableError: the disk is full or broken, or the machine has no file, memory or thread left for
                some seconds.
        """
        loop = asyncio.get_running_loop()
        saved: asyncio.Future[None] = loop.create_future()
        self._waiting.append(_Waiting(folder=folder, saved=saved, until=loop.time() + _PATIENCE))
        if self._work is None or self._work.done():
            self._work = loop.create_task(self._save_all())
        await saved

    async def _save_all(self) -> None:
        now = asyncio.get_running_loop().time
        while self._waiting:
            batch, self._waiting = self._waiting, []
            problems = await self._sync_batch([one.folder for one in batch])
            for one, problem in zip(batch, problems, strict=True):
                if one.saved.done():  # its client has gone
                    continue
                if problem is None:
                    one.saved.set_result(None)
                elif _passes(problem) and now() < one.until:
                    self._waiting.append(one)
                else:
                    one.saved.set_exception(_as_unavailable(problem))
            if any(problems):
                await asyncio.sleep(_PAUSE)

    async def _sync_batch(self, folders: Sequence[RunFolder]) -> Sequence[Exception | None]:
        """Write runs to the disk; return the failure of each, so that one does not fail all."""
        try:
            return await asyncio.to_thread(self._sync, folders)
        except Exception as error:  # noqa: BLE001 - without an answer, the requests would wait for ever
            return [error] * len(folders)

    def _sync(self, folders: Sequence[RunFolder]) -> Sequence[Exception | None]:
        problems = [_failure(folder.sync_request) for folder in folders]
        self._sync_rows()
        return problems


def _failure(call: Callable[[], None]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - of one run among others
        return error
    return None


def _passes(problem: Exception) -> bool:
    """Whether another attempt can succeed soon; a RuntimeError is that of a thread that cannot be started."""
    return isinstance(problem, RuntimeError) or (isinstance(problem, OSError) and problem.errno in _PASSING)


def _as_unavailable(problem: Exception) -> Exception:
    return StoreUnavailableError(str(problem)) if isinstance(problem, OSError | RuntimeError) else problem
