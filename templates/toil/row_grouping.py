"""How many rows a job runs, and how long it may take, from the times of the first rows."""

from __future__ import annotations

import math
from pathlib import Path

from row_plan import read_answers

_TIMES_START = 10
"""How many times as long as its start a job runs at least, if rows are grouped by their measured time."""
_LONG_JOB = 600.0
"""Seconds beyond which a job gets no more rows than that."""
_SLOW_ROW = 3.0
"""How many times as long as the measured mean rows may take, before the job exceeds its time."""
_START_ALLOWANCE = 300.0
"""Seconds for the start of a job: the image may have to be pulled."""


def measured(group: Path) -> tuple[float, float]:
    """Return the seconds of a container's start, and of a row after the first one, which may load more than others."""
    answers = read_answers(group / "answers.jsonl")
    times = [answer["seconds"] for answer in answers] or [1.0]
    later = times[1:] or times
    return max((answer["started"] for answer in answers), default=0.0), sum(later) / len(later)


def rows_per_job(rows: int, parallel: int, *, start: float, row: float) -> int:
    """Return how many of some rows a job runs, from the seconds of a container's start and of a row.

    A job lasts at least ten times as long as its start takes. Beyond that it gets its share of the rows, but not more
    than ten minutes' worth of them.
    """
    row = max(row, 1e-3)
    least = _TIMES_START * (start + 1.0) / row
    share = min(rows / parallel, _LONG_JOB / row)
    return max(1, min(math.ceil(max(least, share)), rows))


def job_limit(rows: int, row_limit: float | None, row_seconds: float | None) -> int:
    """Return the seconds that a job may take; 0 without a time limit of the package."""
    if not row_limit:
        return 0
    likely = rows * row_seconds * _SLOW_ROW + row_limit if row_seconds else math.inf
    return math.ceil(min(rows * row_limit, likely) + _START_ALLOWANCE)
