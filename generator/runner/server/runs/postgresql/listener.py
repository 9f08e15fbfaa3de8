"""A thread that listens to changes of runs by other processes, and updates a worker's heartbeat."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg
from procrastinate.exceptions import ConnectorException
from psycopg import sql

from generator.runner.server.runs.postgresql.queue import CHANNELS, Connection
from generator.runner.server.runs.store import Change, ChangeKind

CHANNEL = "packmill_runs"
_RECONNECT_AFTER = 1.0


class Listener:
    """Changes of the chosen kinds; `fileno` is readable when there are some. A lost connection is opened again."""

    def __init__(self, connect: Callable[[], Connection], beat: Callable[[Connection], None], *, every: float) -> None:
        self._connect, self._beat, self._every = connect, beat, every
        self.kinds = frozenset[ChangeKind]()
        self._changes: set[Change] = set()
        self._changed, self._closed = (os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(2))
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="packmill-listener", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return a file descriptor that is readable when `read` has changes."""
        return self._changed

    def read(self) -> tuple[Change, ...]:
        """Return the changes since the last call, without waiting."""
        with self._lock:
            with suppress(BlockingIOError):
                os.eventfd_read(self._changed)
            changes = tuple(self._changes)
            self._changes.clear()
        return changes

    def close(self) -> None:
        """End the thread, and close its connection."""
        os.eventfd_write(self._closed, 1)
        self._thread.join()
        os.close(self._changed)
        os.close(self._closed)

    def _run(self) -> None:
        seconds = 0.0
        while not self._is_closed_within(seconds):
            with suppress(psycopg.Error, ConnectorException), self._connect() as connection:
                for channel in (CHANNEL, *CHANNELS):
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                for kind in self.kinds:  # what happened without a connection
                    self._note(Change(kind=kind))
                self._listen(connection)
            seconds = _RECONNECT_AFTER

    def _listen(self, connection: Connection) -> None:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        poll.register(self._closed, select.POLLIN)
        next_beat = time.monotonic()
        while not self._is_closed_within(0):
            if (seconds := next_beat - time.monotonic()) <= 0:
                self._beat(connection)
                seconds, next_beat = self._every, time.monotonic() + self._every
            poll.poll(seconds * 1000)
            for notification in connection.notifies(timeout=0):
                self._note(_change(notification))

    def _note(self, change: Change) -> None:
        if change.kind in self.kinds:
            with self._lock:
                self._changes.add(change)
                os.eventfd_write(self._changed, 1)

    def _is_closed_within(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._closed, select.POLLIN)
        return bool(poll.poll(seconds * 1000))


def _change(notification: psycopg.Notify) -> Change:
    if notification.channel != CHANNEL:
        return Change(kind=ChangeKind.QUEUED)
    kind, _, run_id = notification.payload.partition(" ")
    return Change(kind=ChangeKind(kind), run_id=run_id)
