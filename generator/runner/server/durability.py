"""Accepted runs are on the disk before a client hears of it; many requests share one wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.store import StoreUnavailableError


class Durability:
    """Writes runs that were accepted to the disk: those of all requests that wait, then those that came meanwhile."""

    def __init__(self, sync_rows: Callable[[], None]) -> None:
        """``sync_rows`` writes the rows that the database has stored to the disk (`RunStore.sync`)."""
        self._sync_rows = sync_rows
        self._waiting: list[tuple[RunFolder, asyncio.Future[None]]] = []
        self._work: asyncio.Task[None] | None = None

    async def save(self, folder: RunFolder) -> None:
        """Wait until a run is on the disk: its row, and the files of its request.

        Raises:
            StoreUnavailableError: the disk is full or broken, or the machine has no thread left for a moment.
        """
        loop = asyncio.get_running_loop()
        saved: asyncio.Future[None] = loop.create_future()
        self._waiting.append((folder, saved))
        if self._work is None or self._work.done():
            self._work = loop.create_task(self._save_all())
        await saved

    async def _save_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._sync, [folder for folder, _ in batch])
                problem: Exception | None = None
            except (OSError, RuntimeError) as error:  # the latter, if no thread can be started
                problem = StoreUnavailableError(str(error))
            except Exception as error:  # noqa: BLE001 - without an answer, the requests would wait for ever
                problem = error
            for saved in (saved for _, saved in batch if not saved.done()):  # done if its client has gone
                if problem:
                    saved.set_exception(problem)
                else:
                    saved.set_result(None)

    def _sync(self, folders: list[RunFolder]) -> None:
        for folder in folders:
            folder.sync_request()
        self._sync_rows()
