"""A container of a map, which runs rows of the process one after another, see `generator.runner.server.rows`.

It is measured here, on the host: a notebook can stop its runner, and with it the limits inside of the container.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from generator.package.engine_presence import not_installed
from generator.package.map.containers import ContainerPlan
from generator.package.map.files import Mounts, mount_options
from generator.package.map.folders import remove_folder
from generator.package.map.records import whole_number
from generator.shared.errors import RunError
from generator.shared.failures import RunTimeLimitError
from generator.subprocesses.commands import run
from generator.subprocesses.conversation import Conversation

GRACE = 120.0
"""Seconds that a row may take beyond its time limit, and a container for its end after the last row."""
START = 3600.0
"""Seconds that a container may take for its start: the image may have to be pulled."""
_HINT = re.compile(r"(Run|See) 'docker [a-z ]*--help'.*")
"""What Docker prints after its error."""
_LAST_BYTES = 4096
"""How much of a container's log is read for a message."""


class Container:
    """One container: runs a row at a time.

    The rows of a container run as the same user. A row is therefore asked for after the results of the one before have
    been taken out of the container, and nothing in the container knows the name of its folder earlier.

    Its times are limited if the package has a time limit.
    """

    def __init__(
        self, plan: ContainerPlan, mounts: Mounts, files: Mapping[str, Path], *, memory: float = 1, one: bool = False
    ) -> None:
        """Start a container that can read some of the files that ``mounts`` has.

        Raises:
            EngineMissingError: the engine's command is not installed.
            RunError: the command cannot be started, such as with very many files for one row.
        """
        self.row: Any = None
        """What was asked for and has not been answered."""
        self.is_ready = False
        """Whether the runner has started."""
        self.is_closed = False
        """Whether it gets no further rows."""
        self.has_run_out_of_memory = False
        """Whether a process was killed because memory ran out, after the last answer about a row."""
        self.excess = ""
        """The limit that the container exceeds with what it writes; then it is killed."""
        self.is_overdue = False
        """Whether its time is over; then it is killed."""
        self._mounts, self._files = mounts, files
        self._oom_kills, self._name = 0, ""
        self._limits, self._time_limit, self._deadline = plan.writing, plan.tool.time, math.inf
        self._folder = plan.work / secrets.token_hex(4)
        self._kill = (plan.program, "kill", f"packmill-rows-{secrets.token_hex(8)}")
        rows, temporary, log = self._written = tuple(self._folder / name for name in ("rows", "tmp", "log"))
        self._taken = self._folder / "taken"
        for folder in self._written:
            folder.mkdir(mode=0o700, parents=True)
        command = plan.command(
            mount_options(files), rows=rows, temporary=temporary, memory=memory, name=self._kill[-1], one=one
        )
        self._log = log / "stderr"
        self._talk = _start(command, self._log)

    @property
    def has_done_all(self) -> bool:
        """Whether the container has run all rows that it gets, and is about to end."""
        return self.is_closed and self.row is None

    def fileno(self) -> int:
        """Return the descriptor that is readable when an answer has come, or the container has ended."""
        return self._talk.fileno()

    def can_read_files_of(self, values: Mapping[str, Any]) -> bool:
        """Whether the container has all files of a row."""
        return self._mounts.of_row(values).keys() <= self._files.keys()

    def ask(self, row: Any, values: Mapping[str, Any]) -> None:
        """Ask for a row."""
        self.row, self._name = row, secrets.token_hex(8)
        if self.is_ready:
            os.truncate(self._log, 0)  # what a row prints counts for this row alone
        self._allow_row()
        request = {"row": self._name, "inputs": self._mounts.inside(dict(values))}
        self._talk.write(json.dumps(request).encode() + b"\n")

    def answers(self) -> list[dict[str, Any]] | None:
        """Return the answers about the row that was asked for, at most one; None after the container has ended."""
        lines = self._talk.read()
        if lines is None:
            return None
        answers = [answer for answer in map(_parse, lines) if answer]
        if not self.is_ready and any("ended" not in answer for answer in answers):
            self.is_ready = True
            self._allow_row()
        for answer in answers:
            kills = whole_number(answer.get("oom_kills")) or 0
            self.has_run_out_of_memory = "ended" in answer and kills > self._oom_kills
            self._oom_kills = max(kills, self._oom_kills)
        return [answer for answer in answers if self._name and answer.get("row") == self._name][:1]

    def _allow_row(self) -> None:
        self._allow((self._time_limit or 0) + GRACE if self.is_ready else START)

    def _allow(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds if self._time_limit else math.inf

    def measure(self) -> bool:
        """Return whether the container has to be killed: it writes more than it may, or takes longer."""
        # The results of its last row may be moved once it has ended, and it still has their folder open.
        folders = (*self._written, self._taken) if self.is_closed else self._written
        self.excess = self.excess or self._limits.problem(folders)
        self.is_overdue = self.is_overdue or time.monotonic() > self._deadline
        if self.excess or self.is_overdue:
            self.close()  # a row that it ended meanwhile is answered, and no other one begins in it
        return bool(self.excess) or self.is_overdue

    def kill(self) -> None:
        """Kill the container. The engine may fail to do so, such as while it is busy."""
        run(self._kill, timeout=60)

    def take(self) -> Path:
        """Move what the row left out of the container's sight, and return its folder, which may be missing."""
        left, taken = self._folder / "rows" / self._name, self._folder / self._name
        with suppress(OSError):
            left.rename(taken)
        self.row, self._name, self._taken = None, "", taken
        self._allow(GRACE)
        return taken

    def close(self) -> None:
        """Ask for no more: the container ends after what it was asked."""
        self.is_closed = True
        self._talk.close()

    def end(self) -> int:
        """Wait for the container's end, then kill it; return the exit code of ``docker run``."""
        return self._talk.end(self.kill)

    def failure(self, code: int) -> dict[str, Any]:
        """Return the answer for the row that was running when the container ended, with the code of ``docker run``."""
        reason, how = "container-died", ""
        if self.is_overdue:
            message = f"the run exceeded its time limit of {self._time_limit:g} s, and its container had to be killed"
            return {"state": "failed", "reason": RunTimeLimitError.reason, "message": message}
        if self.has_run_out_of_memory:
            reason, how = "out-of-memory", "because memory ran out "
        message = f"the container of the row ended {how}(exit code {code}); {self.last_words()}"
        return {"state": "failed", "reason": reason, "message": message}

    def last_words(self) -> str:
        """Return the last line that the container printed, for a message."""
        lines = [line.strip() for line in self._last_text().splitlines()]
        printed = [line for line in lines if line and not _HINT.fullmatch(line)]
        return f"its last line: {printed[-1][:500]}" if printed else "it printed nothing"

    @property
    def lacks_image(self) -> bool:
        """Whether Docker reported that the image is not on this machine, and nothing after it has started."""
        return "Unable to find image" in self._last_text()

    def _last_text(self) -> str:
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _LAST_BYTES))
            return log.read(_LAST_BYTES).decode(errors="replace")

    def remove(self) -> None:
        """Remove the folder of a container that has ended."""
        remove_folder(self._folder)


def _start(command: tuple[str, ...], log: Path) -> Conversation:
    try:
        return Conversation(command, log=log)
    except FileNotFoundError:
        raise not_installed(command[0]) from None
    except OSError as error:
        raise RunError(f"{command[0]}: cannot be started: {error.strerror or error}") from None


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
