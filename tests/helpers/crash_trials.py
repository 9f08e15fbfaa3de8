"""Trials of ``kill -9``: work is killed with all of its processes at random moments, repeated, and looked at."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from support import here


@dataclass(slots=True)
class Trials:
    """Trials of one kind of work; the seed repeats their moments, as far as a machine repeats anything."""

    kind: str
    number: int
    seed: int
    random: random.Random = field(init=False)
    problems: list[str] = field(default_factory=list)
    killed: int = 0
    """Trials in which the work had not ended when it was killed."""
    _tried: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.kind} {self.seed}")

    def moments(self, duration: float) -> list[float]:
        """Return a random moment in each of as many equal parts of a duration, in seconds."""
        part = duration / self.number
        return [part * (n + self.random.random()) for n in range(self.number)]

    def kill(self, process: subprocess.Popen[str], moment: float) -> None:
        """Wait for a moment since now, then kill a process and all that it started."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        self.killed += process.poll() is None
        kill_tree(process.pid)
        process.wait(60)

    def note(self, moment: float, **counts: int) -> None:
        """Store what a trial lost or doubled, or what else was wrong, by its name."""
        self._tried += 1
        self.problems += [f"{name} {count} at {moment:.3f} s" for name, count in counts.items() if count]

    def report(self) -> None:
        """Print one line, and fail if there is a problem."""
        bad = {name: sum(one.startswith(name) for one in self.problems) for name in ("lost", "doubled")}
        kept = self._tried - len({one.rpartition(" at ")[2] for one in self.problems})
        print(
            f"{self.kind}: {self._tried} trials ({self.killed} killed before their end), {kept} kept, "
            f"{bad['lost']} lost, {bad['doubled']} doubled (--seed {self.seed})"
        )
        assert not self.problems, f"--seed {self.seed}: {self.problems}"


def descendants(process: int) -> list[int]:
    """Return a process and all that it started, which may have sessions of their own."""
    found = [process]
    for one in found:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def kill_tree(process: int) -> None:
    """Kill a process and all that it started, as at once as possible: stopped first, so that nothing is restarted."""
    found: list[int] = []
    while (now := descendants(process)) != found:
        found = now
        for one in found:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)
    for one in found:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def begin(
    words: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start Python with some words in a session of its own; its output goes to ``cwd``."""
    with (cwd / "log.txt").open("a") as log:
        return subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(here.parent), "TMPDIR": str(cwd), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def timed(work: Callable[[], subprocess.Popen[str]]) -> float:
    """Return how long work takes that nobody kills, in seconds."""
    began, process = time.monotonic(), work()
    assert process.wait(300) == 0, (process.args, Path.cwd())
    return time.monotonic() - began
