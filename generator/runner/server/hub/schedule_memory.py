"""The users whose schedules have to run although nobody visits: a file of this service, since it reads no home."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from generator.shared import durable_files


class ScheduleMemory:
    """The names of users with schedules; for use from several threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()
        self._names = self._stored = _read(file)

    def __contains__(self, username: str) -> bool:
        return username in self._names

    @property
    def names(self) -> tuple[str, ...]:
        """The users, sorted."""
        return tuple(sorted(self._names))

    def note(self, username: str, *, has_schedules: bool) -> None:
        """Remember a user, or forget it.

        Raises:
            OSError: the file cannot be written; until a later call can, a new process of the service does not know.
        """
        with self._guard:
            self._names = self._names | {username} if has_schedules else self._names - {username}
            if self._names == self._stored:
                return
            new = self._file.with_suffix(".new")
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
                json.dump(sorted(self._names), stream)
            durable_files.replace(new, self._file)
            self._stored = self._names


def _read(file: Path) -> frozenset[str]:
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return frozenset()
    return frozenset(map(str, names)) if isinstance(names, list) else frozenset()
