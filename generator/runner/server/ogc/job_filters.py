"""Which jobs to list (18-062r2, requirements class "Job list"): by process, status, time of creation and duration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from generator.runner.server.ogc.errors import invalid_value
from generator.runner.server.ogc.status import status_codes
from generator.runner.server.runs.model import Run, RunState
from generator.runner.server.runs.store import RunFilter, RunStore

_states = {word: state for state, word in status_codes.items()}
_PAGE = 1000
"""Entries of a page; a larger ``limit`` gets as many (18-062r2, "limit")."""
_END = datetime.max.replace(tzinfo=timezone.utc)
_OPEN = ("", "..")
"""An open end of an interval (RFC 3339 times, ISO 8601 intervals as in OGC API - Features)."""


class JobQuery(BaseModel):
    """The query of the list of jobs, with the standard's names."""

    kinds: list[str] = Field(default_factory=list, alias="type")
    process_ids: list[str] = Field(default_factory=list, alias="processID")
    states: list[str] = Field(default_factory=list, alias="status")
    datetime: str | None = None
    shortest: float | None = Field(None, alias="minDuration", ge=0)
    longest: float | None = Field(None, alias="maxDuration", ge=0)
    limit: Annotated[int, Field(ge=1), AfterValidator(lambda given: min(given, _PAGE))] = 10
    before: str | None = None
    """The last job of the page before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobFilter:
    """The jobs that a client asks for; durations in seconds."""

    owner: str | None = None
    """The owner whose jobs alone are listed."""
    processes: frozenset[str] = frozenset()
    """Paths of notebooks; all if empty."""
    states: frozenset[RunState] = frozenset()
    """All if empty."""
    created: tuple[datetime | None, datetime | None] = (None, None)
    """The first and the last moment; None is an open end."""
    shortest: float | None = None
    longest: float | None = None

    def matches(self, run: Run, now: datetime) -> bool:
        """Check whether a run is among the jobs."""
        first, last = self.created
        return (
            (not self.processes or run.process in self.processes)
            and (not self.states or run.state in self.states)
            and (first is None or run.created >= first)
            and (last is None or run.created <= last)
            and self._has_duration(run, now)
        )

    def _has_duration(self, run: Run, now: datetime) -> bool:
        if self.shortest is None and self.longest is None:
            return True
        if run.started is None:
            return False
        duration = max(0.0, ((run.ended or now) - run.started).total_seconds())
        return (self.shortest is None or duration >= self.shortest) and (
            self.longest is None or duration <= self.longest
        )


def parse_states(words: list[str]) -> frozenset[RunState]:
    """Parse the parameter ``status``; several values may be in one parameter, with commas.

    Raises:
        ProblemError: 400, a value is not a status.
    """
    given = split(words)
    if unknown := [word for word in given if word not in _states]:
        raise invalid_value(f"status: {unknown[0]!r} is not one of {', '.join(_states)}")
    return frozenset(_states[word] for word in given)


def parse_interval(text: str | None) -> tuple[datetime | None, datetime | None]:
    """Parse the parameter ``datetime``: a time, or an interval such as ``2026-01-01T00:00:00Z/..``.

    Raises:
        ProblemError: 400, it is neither.
    """
    if text is None:
        return None, None
    ends = text.split("/")
    if len(ends) == 1 and text not in _OPEN:
        moment, length = _time(text), timedelta(days=1) if len(text) == len("2026-01-31") else timedelta(seconds=1)
        return moment, moment + min(length - timedelta.resolution, _END - moment)
    if len(ends) != 2 or (ends[0] in _OPEN and ends[1] in _OPEN):
        raise invalid_value(f"datetime: {text!r} is neither a time nor an interval START/END")
    first, last = (None if end in _OPEN else _time(end) for end in ends)
    if first and last and first > last:
        raise invalid_value(f"datetime: {text!r} ends before it starts")
    return first, last


def split(words: list[str]) -> list[str]:
    """Return the values of a repeated parameter, each of which may have several with commas."""
    return [part for word in words for part in word.split(",") if part]


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise invalid_value(f"datetime: {text!r} is not a time such as 2026-01-31T12:00:00Z") from None


def find_jobs(store: RunStore, wanted: JobFilter, *, before: str | None, limit: int) -> list[Run]:
    """Return at most ``limit`` jobs, newest first, that are older than the job ``before``."""
    now = datetime.now(timezone.utc)
    found: list[Run] = []
    for run in _newest(store.list, wanted, before):
        if wanted.created[0] is not None and run.created < wanted.created[0]:
            break  # all others are older
        if wanted.matches(run, now):
            found.append(run)
            if len(found) == limit:
                break
    return found


def _newest(list_runs: Callable[[RunFilter], tuple[Run, ...]], wanted: JobFilter, before: str | None) -> Iterator[Run]:
    process = next(iter(wanted.processes)) if len(wanted.processes) == 1 else None
    chosen = RunFilter(owner=wanted.owner, states=tuple(wanted.states), process=process, before=before, limit=_PAGE)
    while page := list_runs(chosen):
        yield from page
        if len(page) < _PAGE:
            return
        chosen = replace(chosen, before=page[-1].id)
