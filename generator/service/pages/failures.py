"""Why a job failed, in one sentence, for the pages: from the last lines of its log, where secrets are masked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generator.service.pages.badges import is_not_run
from generator.service.pages.log import Line, plain_text

_READ = 1 << 16
_REASON = re.compile(r"^packmill: (?P<reason>.+ \(exit code (?P<code>\d+)(?:: [^()\n]*)?\))$", re.MULTILINE)
"""The last line of a failed stage (`generator.cli`)."""
_ENDED = re.compile(r"^ERROR: Job failed(?: \(system failure\))?: (.+)$", re.MULTILINE)
_OF_THE_SERVICE = frozenset(("get_sources", "download_artifacts"))
"""Sections before the script."""


def failure(job: Mapping[str, Any], trace: Path) -> str:
    """Return why a job failed; empty for a job that did not, and for a check that did not run the process."""
    if job["status"] != "failed" or is_not_run(job):
        return ""
    text = plain_text(_last_bytes(trace))
    reasons = [found["reason"] for found in _REASON.finditer(text) if int(found["code"]) == job["exit_code"]]
    if reasons and job["failure_reason"] == "script_failure":
        return str(reasons[-1])
    ended = _ENDED.findall(text)
    if ended and job["failure_reason"] != "script_failure":
        return str(ended[-1])
    code = job["exit_code"]
    return f"the script ended with exit code {code}" if code else str(job["failure_reason"] or "failed")


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


def _last_bytes(trace: Path) -> bytes:
    try:
        with trace.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _READ))
            return file.read(_READ)
    except OSError:
        return b""
