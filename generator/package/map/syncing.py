"""Files of rows reach the disk while a map runs: in one step, all that rows left within some seconds."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from generator.package.map.journal import SYNC_INTERVAL, Journal


@contextmanager
def synced(journal: Journal, *, interval: float = SYNC_INTERVAL) -> Iterator[None]:
    """Write the files of rows to the disk every few seconds, and at the end.

    Raises:
        OSError, sqlite3.Error: at the end, if the disk is full or broken.
    """
    ended = threading.Event()

    def sync_repeatedly() -> None:
        while not ended.wait(interval):
            with suppress(OSError, sqlite3.Error):  # the end reports it
                journal.sync()

    thread = threading.Thread(target=sync_repeatedly, name="sync", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        journal.sync()
