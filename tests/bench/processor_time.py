"""The processor time of a command by kind of process, also of those in its containers and of the engine.

On a shared machine, wall times depend on what else runs; processor times much less.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_INTERVAL = 0.1
_ENGINE = ("dockerd", "containerd")


@dataclass
class Usage:
    """What a command used: seconds of wall time, of processor time by kind, peak memory and open files of its own."""

    seconds: float = 0.0
    kinds: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    """MB of the command's own process."""
    files: list[int] = field(default_factory=list)
    """The command's own open files, at each moment."""
    processes: list[int] = field(default_factory=list)
    """How many of the processes that are counted existed, at each moment."""

    def describe(self, rows: int) -> str:
        """Return the processor time per row by kind, in milliseconds."""
        each = {kind: 1000 * seconds / rows for kind, seconds in sorted(self.kinds.items())}
        return f"{sum(each.values()):.1f} ms a row: " + ", ".join(f"{kind} {spent:.1f}" for kind, spent in each.items())


def run_measured(command: Sequence[str], cwd: Path) -> Usage:
    """Run a command to its end; it has to succeed."""
    watch = _Watch()
    watch.look(0)  # what the engine has used before does not count
    before = dict(watch.spent)
    with (cwd / "stderr.txt").open("w") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=errors)
        while process.poll() is None:
            watch.look(process.pid)
            time.sleep(_INTERVAL)
    watch.usage.seconds = time.perf_counter() - started
    assert process.returncode == 0, (cwd / "stderr.txt").read_text()[-2000:]
    kinds: dict[str, float] = defaultdict(float)
    for (kind, pid), seconds in watch.spent.items():
        kinds[kind] += seconds - before.get((kind, pid), 0)
    watch.usage.kinds = dict(kinds)
    return watch.usage


class _Watch:
    def __init__(self) -> None:
        self.usage = Usage()
        self.spent: dict[tuple[str, str], float] = {}
        self._kinds: dict[str, str] = {}

    def look(self, own: int) -> None:
        """Note what all processes have used until now."""
        count = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if pid not in self._kinds:
                    self._kinds[pid] = _kind(pid, own)
                if kind := self._kinds[pid]:
                    self._add(pid, kind)
                    count += kind not in ("engine", "shim")
            except (OSError, ValueError):  # it has ended
                continue
        if own:
            self.usage.processes.append(count)
            self._look_at_own(own)

    def _add(self, pid: str, kind: str) -> None:
        words = _stat(pid)
        self.spent[kind, pid] = sum(map(int, words[11:13])) / _TICK
        if kind == "prepared process":
            self.spent["child", pid] = sum(map(int, words[13:15])) / _TICK

    def _look_at_own(self, own: int) -> None:
        try:
            self.usage.files.append(len(os.listdir(f"/proc/{own}/fd")))
            status = Path(f"/proc/{own}/status").read_text()
        except OSError:
            return
        peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0")
        self.usage.peak_memory = max(self.usage.peak_memory, int(peak.split()[1]) // 1024)


def _stat(pid: str) -> list[str]:
    """Return the fields of a process after its name (proc(5), stat)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _words(pid: str) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _kind(pid: str, own: int) -> str:
    """Return the kind of a process; empty for one that does not belong to a map."""
    if int(pid) == own:
        return "coordinator"
    words = _words(pid)
    name = words[0].rpartition("/")[2]
    if name in _ENGINE:
        return "engine"
    if name.startswith("containerd-shim"):
        return "shim"
    if name == "docker" and "run" in words[:2]:
        return "docker run"
    if "packmill_prepared.py" in " ".join(words[:2]):
        is_child = "packmill_prepared.py" in " ".join(_words(_stat(pid)[1])[:2])
        return "" if is_child else "prepared process"  # children count with the process that they were forked from
    program = words[words.index("-m") + 1 :][:2] if "-m" in words else []
    return "runner" if program == ["generator.runner", "rows"] else ""
