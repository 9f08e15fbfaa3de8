"""The page of a package: its interface, a picture of its workflow, its documents, and a form that runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

import jinja2
import sqlalchemy as sa
import yaml
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from starlette.concurrency import run_in_threadpool

from generator.repository.places import repository_identity
from generator.service.api.jobs import find_job
from generator.service.api.parameters import read_parameters
from generator.service.archives import Archive, PackageEntry, list_packages
from generator.service.context import context
from generator.service.http_errors import HttpError, error_text, raise_not_found
from generator.service.pages import picture, run_form
from generator.service.pages.badges import pipeline_status
from generator.service.pages.rendering import page
from generator.service.pages.sessions import check_writer_form, session
from generator.service.store.database import jobs, rows
from generator.service.store.search import runs_of_package

router = APIRouter()
_MOST_SHOWN = 50
_LARGEST_DRAWN, _MOST_EVENTS = 1 << 17, 20_000
_MOST_DOCUMENTS, _LONGEST_TEXT, _MOST_TEXT = 200, 200_000, 2_000_000
_MOST_INPUTS = 1000
_MOST_RUNS = 20
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, jinja2.TemplateError)
"""The errors that a ``package.json`` not written by packmill can cause."""
_NOT_SHOWN = "This package is not shown: its package.json was not written by packmill."
_TEXTS = (".cwl", ".json", ".yml", ".yaml", ".md", ".txt", ".csv")


@router.get("/packages")
def packages_page(request: Request) -> Response:
    """Show the packages of recent pipelines: the latest of each process."""
    here, who = context(request), session(request)
    statement = (
        sa.select(jobs)
        .where(jobs.c.status == "success", jobs.c.artifacts_size.is_not(None), jobs.c.name.in_(("build", "publish")))
        .order_by(jobs.c.id.desc())
        .limit(300)
    )
    with here.pipelines.database.connection() as connection:
        found = rows(connection, statement)
    shown: dict[tuple[str, ...], dict[str, Any]] = {}
    for job in found:
        place = job["dotenv"].get("PACKMILL_PACKAGE", "")
        if not place or len(shown) >= _MOST_SHOWN:
            continue
        listed = list_packages(here.data.job(job["id"]).artifacts)
        for package in listed or (PackageEntry(folder=place),):
            row = {"package": package, "job": job, "linked": bool(listed)}
            shown.setdefault(_identity(package, job["id"]), row)
    return page(request, "packages.html", who, packages=list(shown.values())[:_MOST_SHOWN])


def _identity(package: PackageEntry, job: int) -> tuple[str, ...]:
    """Return one value for the packages of a process, wherever earlier versions put them.

    Two hosts may have the same path; a package without its repository's address hides no other.
    """
    repository = repository_identity(package.address) or str(job)
    return (repository, package.checkout, package.process or package.folder)


@router.get("/jobs/{number:int}/package/{folder:path}")
def package_page(request: Request, number: int, folder: str) -> Response:
    """Show one package."""
    try:
        return _render(request, number, folder, given={}, wrong={}, message="")
    except _MALFORMED:
        return page(request, "wrong.html", session(request), code="Package", message=_NOT_SHOWN)


@router.post("/jobs/{number:int}/package/{folder:path}")
async def run(request: Request, number: int, folder: str) -> Response:
    """Run the package with the values of the form, as a new pipeline."""
    given = await read_parameters(request)
    return await run_in_threadpool(_run, request, number, folder, given)


def _run(request: Request, number: int, folder: str, given: dict[str, Any]) -> Response:
    here, who = context(request), check_writer_form(request, given)
    archive = Archive(here.data.job(number).artifacts)
    found = archive.package(folder)
    texts = {name: str(value) for name, value in given.items()}
    try:
        values, wrong = run_form.values(texts, _fields(found))
    except _MALFORMED:
        raise HttpError(400, {"message": _NOT_SHOWN}) from None
    if wrong:
        return _render(
            request, number, folder, given=texts, wrong=wrong, message="Some values are invalid.", status=400
        )
    variables = {"package": str(number), "inputs": json.dumps(values, ensure_ascii=False)}
    if len(archive.packages()) > 1:
        process = found["process"].get("path")
        variables["package_process"] = process if isinstance(process, str) else folder.rpartition("/")[2]
    listed = [{"key": name, "value": value, "variable_type": "env_var"} for name, value in variables.items()]
    try:
        pipeline = _ref_of(request, number)
        made = here.start_pipeline(ref=pipeline, source="web", user=who.identity, variables=listed)
    except HttpError as error:
        return _render(request, number, folder, given=texts, wrong={}, message=error_text(error), status=error.status)
    job = here.pipelines.jobs_of(made)[0]
    return RedirectResponse(f"/{here.project.path}/-/jobs/{job['id']}", status_code=303)


def _ref_of(request: Request, number: int) -> str:
    """Return the ref of a job's pipeline."""
    pipeline = context(request).pipelines.get(find_job(request, number)["pipeline_id"])
    if pipeline is None:
        raise_not_found()
    return str(pipeline["ref"])


