"""A package: its interface, a picture of its workflow, its documents, how to run it, and a form that does."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from starlette.concurrency import run_in_threadpool

from generator.places import repository_identity
from generator.service.answers import AnswerError, not_found
from generator.service.api.jobs import find_job
from generator.service.api.parameters import read_parameters
from generator.service.context import context
from generator.service.database import jobs, rows
from generator.service.pages import picture, run_form
from generator.service.pages.archives import Archive, repository_address
from generator.service.pages.pipelines import said
from generator.service.pages.rendering import page
from generator.service.pages.sessions import session, writing

router = APIRouter()
_LARGEST_DRAWN = 1 << 18
_MOST_SHOWN = 50
_TEXTS = (".cwl", ".json", ".yml", ".yaml", ".md", ".txt", ".csv")


@router.get("/packages")
def packages_page(request: Request) -> Response:
    """The packages that the youngest pipelines made: the latest of each place and repository."""
    here, who = context(request), session(request)
    wanted = (
        sa.select(jobs)
        .where(jobs.c.status == "success", jobs.c.artifacts_size.is_not(None), jobs.c.name.in_(("build", "publish")))
        .order_by(jobs.c.id.desc())
        .limit(300)
    )
    with here.pipelines.database.reading() as connection:
        found = rows(connection, wanted)
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    for job in found:
        place = job["dotenv"].get("PACKMILL_PACKAGE", "")
        if not place or len(shown) == _MOST_SHOWN:
            continue
        file = here.data.job(job["id"]).artifacts
        address = repository_address(file)
        # two hosts may have one place; a package that does not say where it is from hides no other
        key = place, repository_identity(address) or str(job["id"])
        if key not in shown:
            image = job["dotenv"].get("PACKMILL_IMAGE", "")
            shown[key] = {
                "place": place,
                "address": address,
                "job": job,
                "folders": Archive(file).packages(),
                "image": image,
            }
    return page(request, "packages.html", who, packages=list(shown.values()))


@router.get("/jobs/{number:int}/package/{folder:path}")
def package_page(request: Request, number: int, folder: str) -> Response:
    """One package."""
    return _shown(request, number, folder, given={}, wrong={}, message="")


@router.post("/jobs/{number:int}/package/{folder:path}")
async def run(request: Request, number: int, folder: str) -> Response:
    """Runs the package with the values of the form, as a pipeline of its own."""
    given = await read_parameters(request)
    return await run_in_threadpool(_run, request, number, folder, given)


def _run(request: Request, number: int, folder: str, given: dict[str, Any]) -> Response:
    here, who = context(request), writing(request, given)
    archive = Archive(here.data.job(number).artifacts)
    found = archive.package(folder)
    texts = {name: str(value) for name, value in given.items()}
    values, wrong = run_form.values(texts, run_form.fields(found["interface"]))
    if wrong:
        return _shown(request, number, folder, given=texts, wrong=wrong, message="Some values do not fit.", status=400)
    variables = {"package": str(number), "inputs": json.dumps(values, ensure_ascii=False)}
    if len(archive.packages()) > 1:
        variables["package_process"] = folder.rpartition("/")[2]
    listed = [{"key": name, "value": value, "variable_type": "env_var"} for name, value in variables.items()]
    try:
        pipeline = _ref_of(request, number)
        made = here.start_pipeline(ref=pipeline, source="web", user=who.identity.name, variables=listed)
    except AnswerError as error:
        return _shown(request, number, folder, given=texts, wrong={}, message=said(error), status=error.status)
    job = here.pipelines.jobs_of(made)[0]
    return RedirectResponse(f"/{here.project.path}/-/jobs/{job['id']}", status_code=303)


def _ref_of(request: Request, number: int) -> str:
    """The ref of the pipeline that a job belongs to."""
    pipeline = context(request).pipelines.get(find_job(request, number)["pipeline_id"])
    if pipeline is None:
        not_found()
    return str(pipeline["ref"])


def _shown(
    request: Request, number: int, folder: str, *, given: dict[str, str], wrong: dict[str, str], message: str,
    status: int = 200,
) -> Response:  # fmt: skip
    here, who = context(request), session(request)
    job = find_job(request, number)
    archive = Archive(here.data.job(number).artifacts)
    found = archive.package(folder)
    names = [name.removeprefix(f"{folder}/") for name in archive.sizes() if name.startswith(f"{folder}/")]
    return page(
        request,
        "package.html",
        who,
        status=status,
        job=job,
        folder=folder,
        package=found,
        fields=run_form.fields(found["interface"]),
        given=given,
        wrong=wrong,
        message=message,
        picture=_picture(archive, folder, str(found.get("process", {}).get("path", "process"))),
        documents={name: _text(archive, f"{folder}/{name}") for name in sorted(names)},
    )


def _picture(archive: Archive, folder: str, title: str) -> str:
    """The workflow where the package has one, otherwise the tool."""
    names = archive.sizes()
    name = next(one for one in ("workflow.cwl", "process.cwl") if f"{folder}/{one}" in names)
    if names[f"{folder}/{name}"] > _LARGEST_DRAWN:
        return ""
    try:
        document = YAML(typ="safe", pure=True).load(archive.read(f"{folder}/{name}").decode())
        return picture.svg(picture.graph_of(document, title=title)) if isinstance(document, dict) else ""
    except (YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        return ""


def _text(archive: Archive, name: str) -> str | None:
    """A document to be read in the page; None for what is no text or too long."""
    if not name.endswith(_TEXTS) or archive.sizes()[name] > 200_000:
        return None
    return archive.read(name).decode("utf-8", "replace")
