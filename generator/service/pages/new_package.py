"""The form that starts a pipeline, and what it offers once the address of a repository is known."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from generator.service.api.parameters import read_parameters
from generator.service.context import context
from generator.service.http_errors import HttpError, error_text
from generator.service.lookups.answer import Answer
from generator.service.lookups.lookups import BusyError
from generator.service.pages.package_form import groups
from generator.service.pages.rendering import page
from generator.service.pages.sessions import check_writer_form, session
from generator.service.pages.submissions import submit_once
from generator.service.project.pipeline_file import Variable
from generator.service.slow_requests import run_slowly
from generator.shared.errors import UsageError

router = APIRouter()
_FOR_RUNS = "package package_process inputs table product values row_retries max_failures resume".split()
_LOOKED_UP = "repository checkout process parameters_cell kernel language env standard_buildpacks".split()
"""The variables on which the offers depend."""
_BUSY = "too many lookups at once; try again in a moment"


@router.get("/pipelines/new")
def new_page(request: Request) -> Response:
    """Show the form that starts a pipeline."""
    return _form(request, dict(request.query_params))


@router.post("/pipelines/new")
async def new(request: Request) -> Response:
    """Start a pipeline."""
    given = await read_parameters(request)
    return await submit_once(request, given, partial(run_in_threadpool, _start, request, given))


@router.post("/pipelines/new/look-up")
async def look_up(request: Request) -> Response:
    """Show the form again, with the branches, notebooks and interfaces of its repository."""
    given = await read_parameters(request)
    return await run_slowly(_look_up, request, given)


def _start(request: Request, given: dict[str, Any]) -> Response:
    here, who = context(request), check_writer_form(request, given)
    values = _values(request, given)
    variables = [{"key": name, "value": value, "variable_type": "env_var"} for name, value in values.items()]
    try:
        ref = str(given.get("ref") or here.project.default_branch)
        number = here.start_pipeline(ref=ref, source="web", user=who.identity, variables=variables)
    except HttpError as error:
        return _form(request, given, wrong=error_text(error), status=error.status)
    return RedirectResponse(f"/{here.project.path}/-/pipelines/{number}", status_code=303)


def _look_up(request: Request, given: dict[str, Any]) -> Response:
    check_writer_form(request, given)
    values = _values(request, given)
    wanted = {name: values[name] for name in _LOOKED_UP if name in values}
    if "repository" not in wanted:
        return _form(request, given, offers=Answer(problem="fill in the repository"))
    try:
        offers = context(request).lookups.look_up(wanted)
    except BusyError:
        offers = Answer(problem=_BUSY)
    return _form(request, given, offers=offers)


def _values(request: Request, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that a form sets; the processes are those that were typed and those that were ticked."""
    texts = {one.name: str(given.get(one.name, "")).replace("\r\n", "\n").strip() for one in _variables(request)}
    if "process" in texts:
        texts["process"] = "\n".join(_processes(given))
    return {name: text for name, text in texts.items() if text}


def _processes(given: Mapping[str, Any]) -> list[str]:
    typed = (line.strip() for line in str(given.get("process", "")).splitlines())
    ticked = given.get("offered", ())
    return list(dict.fromkeys(filter(None, [*(map(str, ticked) if isinstance(ticked, list) else ()), *typed])))


def _form(
    request: Request, given: dict[str, Any], *, wrong: str = "", status: int = 200, offers: Answer | None = None
) -> Response:
    here, who = context(request), session(request)
    variables = _variables(request)
    names = [one.name for one in variables]
    chosen, offered = _processes(given), offers.processes if offers else ()
    typed = "\n".join(one for one in chosen if one not in offered)
    shown = {one.process for one in offers.interfaces} if offers else set[str]()
    return page(
        request,
        "new.html",
        who,
        status=status,
        groups=groups(variables, {**given, "process": typed}),
        wrong=wrong,
        ref=str(given.get("ref") or here.project.default_branch),
        may_look_up="repository" in names and who.identity.may_write,
        before_offers="process" if "process" in names else "repository",
        offers=offers,
        ticked=set(chosen) | (shown if not chosen else set()),
    )


def _variables(request: Request) -> list[Variable]:
    """Return the variables that the pipeline file describes, without those of runs, which have another form."""
    project = context(request).project
    revision = project.resolve(project.default_branch)
    try:
        described = project.file(revision.sha).variables if revision else ()
    except UsageError:
        described = ()
    return [one for one in described if one.description and one.name not in _FOR_RUNS]
