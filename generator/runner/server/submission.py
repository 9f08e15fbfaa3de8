"""The one way from a request of any protocol to a run: check the values, store them, queue the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.runner.packaged.values import notebook_values
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import NewRun, Protocol, Run, new_run_id
from generator.runner.server.runs.store import QueueFullError
from generator.runner.server.values.strict_json import read_json
from generator.runner.server.workers.execution import RunOptions
from generator.shared.failures import BadInputsError

_RETRY_AFTER = "1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A run that a client asks for; ``inputs`` are JSON values by input id, files as CWL File objects of uploads."""

    notebook: ServedNotebook
    inputs: Mapping[str, Any]
    owner: str = ""
    protocol: Protocol = "runs"
    options: RunOptions = field(default_factory=RunOptions)
    idempotency_key: str | None = None
    schedule: str | None = None
    run_id: str = field(default_factory=new_run_id)
    """Known before the run is queued, so that uploads can be written to its folder."""


async def submit(context: Context, submission: Submission) -> Run:
    """Queue a run and return its row.

    Raises:
        ProblemError: 400 if the values do not fit or the notebook cannot run, 503 if too many runs wait.
    """
    check(context, submission.notebook, submission.inputs)
    run = await context.stored(_store, context, submission)
    if run.id == submission.run_id:
        context.wake()
    return run


def _store(context: Context, submission: Submission) -> Run:
    """Write the folder of a run, then its row; the earlier run of the same idempotency key needs neither."""
    folder = context.folder(submission.run_id)
    try:
        if not folder.path.is_dir():
            folder.create()
        folder.write_inputs(submission.inputs)
        run = context.store.add(_new_run(submission), run_id=submission.run_id, queue_limit=context.limits.queue)
    except QueueFullError:
        folder.remove()
        detail = f"{context.limits.queue} runs are waiting, which is the limit; try again later"
        raise ProblemError(503, detail, headers={"Retry-After": _RETRY_AFTER}) from None
    except BaseException:
        folder.remove()
        raise
    if run.id != submission.run_id:
        folder.remove()
    return run


def check(context: Context, notebook: ServedNotebook, inputs: Mapping[str, Any]) -> None:
    """Check the values of a run before it is queued, with the runner's own rules.

    Raises:
        ProblemError: 400, with every value that does not fit.
    """
    if notebook.error is not None or notebook.notebook is None:
        raise ProblemError(400, f"{notebook.path}: cannot run: {notebook.error}")
    folder = (context.catalogue.root / notebook.path).parent
    language = notebook.notebook.parameters_language
    try:
        notebook_values(inputs, notebook.interface, language=language, folder=folder)
    except BadInputsError as error:
        first, *issues = str(error).splitlines()
        raise ProblemError(400, first.rstrip(":"), issues=[issue.strip() for issue in issues]) from None


def _new_run(submission: Submission) -> NewRun:
    return NewRun(
        process=submission.notebook.path,
        owner=submission.owner,
        protocol=submission.protocol,
        options=submission.options.as_json(),
        idempotency_key=submission.idempotency_key,
        schedule=submission.schedule,
    )


async def dismiss(context: Context, run_id: str) -> Run:
    """Dismiss a run: a queued one ends at once, a running one is interrupted.

    Raises:
        RunMissingError: there is no such run.
    """
    run = await context.stored(context.store.dismiss, run_id)
    if run.state.final:
        context.events.publish_end(run_id)
        remove_inputs_of_unstarted(context.folder(run_id), run)
    elif context.workers is not None:
        context.workers.dismiss(run_id)
    return run


async def delete(context: Context, run: Run) -> None:
    """Remove a run that has ended, and its files."""
    await context.stored(context.store.delete, [run.id])
    context.folder(run.id).remove()


def remove_inputs_of_unstarted(folder: RunFolder, run: Run) -> None:
    """Remove the values of a run that will not start: they may hold secrets."""
    if run.started is None:
        folder.remove_inputs()


def read_json_object(data: bytes) -> dict[str, Any]:
    """Read the body of a request as a JSON object.

    Raises:
        ProblemError: 400, the body is not JSON, or not an object.
    """
    try:
        document = read_json(data or b"{}")
    except ValueError as error:
        raise ProblemError(400, f"the body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise ProblemError(400, "the body is not a JSON object")
    return document
