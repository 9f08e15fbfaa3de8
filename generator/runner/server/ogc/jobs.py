"""Runs as jobs: list, status, results, dismissal. Runs of every protocol are jobs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from generator.runner.server.context import Context, context_of, find_run
from generator.runner.server.ogc.addresses import Addresses, link, self_links
from generator.runner.server.ogc.document import results_document
from generator.runner.server.ogc.errors import ExceptionRoute, no_results, no_such_job, result_not_ready
from generator.runner.server.ogc.identifiers import find_process
from generator.runner.server.ogc.job_filters import JobFilter, JobQuery, find_jobs, parse_interval, parse_states, split
from generator.runner.server.ogc.kept_requests import read_request
from generator.runner.server.ogc.raw import file_response, raw_response
from generator.runner.server.ogc.request import ResultsRequest
from generator.runner.server.ogc.responses import json_response, respond, wants_page
from generator.runner.server.ogc.results import find_results
from generator.runner.server.ogc.status import status_info
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import Run, RunState
from generator.runner.server.runs.store import RunMissingError
from generator.runner.server.submission import delete, dismiss
from generator.runner.server.tokens.role import Role

router = APIRouter(route_class=ExceptionRoute)
_JSON = ("application/json", "application/problem+json")
_DISMISS_TIMEOUT = 5.0
"""Seconds for which a dismissal waits for the interrupted run."""
_REPEATED = timedelta(minutes=1)
"""The time in which a dismissal of a job counts as a repetition of the one that ended it."""


@router.get("/jobs")
async def list_jobs(request: Request, query: Annotated[JobQuery, Query()]) -> Response:
    """List jobs, newest first; the link ``next`` has the following ones."""
    context = context_of(request)
    owner = context.access.require(request, "read").owner
    found = await run_in_threadpool(_find_jobs, context, query, owner)  # which may look at all runs for a few
    to = Addresses(request)
    links = self_links(to.jobs, request.url.query.replace("&f=html", ""))
    shown = found[: query.limit]
    if len(found) > len(shown):
        others = [(name, value) for name, value in request.query_params.multi_items() if name != "before"]
        links.append(link(f"{to.jobs}?{urlencode([*others, ('before', shown[-1].id)])}", "next", "next page"))
    jobs = [job_status(context, run, to) for run in shown]
    return respond(request, {"jobs": jobs, "links": links}, title="Jobs")


def _find_jobs(context: Context, query: JobQuery, owner: str | None) -> list[Run]:
    """Return the jobs of a page, and one more if there are others."""
    paths = _paths(context, split(query.process_ids))
    if (query.kinds and "process" not in split(query.kinds)) or (query.process_ids and not paths):
        return []
    wanted = JobFilter(
        owner=owner,
        processes=paths,
        states=parse_states(query.states),
        created=parse_interval(query.datetime),
        shortest=query.shortest,
        longest=query.longest,
    )
    return find_jobs(context.store, wanted, before=query.before, limit=query.limit + 1)


@router.get("/jobs/{identifier}")
async def show_job(request: Request, identifier: str) -> Response:
    """Return the status of a job."""
    context, run = await _find(request, identifier)
    return respond(request, job_status(context, run, Addresses(request)), title=f"Job {run.id}")


@router.delete("/jobs/{identifier}")
async def dismiss_job(request: Request, identifier: str) -> Response:
    """Dismiss a job; one that had ended before is removed, unless a client or a proxy repeats its dismissal."""
    context, run = await _find(request, identifier, role="run")
    is_removed = run.state.final and not await _is_just_dismissed(context, run)
    if is_removed:
        await delete(context, run)
    elif not run.state.final:
        await dismiss(context, run.id)
        run = await context.events.wait(run, _DISMISS_TIMEOUT)
    document = job_status(context, run, Addresses(request))
    if is_removed:
        document["status"] = "dismissed"
    return respond(request, document, title=f"Job {run.id}")


async def _is_just_dismissed(context: Context, run: Run) -> bool:
    """Whether a run was dismissed and ended a moment ago: what it saved is not for the same request to remove."""
    if run.ended is None or abs(datetime.now(timezone.utc) - run.ended) > _REPEATED:
        return False
    return run.state is RunState.DISMISSED or await context.stored(context.store.is_dismissed, run.id)


@router.get("/jobs/{identifier}/results")
async def show_results(request: Request, identifier: str) -> Response:
    """Return the results of a job that has ended, in the form that its execute request asked for."""
    context, run = await _find(request, identifier)
    return await results_response(request, context, run)


@router.get("/jobs/{identifier}/results/{output}")
async def show_result(request: Request, identifier: str, output: str) -> Response:
    """Return one result as its own bytes; a folder is an archive, several files are parts."""
    context, run = await _find(request, identifier)
    return await run_in_threadpool(_result_response, request, context, run, output)


def _result_response(request: Request, context: Context, run: Run, output: str) -> Response:
    _require_success(run)
    results = find_results(context.folder(run.id), {output: "value"})
    if not results or not results[0].files:
        raise ProblemError(404, f"job {run.id!r}: it has no output {output!r}")
    if len(results[0].files) == 1:
        return file_response(results[0].files[0])
    return raw_response(run.id, results, Addresses(request), one_requested=True)


def job_status(context: Context, run: Run, to: Addresses) -> dict[str, Any]:
    """Return the status of a run as a job."""
    cell, cells = context.events.progress(run)
    return status_info(run, to, cell=cell, cells=cells)


async def results_response(request: Request, context: Context, run: Run) -> Response:
    """Return the results of a run, in the form that its execute request asked for.

    Raises:
        ProblemError: 404 (result-not-ready) before its end, or why it has no results.
    """
    return await run_in_threadpool(_results_response, request, context, run)  # there may be very many files


def _results_response(request: Request, context: Context, run: Run) -> Response:
    _require_success(run)
    folder = context.folder(run.id)
    wanted = read_request(folder)
    results = find_results(folder, wanted.outputs)
    to = Addresses(request)
    if wants_page(request):
        links = results_document(run.id, [replace(one, by_reference=True) for one in results], to)
        return respond(request, links, title=f"Results of job {run.id}")
    if _is_raw(wanted, request):
        return raw_response(run.id, results, to, one_requested=len(wanted.outputs or ()) == 1)
    return json_response(results_document(run.id, results, to))


def _is_raw(wanted: ResultsRequest, request: Request) -> bool:
    """Choose the form of results: raw is the standard's default, unless the client accepts JSON alone."""
    if wanted.response is not None:
        return wanted.response == "raw"
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return not accepted or any(kind not in _JSON for kind in accepted)


def _require_success(run: Run) -> None:
    """Refuse to show the results of a job that has none.

    Raises:
        ProblemError: the job has not ended, has failed, or was dismissed.
    """
    if not run.state.final:
        raise result_not_ready(run)
    if run.state is not RunState.SUCCEEDED:
        raise no_results(run)


async def _find(request: Request, identifier: str, *, role: Role = "read") -> tuple[Context, Run]:
    """Return the context and the run of a job.

    Raises:
        ProblemError: 404 (no-such-job), there is no run that the caller may see; or the caller lacks the role.
    """
    try:
        return await find_run(request, identifier, role)
    except RunMissingError:
        raise no_such_job(identifier) from None


def _paths(context: Context, identifiers: list[str]) -> frozenset[str]:
    """Return the notebooks of process ids; an unknown process has no jobs."""
    paths = set()
    for identifier in identifiers:
        with suppress(ProblemError):
            paths.add(find_process(context.catalogue, identifier).path)
    return frozenset(paths)
