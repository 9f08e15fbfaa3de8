"""Errors that no handler expected, as responses without a traceback."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from generator.runner.server.problems import ProblemError, full_disk_problem
from generator.runner.server.runs.folder import UnreadableRecordError
from generator.runner.server.runs.store import StoreMisfitError, StoreUnavailableError
from generator.shared.failures import DiskFullError
from generator.shared.passing_errors import is_full_disk


def unexpected_problem(error: Exception, request_id: str) -> ProblemError:
    """Return the response to an unexpected error: the id under which the log has it, or what is unavailable."""
    if has_no_space(error):
        return full_disk_problem()
    if isinstance(error, StoreUnavailableError):
        return store_problem(error)
    return ProblemError(500, f"an unexpected error; the log of the server has it under the id {request_id}")


def store_problem(error: Exception) -> ProblemError:
    """Return the response to a failure of the database: whether another attempt can help."""
    if isinstance(error, StoreMisfitError):
        return ProblemError(500, "the database was changed by another program; the log of the server has more")
    return ProblemError(503, "the database is unavailable; try again later", headers={"Retry-After": "5"})


def unreadable_problem(error: UnreadableRecordError) -> ProblemError:
    """Return the response to a request whose run has a record that cannot be read, now (503) or at all (422).

    It has no Retry-After: the request may be the one that ran the notebook, and would run it again.
    """
    name = Path(error.filename).name
    if error.errno == errno.EFBIG:
        return ProblemError(422, f"{name} of the run is too large for an answer; fetch the files of its outputs")
    detail = f"{name} of the run cannot be read at the moment ({error.strerror}); read its result later"
    return ProblemError(503, f"{detail}, and do not start it again")


def has_no_space(error: BaseException) -> bool:
    """Whether an error, which may be one of the database, means that the disk, or the quota of the user, is used up."""
    is_full = is_full_disk(error) or isinstance(error, DiskFullError)
    return is_full or (isinstance(error, sqlite3.OperationalError) and "full" in str(error))
