"""Why a job failed, in one sentence, from the last lines of its log, where secrets are masked."""

from __future__ import annotations

import re
from pathlib import Path

from generator.service.jobs.trace_text import last_bytes, plain_text

LONGEST = 1000
"""Characters of a sentence that the database stores."""
_READ = 1 << 16
_REASON = re.compile(r"^packmill: (?P<reason>.+ \(exit code (?P<code>\d{1,3})(?:: [^()\n]*)?\))$", re.MULTILINE)
"""The last line of a failed stage (`generator.cli`). A job can print longer numbers, which Python does not read."""
_ENDED = re.compile(r"^ERROR: Job failed(?: \(system failure\))?: (.+)$", re.MULTILINE)


def describe_failure(failure_reason: str | None, exit_code: int | None, trace: Path) -> str:
    """Return why a job with this reason of GitLab's, this exit code and this log failed."""
    text = plain_text(last_bytes(trace, _READ))
    reasons = [found["reason"] for found in _REASON.finditer(text) if int(found["code"]) == exit_code]
    if reasons and failure_reason == "script_failure":
        return str(reasons[-1])
    ended = _ENDED.findall(text)
    if ended and failure_reason != "script_failure":
        return str(ended[-1])
    return f"the script ended with exit code {exit_code}" if exit_code else str(failure_reason or "failed")
