"""A container of a map, which runs rows of the process one after another, see `generator.runner.server.rows`."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from generator.package.map.containers import ContainerPlan
from generator.package.map.files import Mounts
from generator.package.map.folders import remove_folder
from generator.package.map.records import whole_number
from generator.subprocesses import Conversation, run

_LAST_BYTES = 4096
"""How much of a container's log is read for a message."""


class Container:
    """One container: runs a row at a time.

    The rows of a container run as the same user. A row is therefore asked for after the results of the one before have
    been taken out of the container, and nothing in the container knows the name of its folder earlier.
    """

    def __init__(self, plan: ContainerPlan, mounts: Mounts, *, memory: float = 1, one: bool = False) -> None:
        self.row: Any = None
        """What was asked for and has not been answered."""
        self.is_ready = False
        """Whether the runner has started."""
        self.is_closed = False
        """Whether it gets no further rows."""
        self.has_run_out_of_memory = False
        """Whether a process was killed because memory ran out, after the last answer about a row."""
        self._mounts = mounts
        self._oom_kills = 0
        self.excess = ""
        """The limit that the row exceeds with what it writes; then the container is killed."""
        self._limits = plan.writing
        self._folder = plan.work / secrets.token_hex(4)
        self._kill = (plan.program, "kill", f"packmill-rows-{secrets.token_hex(8)}")
        self._name = ""
        rows, temporary, log = self._written = tuple(self._folder / name for name in ("rows", "tmp", "log"))
        for folder in self._written:
            folder.mkdir(mode=0o700, parents=True)
        command = plan.command(
            mounts.options(), rows=rows, temporary=temporary, memory=memory, name=self._kill[-1], one=one
        )
        self._log = log / "stderr"
        self._talk = Conversation(command, log=self._log)

    @property
    def has_done_all(self) -> bool:
        """Whether the container has run all rows that it gets, and is about to end."""
        return self.is_closed and self.row is None

    def fileno(self) -> int:
        """Return the descriptor that is readable when an answer has come, or the container has ended."""
        return self._talk.fileno()

    def ask(self, row: Any, values: Mapping[str, Any]) -> None:
        """Ask for a row."""
        self.row, self._name = row, secrets.token_hex(8)
        if self.is_ready:
            os.truncate(self._log, 0)  # what a row prints counts for this row alone
        request = {"row": self._name, "inputs": self._mounts.inside(dict(values))}
        self._talk.write(json.dumps(request).encode() + b"\n")

    def answers(self) -> list[dict[str, Any]] | None:
        """Return the answers about the row that was asked for, at most one; None after the container has ended."""
        lines = self._talk.read()
        if lines is None:
            return None
        answers = [answer for answer in map(_parse, lines) if answer]
        self.is_ready = self.is_ready or any("ended" not in answer for answer in answers)
        for answer in answers:
            kills = whole_number(answer.get("oom_kills")) or 0
            self.has_run_out_of_memory = "ended" in answer and kills > self._oom_kills
            self._oom_kills = max(kills, self._oom_kills)
        return [answer for answer in answers if self._name and answer.get("row") == self._name][:1]

    def end_beyond_limits(self) -> None:
        """Kill the container if its row writes more than it may."""
        if self.row is not None and not self.excess:
            self.excess = self._limits.problem(self._written)
            if self.excess:
                self.close()  # a row that it ended meanwhile is answered, and no other one begins in it
                run(self._kill, timeout=60)

    def take(self) -> Path:
        """Move what the row left out of the container's sight, and return its folder, which may be missing."""
        left, taken = self._folder / "rows" / self._name, self._folder / self._name
        with suppress(OSError):
            left.rename(taken)
        self.row, self._name = None, ""
        return taken

    def close(self) -> None:
        """Ask for no more: the container ends after what it was asked."""
        self.is_closed = True
        self._talk.close()

    def end(self) -> int:
        """Wait for the container's end; return the exit code of ``docker run``."""
        return self._talk.end()

    def last_words(self) -> str:
        """Return the last line that the container printed, for a message."""
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _LAST_BYTES))
            text = log.read(_LAST_BYTES).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f"its last line: {lines[-1][:500]}" if lines else "it printed nothing"

    def remove(self) -> None:
        """Remove the folder of a container that has ended."""
        remove_folder(self._folder)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
