"""The one way from a request of any protocol to a run: check the values, store them, queue the run."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from generator.notebook.literals import MisfitError
from generator.runner.packaged.values import notebook_values
from generator.runner.server.access import Identity
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context
from generator.runner.server.operation.logs import log
from generator.runner.server.operation.reports import report_end
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import NewRun, Protocol, Run, RunState, new_run_id
from generator.runner.server.runs.store import QueueFullError, ShareFullError, StoreUnavailableError
from generator.runner.server.values.archives import unpack_in_place
from generator.runner.server.values.caller_files import NewFile, ReadValues, read_values
from generator.runner.server.values.room import Room
from generator.runner.server.workers.execution import RunOptions
from generator.runner.server.workers.fetching import remote_files
from generator.shared.failures import BadInputsError
from generator.shared.file_digest import file_sha256

_RETRY_AFTER = "1"
KEY_REUSED = "https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/#section-2.7"
"""The type of the problem that an idempotency key was used for another request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A run that a client asks for; ``inputs`` are JSON values by input, and files as `Upload`."""

    notebook: ServedNotebook
    inputs: Mapping[str, Any]
    owner: str = ""
    protocol: Protocol = "runs"
    options: RunOptions = field(default_factory=RunOptions)
    source: bytes | None = None
    """The notebook itself, if it is not in the served folder."""
    idempotency_key: str | None = None
    schedule: str | None = None
    run_id: str = field(default_factory=new_run_id)
    """Known before the run is queued, so that uploads can be written to its folder."""


async def submit(context: Context, submission: Submission, *, caller: Identity | None) -> Run:
    """Queue a run and return its row; ``caller`` is None for a schedule, whose owner is checked before.

    Raises:
        ProblemError: 400 if the values do not fit or the notebook cannot run, 503 if too many runs wait, 429 if too
            many of the owner do; 401 or 403 if the caller may start no runs any more.
    """
    folder = context.folder(submission.run_id)
    try:
        _refuse_while_draining(context)
        read = check(context, submission.notebook, submission.inputs, uploads=folder.uploads)
        if read.files:  # to unpack an archive takes seconds, in which others are answered
            limit = context.limits.upload
            await run_in_threadpool(_write_files, folder, read.files.values(), folders=read.folders, limit=limit)
        is_keyed = submission.idempotency_key is not None
        uploads = await run_in_threadpool(_digests, folder.uploads) if is_keyed else []
        if caller is not None:
            context.access.confirm(caller, "run")
    except BaseException:
        folder.remove()
        raise
    run = await context.stored(_store, context, submission, read, uploads)
    if run.id == submission.run_id:
        context.wake()
    return run


def _refuse_while_draining(context: Context) -> None:
    """Refuse a run that this server would not start.

    Raises:
        ProblemError: 503, the server is shutting down.
    """
    if context.draining:
        raise ProblemError(503, "the server is shutting down; try again later", headers={"Retry-After": "10"})


def _store(context: Context, submission: Submission, read: ReadValues, uploads: list[list[str]]) -> Run:
    """Write the values of a run, then its row; the earlier run of the same idempotency key needs neither."""
    folder = context.folder(submission.run_id)
    try:
        if not folder.path.is_dir():
            folder.create()
        if submission.source is not None:
            folder.write_source(posixpath.basename(submission.notebook.path), submission.source)
        folder.write_inputs(read.inputs)
        if submission.idempotency_key is not None:
            folder.write_fingerprint(_fingerprint(submission, read.inputs, folder, uploads))
        run = context.store.add(
            _new_run(submission, read),
            run_id=submission.run_id,
            queue_limit=context.limits.queue,
            owner_limit=context.limits.queue_per_token,
        )
    except ShareFullError:
        folder.remove()
        detail = f"{context.limits.queue_per_token} runs of this token are waiting, which is its limit; try again later"
        raise ProblemError(429, detail, headers={"Retry-After": _RETRY_AFTER}) from None
    except QueueFullError:
        folder.remove()
        detail = f"{context.limits.queue} runs are waiting, which is the limit; try again later"
        raise ProblemError(503, detail, headers={"Retry-After": _RETRY_AFTER}) from None
    except StoreUnavailableError:
        if not context.store.blocking:  # an answer over a network can be lost after the row was stored
            folder.remove()
        raise
    except BaseException:
        folder.remove()
        raise
    if run.id != submission.run_id:
        earlier = context.folder(run.id).read_fingerprint()
        same = earlier in (None, folder.read_fingerprint())
        folder.remove()
        if not same:
            raise ProblemError(
                422, "the idempotency key was used for another request; choose a new key", kind=KEY_REUSED
            )
    return run


def _fingerprint(submission: Submission, inputs: Mapping[str, Any], folder: RunFolder, uploads: list[list[str]]) -> str:
    """Return what two requests with the same idempotency key must share, with the digests of their files."""
    options = replace(submission.options, deliver=None, note=None)  # these depend on the time of the request
    request = json.dumps([submission.notebook.path, dict(inputs), options.as_json()], sort_keys=True)
    text = request.replace(json.dumps(str(folder.path))[1:-1], "") + json.dumps(uploads)
    return hashlib.scrypt(text.encode(), salt=(submission.idempotency_key or "").encode(), n=1024, r=8, p=1).hex()


def _digests(uploads: Path) -> list[list[str]]:
    """Return the path and a digest of the content of each file below a folder, and the paths of folders."""
    return [
        [path.relative_to(uploads).as_posix(), file_sha256(path) if path.is_file() else ""]
        for path in sorted(uploads.rglob("*"))
    ]


def check(
    context: Context, notebook: ServedNotebook, inputs: Mapping[str, Any], *, uploads: Path = Path("/")
) -> ReadValues:
    """Check the values of a run before it is queued, with the runner's own rules.

    Returns:
        the input object of the run, and its files, which are still to be written to ``uploads``

    Raises:
        ProblemError: 400, with every value that does not fit.
    """
    if notebook.error is not None or notebook.notebook is None:
        raise ProblemError(400, f"{notebook.path}: cannot run: {notebook.error}")
    read = read_inputs(context, notebook, inputs, uploads=uploads)
    issues = [*read.issues.values(), *_misfits(context, notebook, read)]
    if issues:
        raise ProblemError(400, "the inputs do not fit the notebook", issues=issues)
    return read


def read_inputs(context: Context, notebook: ServedNotebook, inputs: Mapping[str, Any], *, uploads: Path) -> ReadValues:
    """Return the values as the run reads them, its files below ``uploads``, by the rules of this server."""
    rules = context.file_rules
    return read_values(inputs, notebook.interface, notebook=notebook.path, uploads=uploads, rules=rules)


def _misfits(context: Context, notebook: ServedNotebook, read: ReadValues) -> list[str]:
    """Return why values do not fit the interface, for those that could be read."""
    interface = notebook.interface
    rest = replace(interface, inputs=tuple(one for one in interface.inputs if one.id not in read.issues))
    inputs = {name: value for name, value in read.inputs.items() if name not in read.issues}
    language = notebook.notebook.parameters_language if notebook.notebook else ""
    folder = (context.catalogue.root / notebook.path).parent
    try:
        notebook_values(inputs, rest, language=language, folder=folder)
    except BadInputsError as error:
        return [line.strip() for line in str(error).splitlines()[1:]]
    return []


def _write_files(folder: RunFolder, files: Iterable[NewFile], *, folders: Collection[Path] = (), limit: int) -> None:
    """Write the files of JSON, next to the uploads of the same request; ``folders`` are those of listings.

    Raises:
        ProblemError: 400, an upload or another file has the place, or an archive cannot be unpacked.
    """
    if not folder.path.is_dir():
        folder.create()
    for path in folders:
        if os.path.lexists(path):
            raise ProblemError(400, f"a listing and an upload have the name {path.name!r}; rename one")
    room = Room(limit)
    room.count(folder.uploads)
    for file in files:
        file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            if not file.archive:
                room.take_entry()
            with open(os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(file.data)
            if file.archive:
                unpack_in_place(file.path, room)
        except MisfitError as error:
            raise ProblemError(400, f"{file.path.name} {error}") from None
        except (FileExistsError, NotADirectoryError):
            raise ProblemError(400, f"two files have the name {file.path.name!r}; rename one") from None


def _new_run(submission: Submission, read: ReadValues) -> NewRun:
    fetches = any(remote_files(list(read.inputs.values())))
    return NewRun(
        process=submission.notebook.path,
        owner=submission.owner,
        protocol=submission.protocol,
        options=replace(submission.options, fetch=fetches).as_json(),
        idempotency_key=submission.idempotency_key,
        schedule=submission.schedule,
    )


async def save(context: Context, run: Run) -> None:
    """Wait until a run that goes on without its client is on the disk; one that has ended needs no promise.

    If the disk fails, a waiting run is dismissed, because its client repeats the request; one that has begun goes on.

    Raises:
        StoreUnavailableError: the disk is full or broken, and the run does not begin, or has a key for the repetition.
    """
    if run.state.final:
        return
    try:
        await context.durability.save(context.folder(run.id))
    except StoreUnavailableError as error:
        if run.idempotency_key is not None:  # perhaps that of an earlier request, whose run this is
            raise
        now = await context.stored(context.store.get, run.id)
        if now.state is not RunState.QUEUED:
            log("run goes on, but a power loss may forget it", level=logging.WARNING, run=run.id, reason=str(error))
            return
        dismissed = await _end_or_interrupt(context, run.id)
        await run_in_threadpool(remove_inputs_of_unstarted, context.folder(run.id), dismissed)
        raise


async def dismiss(context: Context, run_id: str) -> Run:
    """Dismiss a run: a queued one ends at once, a running one is interrupted.

    Raises:
        RunMissingError: there is no such run.
        StoreUnavailableError: the run is dismissed, but not yet on the disk.
    """
    run = await _end_or_interrupt(context, run_id)
    await context.durability.save(context.folder(run_id))
    if run.state.final:
        await run_in_threadpool(remove_inputs_of_unstarted, context.folder(run_id), run)
    return run


async def _end_or_interrupt(context: Context, run_id: str) -> Run:
    """Dismiss a run, and report its end to the requests that wait for it."""
    before = await context.stored(context.store.get, run_id)
    run = await context.stored(context.store.dismiss, run_id)
    if run.state.final:
        context.events.publish_end(run_id)
        if not before.state.final:
            report_end(context, run)
    elif context.workers is not None:
        context.workers.dismiss(run_id)
    return run


async def delete(context: Context, run: Run) -> None:
    """Remove a run that has ended, and its files."""
    await context.stored(context.store.delete, [run.id])
    await run_in_threadpool(context.folder(run.id).remove)


def remove_inputs_of_unstarted(folder: RunFolder, run: Run) -> None:
    """Remove the values of a run that will not start: they may hold secrets."""
    if run.started is None:
        folder.remove_inputs()
