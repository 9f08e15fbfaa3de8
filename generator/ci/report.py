"""The JUnit report of a stage that has no report of its own checks: one case, with the reason if the stage failed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from generator.ci.checks import CheckResult, junit
from generator.shared.errors import DiskFullError, PackmillError
from generator.shared.passing_errors import is_full_disk
from generator.shared.safe_text import redacted

report_file = Path("report.xml")
"""Artifact of the jobs of ``.gitlab-ci.yml``."""
_INTERRUPTED = "interrupted: the job was canceled, or took longer than its time limit"


@contextmanager
def reported(stage: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Write the report of a stage when the block ends, unless the block wrote one.

    A stage that succeeds keeps the report of an earlier one, since a pipeline may run all stages in one job.
    """
    before = _version()
    began, problem, reason, code = time.monotonic(), "", "", 0
    try:
        yield
    except PackmillError as error:
        problem, reason, code = str(error), error.reason, error.exit_code
        raise
    except KeyboardInterrupt:
        problem, code = _INTERRUPTED, 130
        raise
    except Exception as error:  # a bug: its traceback is in the log, and the report must not count as a success
        known = DiskFullError(error) if isinstance(error, OSError) and is_full_disk(error) else None
        problem = str(known) if known else redacted(f"unexpected error, see the log: {type(error).__name__}: {error}")
        code = known.exit_code if known else 1
        raise
    finally:
        if _version() is None or (problem and _version() == before):
            result = CheckResult(
                package=_subject(environment),
                name=stage,
                seconds=time.monotonic() - began,
                problem=problem,
                reason=reason,
                exit_code=code,
            )
            report_file.write_text(junit([result]), encoding="utf-8")


def _version() -> int | None:
    """Return a number that changes with the report; None without a report."""
    return report_file.stat().st_mtime_ns if report_file.exists() else None


def _subject(environment: Mapping[str, str]) -> str:
    """Return what a pipeline is about: a repository, or the package of an earlier job."""
    if job := environment.get("package", "").strip():
        return f"package of job {job}"
    return redacted(environment.get("repository", "").strip()) or "the bundled example"