def _render(
    request: Request, number: int, folder: str, *, given: dict[str, str], wrong: dict[str, str], message: str,
    status: int = 200,
) -> Response:  # fmt: skip
    here, who = context(request), session(request)
    job = find_job(request, number)
    archive = Archive(here.data.job(number).artifacts)
    found = archive.package(folder)
    names = _names(archive, folder, found)
    title = str(found.get("process", {}).get("path", "process"))
    return page(
        request,
        "package.html",
        who,
        status=status,
        job=job,
        folder=folder,
        package=found,
        fields=_fields(found),
        given=given,
        wrong=wrong,
        message=message,
        picture=picture.draw(picture.interface_graph(found["interface"], title=title)),
        whole_picture=_whole_picture(archive, folder, title),
        documents=_documents(archive, folder, sorted(names)),
        more=max(0, len(names) - _MOST_DOCUMENTS),
        runs=_runs(request, archive, number, folder, found),
    )


def _runs(
    request: Request, archive: Archive, number: int, folder: str, found: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the latest runs of a package, each with its jobs."""
    here = context(request)
    names = (found["process"].get("path"), folder.rpartition("/")[2])
    is_only = len(archive.packages()) == 1
    listed: list[dict[str, Any]] = []
    for row in runs_of_package(here.pipelines.database, number, limit=_MOST_RUNS):
        process = next((one["value"] for one in row["variables"] if one["key"] == "package_process"), "")
        if is_only or process in names:
            mine = [dict(job) for job in here.pipelines.jobs_of(row["id"], with_retried=False)]
            if mine:
                listed.append({**row, "word": pipeline_status(row["status"], mine), "jobs": mine})
    return listed


def _names(archive: Archive, folder: str, found: Mapping[str, Any]) -> list[str]:
    """List a package's files, without those of other packages below its folder."""
    below = tuple(f"{one}/" for one in archive.packages() if one.startswith(f"{folder}/"))[:_MOST_SHOWN]
    listed = found.get("documents")
    own = {f"{folder}/{name}" for name in listed} if isinstance(listed, list) else set[str]()
    names = [name for name in archive.sizes() if name.startswith(f"{folder}/")]
    return [name.removeprefix(f"{folder}/") for name in names if name in own or not name.startswith(below)]


def _fields(found: Mapping[str, Any]) -> list[run_form.Field]:
    """Return the fields of a package's form.

    Raises:
        ValueError or another error of `_MALFORMED`: packmill did not write the interface.
    """
    lists = [found["interface"].get(name, []) for name in ("inputs", "stage_in", "outputs")]
    if not all(isinstance(one, list) and len(one) <= _MOST_INPUTS for one in lists):
        raise ValueError("an interface needs lists that fit on a page")
    return run_form.fields(found["interface"])


def _whole_picture(archive: Archive, folder: str, title: str) -> str:
    """Draw the package's workflow with its staging, or its tool if it has none; return an empty text on failure."""
    names = archive.sizes()
    name = next(one for one in ("workflow.cwl", "process.cwl") if f"{folder}/{one}" in names)
    if names[f"{folder}/{name}"] > _LARGEST_DRAWN:
        return ""
    try:
        text = archive.read(f"{folder}/{name}").decode()
        if not _is_plain(text):
            return ""
        document = YAML(typ="safe", pure=True).load(text)
        return picture.draw(picture.graph_of(document, title=title)) if isinstance(document, dict) else ""
    except (YAMLError, yaml.YAMLError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return ""


def _is_plain(text: str) -> bool:
    """Return whether YAML is short and has no aliases, which could multiply it; packmill writes none."""
    events = list(islice(yaml.parse(text, Loader=_LOADER), _MOST_EVENTS + 1))
    return len(events) <= _MOST_EVENTS and not any(isinstance(event, yaml.AliasEvent) for event in events)


def _documents(archive: Archive, folder: str, names: list[str]) -> dict[str, str | None]:
    """Return the texts of a package's documents, None for those that do not fit on a page."""
    found: dict[str, str | None] = {}
    left = _MOST_TEXT
    for name in names[:_MOST_DOCUMENTS]:
        found[name] = _text(archive, f"{folder}/{name}") if left > 0 else None
        left -= len(found[name] or "")
    return found


def _text(archive: Archive, name: str) -> str | None:
    """Return a document's text, None if it is not text or too long."""
    if not name.endswith(_TEXTS) or archive.sizes()[name] > _LONGEST_TEXT:
        return None
    return archive.read(name).decode("utf-8", "replace")
