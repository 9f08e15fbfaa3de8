"""``packmill map --tune``: from what the first rows used to the resources that a package should ask for.

Cores are rounded up from the row that used most of them, memory gets a quarter more than the row that used most, and
time is three times that of the slowest row and a minute, because a run that exceeds it is ended.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from generator.containers.limits import ContainerLimits
from generator.package.map.journal import Ended
from generator.package.map.planning import LEAST_MEMORY
from generator.package.map.tool import Tool

retries = 2
"""Further attempts of a row that runs out of memory while it is measured, each with twice the memory."""
_SHORT_OF_MEMORY = "out-of-memory"
_MEBIBYTE = 1 << 20
_MORE_MEMORY, _MEMORY_STEP = 1.25, 64
_MORE_TIME, _START, _MINUTE = 3, 60, 60
_SMALL_PART = 0.3
"""Part of a core that is not rounded up: the runner and Python's own threads use some of it."""
_LEAST_CORES = 0.125
"""Of a core, what a row that waits most of its time is counted as: eight of them at a time for each core."""
_FULL = 0.9
_QUIET = 0.5
"""Load of a machine that does nothing else."""
_SHORTEST = 0.001
"""Seconds of a row: less would make any number of cores of a little time of processors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Cores, memory in MiB, and time in seconds; None for what was not measured or not stated."""

    cores: float | None = None
    ram: int | None = None
    time: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What rows used, what the package asks for, and what it should; ``parallel`` is the number of rows at a time."""

    rows: int
    measured: Need
    stated: Need
    proposed: Need
    parallel: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the proposal as JSON has it."""
        proposal = asdict(self)
        proposal["proposed"]["parallel"] = proposal.pop("parallel")
        return proposal


def propose(rows: Sequence[Ended], *, tool: Tool, limits: ContainerLimits, load: float = 0) -> Proposal | None:
    """Propose resources from rows that ended, each of which ran alone.

    ``load`` is how many cores other programs kept busy: rows that waited for a core seem to need less than one. Rows
    that failed tell nothing, unless they need more memory than they had; None if no row tells anything.
    """
    measured = [one for one in rows if one.has_succeeded or one.reason == _SHORT_OF_MEMORY]
    if not measured:
        return None
    used = [one.cpu_seconds / max(one.seconds, _SHORTEST) for one in measured if one.cpu_seconds and one.seconds]
    cores, ram, time = max(used, default=None), _most_memory(measured), max((one.seconds or 0) for one in measured)
    is_busy = load > _QUIET and load + max(cores or 1, 1) > limits.most_cpus
    stated = Need(cores=tool.cores, ram=int(tool.ram) or None, time=tool.time)
    proposed = Need(cores=_cores(cores, stated), ram=_memory(measured, ram, tool, limits), time=_time(time))
    return Proposal(
        rows=len(measured),
        measured=Need(cores=cores and round(cores, 2), ram=ram, time=round(time, 3)),
        stated=stated,
        proposed=proposed,
        parallel=_parallel(_usual_cores(used, tool, is_busy=is_busy), proposed.ram or LEAST_MEMORY, limits),
        notes=(*_notes(measured, cores, tool, limits), *_busy_notes(load, limits, is_busy=is_busy)),
    )


def _usual_cores(used: Sequence[float], tool: Tool, *, is_busy: bool) -> float:
    usual = sum(used) / len(used) if used else tool.cores
    return max(1.0, usual) if is_busy else usual


def _busy_notes(load: float, limits: ContainerLimits, *, is_busy: bool) -> Iterator[str]:
    if is_busy:
        yield (
            f"other programs kept {load:.1f} of {limits.most_cpus:g} cores busy: rows may use more cores and less time "
            "than measured"
        )


def _most_memory(rows: Sequence[Ended]) -> int | None:
    """Return the most MiB that a row used; samples miss short peaks of one process, which Linux itself notes."""
    most = max(max(one.container_memory or 0, one.peak_memory or 0) for one in rows)
    return math.ceil(most / _MEBIBYTE) or None


def _cores(used: float | None, stated: Need) -> float | None:
    return stated.cores if used is None else max(1, math.ceil(used - _SMALL_PART))


def _memory(rows: Sequence[Ended], most: int | None, tool: Tool, limits: ContainerLimits) -> int | None:
    needed = [_MORE_MEMORY * most] if most else []
    needed += [2 * _memory_of(one, tool, limits) for one in rows if not one.has_succeeded]
    if not needed:
        return int(tool.ram) or None
    return max(LEAST_MEMORY, _MEMORY_STEP * math.ceil(max(needed) / _MEMORY_STEP))


def _memory_of(row: Ended, tool: Tool, limits: ContainerLimits) -> float:
    """Return the MiB that the last attempt of a row had."""
    factor = 2.0 ** (row.attempts - 1)
    return min(max(tool.ram * factor, limits.memory * factor), limits.most_memory)


def _time(slowest: float) -> float:
    return _MINUTE * math.ceil((_MORE_TIME * slowest + _START) / _MINUTE)


def _parallel(cores: float, ram: float, limits: ContainerLimits) -> int:
    by_cores = limits.most_cpus / max(cores, _LEAST_CORES)
    return max(1, int(min(by_cores, limits.most_memory / ram)))


def _notes(rows: Sequence[Ended], cores: float | None, tool: Tool, limits: ContainerLimits) -> Iterator[str]:
    given = min(max(tool.cores, limits.cpus), limits.most_cpus)
    if cores is None:
        yield "cores were not measured: the rows ran with a CWL engine, or the container does not show what it uses"
    elif given > 1 and cores > _FULL * given:
        yield f"a row used all of the {given:g} cores that it had: with more it may be quicker"
    if short := [one for one in rows if not one.has_succeeded]:
        most = max(_memory_of(one, tool, limits) for one in short)
        yield f"{_rows(len(short))} ran out of memory with {most:g} MiB; twice that is a guess: measure again with it"


def _rows(count: int) -> str:
    return f"{count} row{'s' * (count > 1)}"
