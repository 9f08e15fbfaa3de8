"""The form of a notebook, which starts a run or creates a schedule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.convertors import PathConvertor, register_url_convertor

from generator.notebook.interface import Interface
from generator.notebook.schemas import is_file
from generator.runner.server.access import Identity
from generator.runner.server.api.notebook_document import notebook_doc
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context, context_of
from generator.runner.server.home_api.times import local_now
from generator.runner.server.pages.description import describe
from generator.runner.server.pages.fields import form_fields, texts_of
from generator.runner.server.pages.form_values import Texts, field_errors, form_pairs, texts_by_id
from generator.runner.server.pages.negotiation import page_router
from generator.runner.server.pages.rendering import page
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import Run
from generator.runner.server.schedules.editing import ScheduleChange, create_schedule
from generator.runner.server.storage import dated_name
from generator.runner.server.submission import Submission, read_inputs, save, submit
from generator.runner.server.values.caller_files import Upload
from generator.runner.server.values.multipart import Part
from generator.runner.server.values.request import Body, discard, read_body, values_of_parts
from generator.runner.server.values.texts import typed_values
from generator.runner.server.workers.execution import RunOptions


class _NotebookConvertor(PathConvertor):
    """The path of a notebook, which ends as one of its kinds does."""

    regex = r".+\.(?:ipynb|py|md|qmd|[Rr]md)"


register_url_convertor("notebook", _NotebookConvertor())
router = page_router()
_SCHEDULE = ("title", "cron", "time_zone", "time_parameters")
"""Fields of a schedule; in the form, their names have a prefix that no parameter has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SentForm:
    """The form of a notebook as a user sent it."""

    request: Request
    context: Context
    identity: Identity
    notebook: ServedNotebook
    body: Body
    inputs: Mapping[str, Any]


@router.get("/notebooks/{path:notebook}")
async def show_form(request: Request, path: str) -> Response:
    """Show the form of a notebook; values in the query are filled in, as the address of a colleague may have them."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    notebook = context.catalogue.get(path)
    values = typed_values(notebook.interface, request.query_params.multi_items())
    return _form_page(request, identity, notebook, _texts_of_values(values, notebook.interface))


@router.get("/runs/{run_id}/again")
async def repeat(request: Request, run_id: str) -> Response:
    """Show the form with the values of an earlier run; secrets and files are removed after a run."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    run = await context.find_run(identity, run_id)
    notebook = context.catalogue.get(run.process)
    values = await run_in_threadpool(_values_of_run, context, run, notebook.interface)
    return _form_page(request, identity, notebook, _texts_of_values(values, notebook.interface), again=run.id)


@router.post("/notebooks/{path:notebook}")
async def start(request: Request, path: str) -> Response:
    """Start a run with the values of the form, or show the form again with what is wrong."""
    return await _handle(request, path, _start_run)


@router.post("/notebooks/{path:notebook}/schedule")
async def schedule(request: Request, path: str) -> Response:
    """Create a schedule with the values of the form, or show the form again with what is wrong."""
    return await _handle(request, path, _create_schedule)


async def _handle(request: Request, path: str, act: Callable[[SentForm], Awaitable[str]]) -> Response:
    """Hand the values of a form to ``act``, which returns the address of the next page."""
    context = context_of(request)
    identity = context.access.require(request, "run")
    notebook = context.catalogue.get(path)
    body = await read_body(request, context)
    sent = [(part.name, part.value) for part in body.parts if isinstance(part.value, str)]
    texts = texts_by_id(notebook.interface, sent)
    schedule = {name: _text(body, f"schedule-{name}") for name in _SCHEDULE}  # before files are removed
    errors: dict[str, str] = {}
    problem = None
    try:
        inputs = await _read_inputs(context, notebook, body, texts)
        read = read_inputs(context, notebook, inputs, uploads=context.folder(body.run_id).uploads)
        errors = field_errors(notebook.interface, read, (context.catalogue.root / notebook.path).parent)
        if not errors:
            form = SentForm(
                request=request, context=context, identity=identity, notebook=notebook, body=body, inputs=inputs
            )
            address = await act(form)
            return RedirectResponse(context_of(request).address(address), status_code=303)
    except ProblemError as error:
        problem = error
    discard(context, body)
    return _form_page(request, identity, notebook, texts, errors=errors, problem=problem, schedule=schedule)


