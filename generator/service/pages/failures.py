"""Why a job failed, for the pages: in one sentence, and the section of its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generator.service.jobs.failure_reasons import describe_failure
from generator.service.pages.badges import is_not_run
from generator.service.pages.log import Line

_OF_THE_SERVICE = frozenset(("get_sources", "download_artifacts"))
"""Sections before the script."""


def failure(job: Mapping[str, Any], trace: Path) -> str:
    """Return why a job failed; empty for a job that did not, and for a check that did not run the process."""
    if job["status"] != "failed" or is_not_run(job):
        return ""
    return str(job.get("reason") or describe_failure(job["failure_reason"], job["exit_code"], trace))


def failed_sections(job: Mapping[str, Any], lines: Sequence[Line]) -> frozenset[int]:
    """Return the indexes of the lines that start the section in which a job failed, and the sections around it."""
    if job["status"] != "failed":
        return frozenset()
    is_script = job["failure_reason"] == "script_failure"
    opened: list[int] = []
    last: list[int] = []
    for index, line in enumerate(lines):
        if "start" in line:
            opened.append(index)
            last = list(last if is_script and line["start"] in _OF_THE_SERVICE else opened)
        elif "end" in line:
            opened = opened[:-1]
        elif last and str(line["html"]).startswith("packmill: "):
            break
    return frozenset(last)
