"""The copy of an executed notebook that a request asked for, written by the worker after the run."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from generator.runner.server.buckets import numbered, write_new_object
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import Outcome, RunState
from generator.runner.server.storage import NotebookStorage
from generator.shared import durable_files
from generator.shared.failures import DiskFullError, RunFailedError, StagingError
from generator.shared.passing_errors import is_full_disk

_UNFINISHED = ".part"
_LARGEST = 256 << 20
"""Bytes of a notebook that is read to find out whether it may be replaced."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""Errors of file systems without hard links."""


def deliver(
    outcome: Outcome, folder: RunFolder, destination: str, storage: NotebookStorage, *, replaces: bool = False
) -> Outcome:
    """Store the executed notebook of a run, also of one that failed; a run whose notebook cannot be stored fails.

    ``destination`` is an ``s3://`` address or a path below the storage's folder. A file that exists is not replaced,
    unless it is an executed notebook and ``replaces`` allows it: the new one gets a number. ``result.json`` names the
    place as ``delivered``.
    """
    notebook = folder.notebook()
    if notebook is None:
        return outcome
    try:
        if destination.startswith("s3://"):
            place = write_new_object(notebook, destination)
        else:
            part = f".{folder.path.name}{_UNFINISHED}"
            place = _write_file(notebook, storage, destination, part=part, replaces=replaces)
    except (StagingError, ProblemError, OSError) as error:
        is_full = is_full_disk(error)
        problem = f"the executed notebook was not stored: {_explain(error)}"
        return _failed(outcome, folder, problem, DiskFullError if is_full else StagingError)
    folder.update_result(delivered=place)
    return outcome


def _failed(outcome: Outcome, folder: RunFolder, problem: str, failure: type[RunFailedError]) -> Outcome:
    if outcome.state is not RunState.SUCCEEDED:
        return replace(outcome, note="; ".join(filter(None, (outcome.note, problem))))
    code, reason = failure.exit_code, failure.reason
    folder.update_result(state="failed", reason=reason, error=problem, exit_code=code)
    return replace(outcome, state=RunState.FAILED, reason=reason, message=problem, exit_code=code)


def _explain(error: Exception) -> str:
    if isinstance(error, ProblemError):
        return error.detail
    if isinstance(error, OSError):
        file = Path(error.filename or "the folder")
        return f"{file.parent if file.suffix == _UNFINISHED else file}: {error.strerror or error}"
    return str(error)


def is_executed(file: Path) -> bool:
    """Whether a file is an executed notebook, of papermill or of packmill, and not a source."""
    try:
        status = file.lstat()
        readable = stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST
        document = json.loads(file.read_bytes()) if readable else None
        return isinstance(document["metadata"]["papermill"]["end_time"], str) if document else False
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def _write_file(notebook: Path, storage: NotebookStorage, relative: str, *, part: str, replaces: bool) -> str:
    """Copy a notebook; the copy appears under its name when it is complete. ``part`` is its name until then."""
    storage.root.mkdir(parents=True, exist_ok=True)
    folder = storage.file(relative).parent
    folder.mkdir(parents=True, exist_ok=True)
    storage.file(relative)  # what another process made meanwhile may be a link
    unfinished = folder / part
    try:
        shutil.copyfile(notebook, unfinished)
        if replaces and is_executed(storage.root / relative):
            durable_files.replace(unfinished, storage.root / relative)  # the earlier one is lost otherwise
            return relative
        for candidate in numbered(relative):
            with suppress(FileExistsError):
                _name(unfinished, storage.root / candidate)
                return candidate
    finally:
        unfinished.unlink(missing_ok=True)
    raise StagingError(f"{relative}: taken too often; choose another name")


def _name(unfinished: Path, file: Path) -> None:
    """Give a file a second name.

    Raises:
        FileExistsError: the name is taken.
    """
    try:
        os.link(unfinished, file)
    except FileExistsError:
        if not os.path.samestat(unfinished.lstat(), file.lstat()):  # NFS repeats a request whose answer was lost
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with file.open("xb"):  # keeps the name
            pass
        try:
            unfinished.replace(file)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