def _text(body: Body, name: str) -> str:
    """Return the text of a field to show it again; '' if it cannot be shown."""
    with suppress(ProblemError):
        return body.text(name) or ""
    return ""


async def _read_inputs(context: Context, notebook: ServedNotebook, body: Body, texts: Texts) -> dict[str, Any]:
    files = [part for part in body.parts if isinstance(part.value, Upload)]
    fields = [Part(name, text) for name, text in form_pairs(notebook.interface, texts)]
    return await values_of_parts([*fields, *files], notebook, context)


async def _start_run(form: SentForm) -> str:
    in_home = form.context.home_of is not None
    submission = Submission(
        notebook=form.notebook,
        inputs=form.inputs,
        owner=form.identity.name,
        options=RunOptions(deliver=dated_name(form.notebook.path, local_now()) if in_home else None),
        run_id=form.body.run_id,
    )
    run = await submit(form.context, submission, caller=form.identity)
    await save(form.context, run)
    return f"/runs/{run.id}"


async def _create_schedule(form: SentForm) -> str:
    """Create a schedule.

    Raises:
        ProblemError: 400, the schedule is not valid.
    """
    if any(isinstance(part.value, Upload) for part in form.body.parts):
        raise ProblemError(400, "a schedule cannot have files of a form; leave them out for the notebook's own")
    title, cron, time_zone, lines = ((form.body.text(f"schedule-{name}") or "").strip() for name in _SCHEDULE)
    formats = _read_formats(lines)
    change = ScheduleChange(
        notebook=form.notebook.path,
        parameters={name: value for name, value in form.inputs.items() if name not in formats},
        time_parameters=formats,
        title=title,
        cron=cron,
        time_zone=time_zone or "UTC",
    )
    await create_schedule(form.context, change, form.identity)
    discard(form.context, form.body)
    return "/schedules"


def _read_formats(text: str) -> dict[str, str]:
    """Read the parameters that get the time of a run, ``NAME=FORMAT`` in each line.

    Raises:
        ProblemError: 400, a line is something else.
    """
    lines = [line.partition("=") for line in text.splitlines() if line.strip()]
    if wrong := [name for name, mark, _ in lines if not mark]:
        raise ProblemError(400, f"{wrong[0][:200]!r}: write NAME=FORMAT, such as date=%Y-%m-%d")
    return {name.strip(): format_.strip() for name, _, format_ in lines}


def _form_page(
    request: Request,
    identity: Identity,
    notebook: ServedNotebook,
    given: Mapping[str, list[str]],
    *,
    errors: Mapping[str, str] | None = None,
    problem: ProblemError | None = None,
    schedule: Mapping[str, str] | None = None,
    again: str = "",
) -> Response:
    fields = form_fields(notebook.interface.inputs, given, errors or {})
    return page(
        request,
        "notebook.html",
        identity=identity,
        status=problem.status if problem else 400 if errors else 200,
        notebook=notebook,
        description=describe(notebook_doc(notebook), notebook.title),
        fields=fields,
        outputs=notebook.interface.outputs,
        wrong=[field for field in fields if field.error],
        problem=problem,
        schedule=schedule or dict.fromkeys(_SCHEDULE, ""),
        again=again,
    )


def _texts_of_values(values: Mapping[str, Any], interface: Interface) -> Texts:
    """Return values as the texts of fields; no secrets, which do not belong into addresses, and no files."""
    shown = (one for one in interface.inputs if not one.hint.secret and not is_file(one))
    return {one.id: texts_of(values[one.id], one) for one in shown if values.get(one.id) is not None}


def _values_of_run(context: Context, run: Run, interface: Interface) -> dict[str, Any]:
    parameters = context.folder(run.id).read_result().get("parameters") or {}
    return {one.id: parameters[one.name] for one in interface.inputs if one.name in parameters}
