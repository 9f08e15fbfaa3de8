"""The pages of notebooks: the list, and a form for each that starts a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from generator.notebook.interface import Interface
from generator.notebook.schemas import is_file
from generator.runner.server.access import Identity
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context, context_of
from generator.runner.server.pages.fields import form_fields, texts_of
from generator.runner.server.pages.form_values import Texts, field_errors, form_pairs, texts_by_id
from generator.runner.server.pages.negotiation import page_router
from generator.runner.server.pages.rendering import page
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import Run
from generator.runner.server.runs.store import RunFilter
from generator.runner.server.submission import Submission, read_inputs, submit
from generator.runner.server.values.caller_files import Upload
from generator.runner.server.values.multipart import Part
from generator.runner.server.values.request import Body, discard, read_body, values_of_parts

router = page_router()
_RECENT = 10
_LOOKED_AT = 500
"""Runs among which the last one of each notebook is looked for."""


@router.get("/")
@router.get("/notebooks")
async def home(request: Request) -> Response:
    """Show the notebooks and the latest runs."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    runs = await context.stored(context.store.list, RunFilter(owner=identity.owner, limit=_LOOKED_AT))
    last: dict[str, Run] = {}
    for run in runs:
        last.setdefault(run.process, run)
    return page(
        request,
        "home.html",
        identity=identity,
        folder=context.catalogue.root.name,
        notebooks=await run_in_threadpool(context.catalogue.all),
        last=last,
        runs=runs[:_RECENT],
    )


@router.get("/notebooks/{path:path}.ipynb")
async def show_form(request: Request, path: str) -> Response:
    """Show the form of a notebook; values in the query are filled in, as the address of a colleague may have them."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    notebook = context.catalogue.get(f"{path}.ipynb")
    pairs = request.query_params.multi_items()
    given = {name: texts for name, texts in _texts_in_query(notebook.interface, pairs).items() if texts}
    return _form_page(request, identity, notebook, given)


@router.get("/runs/{run_id}/again")
async def repeat(request: Request, run_id: str) -> Response:
    """Show the form with the values of an earlier run; secrets and files are removed after a run."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    run = await context.find_run(identity, run_id)
    notebook = context.catalogue.get(run.process)
    return _form_page(request, identity, notebook, _texts_of_run(context, run, notebook.interface), again=run.id)


@router.post("/notebooks/{path:path}.ipynb")
async def start(request: Request, path: str) -> Response:
    """Start a run with the values of the form, or show the form again with what is wrong."""
    context = context_of(request)
    identity = context.access.require(request, "run")
    notebook = context.catalogue.get(f"{path}.ipynb")
    body = await read_body(request, context)
    sent = [(part.name, part.value) for part in body.parts if isinstance(part.value, str)]
    texts = texts_by_id(notebook.interface, sent)
    try:
        errors, run = await _start(context, notebook, body, texts, owner=identity.name)
    except ProblemError as problem:
        discard(context, body)
        return _form_page(request, identity, notebook, texts, problem=problem, status=problem.status)
    if run is None:
        discard(context, body)
        return _form_page(request, identity, notebook, texts, errors=errors, status=400)
    return RedirectResponse(f"{request.scope.get('root_path', '')}/runs/{run.id}", status_code=303)


async def _start(
    context: Context, notebook: ServedNotebook, body: Body, texts: Texts, *, owner: str
) -> tuple[dict[str, str], Run | None]:
    """Start a run, or return the errors of the fields.

    Raises:
        ProblemError: the run cannot be started for another reason.
    """
    files = [part for part in body.parts if isinstance(part.value, Upload)]
    fields = [Part(name, text) for name, text in form_pairs(notebook.interface, texts)]
    inputs = await values_of_parts([*fields, *files], notebook, context)
    read = read_inputs(context, notebook, inputs, uploads=context.folder(body.run_id).uploads)
    errors = field_errors(notebook.interface, read, (context.catalogue.root / notebook.path).parent)
    if errors:
        return errors, None
    submission = Submission(notebook=notebook, inputs=inputs, owner=owner, run_id=body.run_id)
    return {}, await submit(context, submission)


def _form_page(
    request: Request,
    identity: Identity,
    notebook: ServedNotebook,
    given: Mapping[str, list[str]],
    *,
    errors: Mapping[str, str] | None = None,
    problem: ProblemError | None = None,
    again: str = "",
    status: int = 200,
) -> Response:
    fields = form_fields(notebook.interface.inputs, given, errors or {})
    return page(
        request,
        "notebook.html",
        identity=identity,
        status=status,
        notebook=notebook,
        fields=fields,
        outputs=notebook.interface.outputs,
        wrong=[field for field in fields if field.error],
        problem=problem,
        again=again,
    )


def _texts_in_query(interface: Interface, pairs: Iterable[tuple[str, str]]) -> Texts:
    """Return the texts by id; no secrets, which do not belong into addresses."""
    texts: Texts = {}
    for name, text in pairs:
        texts.setdefault(name, []).append(text)
    return {one.id: texts.get(one.id, []) for one in interface.inputs if not one.hint.secret}


def _texts_of_run(context: Context, run: Run, interface: Interface) -> Texts:
    parameters = context.folder(run.id).read_result().get("parameters") or {}
    return {
        one.id: texts_of(parameters[one.name], one)
        for one in interface.inputs
        if one.name in parameters and not is_file(one)
    }
