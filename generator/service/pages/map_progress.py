"""How a map goes, from the log of its job: the counts, and the rows that failed.

The stage ``map`` writes both (`generator.ci.mapping.JobCounter`), so that clients of GitLab see them, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.service.jobs.trace_text import plain_text

JOB = "map"
"""The name of the job in the pipeline file."""
_COUNTS = re.compile(
    r"^ {4}(?P<done>\d{1,9}) of (?P<total>\d{1,9}) rows done(?:, (?P<failed>\d{1,9}) failed)?"
    r"(?:, (?P<running>\d{1,9}) running)?(?:, (?P<rate>[\d.]{1,20} rows/(?:s|min)))?(?:, (?P<left>[\w ]{1,40}) left)?$",
    re.MULTILINE,
)
_FAILED = re.compile(r"^ {4}row (?P<row>\d{1,9}) failed: (?P<reason>[\w-]{1,60}): (?P<message>.*)$", re.MULTILINE)
_NOTEBOOK = re.compile(r"results/rows/(?P<row>\d{1,9})/[^/]+\.ipynb")
_READ = 4 << 20
"""Bytes at the end of a log that are read; the stage writes fewer."""
_MOST_SHOWN = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedRow:
    """A row that failed; ``notebook`` is the path of its executed notebook among the artifacts, or empty."""

    number: int
    reason: str
    message: str
    notebook: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MapProgress:
    """The rows of a map. ``rate`` and ``left`` are texts, empty if unknown; ``more`` failed rows are not listed."""

    total: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0
    rate: str = ""
    left: str = ""
    rows: tuple[FailedRow, ...] = ()
    more: int = 0

    @property
    def succeeded(self) -> int:
        """How many rows have their results."""
        return self.done - self.failed


def read_progress(trace: Path, sizes: Mapping[str, Any]) -> MapProgress:
    """Read the progress of a map; ``sizes`` are the files of its artifacts."""
    text = plain_text(_end(trace))
    counts = next(iter([*_COUNTS.finditer(text)][-1:]), None)
    if counts is None:
        return MapProgress()
    total, failed = int(counts["total"]), int(counts["failed"] or 0)
    rows = tuple(_failed_rows(text, sizes))
    return MapProgress(
        total=total,
        done=int(counts["done"]),
        failed=failed,
        running=int(counts["running"] or 0),
        rate=counts["rate"] or "",
        left=counts["left"] or "",
        rows=rows,
        more=max(0, failed - len(rows)),
    )


def _failed_rows(text: str, sizes: Mapping[str, Any]) -> list[FailedRow]:
    """Return the first failed rows by number."""
    listed = {int(found["row"]): found for found in _FAILED.finditer(text)}
    notebooks = _notebooks(sizes) if listed else {}
    return [
        FailedRow(
            number=number,
            reason=found["reason"],
            message=found["message"],
            notebook=notebooks.get(number, ""),
        )
        for number, found in sorted(listed.items())[:_MOST_SHOWN]
    ]


def _notebooks(sizes: Mapping[str, Any]) -> dict[int, str]:
    """Return the executed notebooks by the numbers of their rows, which name the folders."""
    found = ((name, _NOTEBOOK.fullmatch(name)) for name in sizes)
    return {int(match["row"]): name for name, match in found if match}


def _end(trace: Path) -> bytes:
    try:
        with trace.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _READ))
            return file.read(_READ)
    except OSError:
        return b""
