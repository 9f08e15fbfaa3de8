"""A container of a job, which runs rows one after another, see ``packmill-runner rows``.

It is measured here, outside of it: a notebook can stop its runner, and with it the limits inside of the container.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import subprocess
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import row_gpus
from removal import remove_tree
from row_plan import Plan, parse_answer
from write_limits import WriteLimits, watched

_LONGEST_ANSWER = 1 << 20
_CANCELED = 10.0
"""Seconds for the end of the container of a canceled job: Slurm kills the job after 30."""
_KILLS = 3
"""How often a container is killed that does not end."""
_ENGINE_FAILED = 125
"""Exit code of ``docker run`` if the engine failed, and not the container."""


class NotStartedError(Exception):
    """No container starts on this node; Toil repeats the job, maybe on another one."""


class Container:
    """One container: runs a row at a time. It ends when its stdin does, thus soon after this process."""

    def __init__(self, plan: Plan, group: Path, temporary: str, mounts: list[str]) -> None:
        self.started = 0.0
        """Seconds until the runner was ready."""
        self.excess = ""
        """The limit that the container exceeds with what it writes; then it is killed."""
        self.is_overdue = False
        """Whether its time is over; then it is killed."""
        self.limits = WriteLimits(size=plan.writing["size"], files=plan.writing["files"])
        self._plan, self._deadline = plan, math.inf
        self._folder = group / f"container-{secrets.token_hex(4)}"
        self.rows, self._log = self._folder / "rows", self._folder / "log" / "stderr"
        self._written = (self.rows, self._log.parent, Path(temporary))
        for folder in (self.rows, self._log.parent):
            folder.mkdir(mode=0o700, parents=True)
        self._began, self._is_ready, self._untold_start = time.monotonic(), False, 0.0
        self._oom_kills, self._has_run_out_of_memory = 0, False
        gpus = row_gpus.options(plan.gpu_options, plan.gpus, os.environ)
        replaced = {"\0inputs\0": mounts, "\0gpus\0": gpus}
        words = [word for given in plan.command for word in replaced.get(given, [given])]
        variables = {**row_gpus.for_singularity(os.environ), **os.environ}
        name = f"packmill-rows-{secrets.token_hex(8)}"
        marks = {"\0group\0": f"{group.name}/{self._folder.name}", "\0tmp\0": temporary, "\0name\0": name}
        self._kill = [_marked(word, marks) for word in plan.kill]
        with self._log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    [_marked(word, marks) for word in words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=variables,
                )
            except OSError as error:
                raise NotStartedError(
                    f"{words[0]}: cannot be started on {os.uname().nodename}: {error.strerror}"
                ) from None

    def __enter__(self) -> Container:  # noqa: PYI034 - Self is in typing from Python 3.11 on
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind:
            self._process.terminate()
        self.end(_CANCELED if kind else self._plan.grace)
        self._process.stdout.close()
        remove_tree(self._folder)

    def end(self, seconds: float) -> None:
        """Wait so many seconds for its end, and kill it after that."""
        with suppress(OSError):
            self._process.stdin.close()
        self._deadline = math.inf
        with self._watched():
            self._end(seconds)

    def ask(self, inputs: dict) -> tuple[str, dict | None]:
        """Run a row in a folder of a name that is unknown before; return the name, and None if the container ended."""
        name = secrets.token_hex(8)
        if self._is_ready:
            os.truncate(self._log, 0)  # what a row prints counts for this row alone
        self._allow_row()
        with self._watched():  # the container may read nothing
            with suppress(OSError):
                self._process.stdin.write(json.dumps({"row": name, "inputs": inputs}).encode() + b"\n")
                self._process.stdin.flush()
            return name, self._answer(name)

    @property
    def exceeds_limits(self) -> bool:
        """Whether the container writes more than it may, or takes longer."""
        return bool(self.excess) or self.is_overdue

    def _allow_row(self) -> None:
        limit, plan = self._plan.row_limit, self._plan
        seconds = limit + plan.grace if limit and self._is_ready else plan.start_limit
        self._deadline = time.monotonic() + seconds if limit else math.inf

    def _watched(self) -> AbstractContextManager[None]:
        """Kill the container if it exceeds its limits while the block runs: its own runner may be stopped."""
        return watched(self._problem, lambda _: self._kill_once())

    def _problem(self) -> str:
        """Measure the container; return what it exceeds, empty if nothing."""
        self.excess = self.excess or self.limits.problem(self._written)
        self.is_overdue = self.is_overdue or time.monotonic() > self._deadline
        return self.excess or ("its time is over" if self.is_overdue else "")

    def _kill_once(self) -> None:
        """Kill the container. The engine may fail to do so, such as while it is busy."""
        if not self._kill:
            self._process.kill()
            return
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(self._kill, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)

    @property
    def has_ended(self) -> bool:
        """Whether the container has ended: the command that started it may have been killed or have failed alone."""
        code = self._process.poll()
        return code is not None and (not self._kill or (code >= 0 and code != _ENGINE_FAILED))

    def _end(self, seconds: float) -> int:
        """Wait for the container's end, then kill it, so that it does not outlive its job; return its exit code."""
        for _ in range(_KILLS):
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(timeout=seconds)
            self._kill_once()
            seconds = _CANCELED
        self._process.kill()
        return self._process.wait()

    def _answer(self, name: str) -> dict | None:
        while line := self._process.stdout.readline(_LONGEST_ANSWER):
            if not (answer := parse_answer(line)):
                continue
            if not self._is_ready and "ended" not in answer:
                self._is_ready = True
                self._allow_row()
                self.started = self._untold_start = time.monotonic() - self._began
            self._count_kills(answer)
            if answer.get("row") == name:
                return answer
        return None

    def _count_kills(self, answer: dict) -> None:
        """Note whether the container ends because memory ran out; its last answer has the number of kills."""
        kills = answer.get("oom_kills")
        kills = kills if type(kills) is int else 0
        self._has_run_out_of_memory = "ended" in answer and kills > self._oom_kills
        self._oom_kills = max(kills, self._oom_kills)

    def take_start(self) -> float:
        """Return the seconds of the start, to the first caller alone: they are not the row's."""
        spent, self._untold_start = self._untold_start, 0.0
        return spent

    def last_answer(self) -> dict:
        """Return the answer for the row that was running when the container ended.

        Raises:
            NotStartedError: the runner was never ready, and not killed for what it wrote.
        """
        code = self._end(self._plan.grace)
        if not self._is_ready and not self.excess:
            raise NotStartedError(
                f"no container starts on {os.uname().nodename} (exit code {code}); {self._last_words()}"
            )
        if self.is_overdue:
            limit = f"{self._plan.row_limit:g} s"
            message = f"the run exceeded its time limit of {limit}, and its container had to be killed"
            return {"state": "failed", "reason": "run-time-limit", "message": message}
        reason = "out-of-memory" if self._has_run_out_of_memory else "container-died"
        how = "because memory ran out " if self._has_run_out_of_memory else ""
        message = f"the container of the row ended {how}(exit code {code}); {self._last_words()}"
        return {"state": "failed", "reason": reason, "message": message}

    def _last_words(self) -> str:
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - 4096))
            lines = [line.strip() for line in log.read(4096).decode(errors="replace").splitlines() if line.strip()]
        return f"its last line: {lines[-1][:500]}" if lines else "it printed nothing"


def _marked(word: str, marks: dict[str, str]) -> str:
    for mark, text in marks.items():
        word = word.replace(mark, text)
    return word
