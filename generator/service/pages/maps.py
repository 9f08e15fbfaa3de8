"""The form that runs a package for every row of a table, and the action that runs a map's failed rows again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from generator.service.api.generic_packages import largest
from generator.service.api.jobs import find_job
from generator.service.api.parameters import read_parameters
from generator.service.api.uploads import UploadForm, read_upload_form
from generator.service.archives import Archive
from generator.service.context import Context, context
from generator.service.http_errors import HttpError, error_text, raise_not_found
from generator.service.pages import run_form
from generator.service.pages.map_progress import JOB
from generator.service.pages.rendering import page
from generator.service.pages.sessions import check_writer_form, require_writer, session
from generator.service.pages.submissions import submit_once
from generator.service.slow_requests import run_slowly
from generator.service.store import states
from generator.service.store.audit import Event, record
from generator.service.store.database import despite_outages
from generator.service.store.tokens import Identity
from generator.service.tables.check import TableRequest, find_mistakes
from generator.shared.errors import UsageError

router = APIRouter(prefix="/jobs/{number:int}")
_NUMBERS = {"row_retries": "Further attempts", "max_failures": "Failed rows at most"}
_TEXTS = ("product", "values", *_NUMBERS)
_MOST_INPUTS = 1000


@router.get("/map/{folder:path}")
def map_page(request: Request, number: int, folder: str) -> Response:
    """Show the form."""
    return _form(request, number, folder, given={})


@router.post("/map/{folder:path}")
async def start(request: Request, number: int, folder: str) -> Response:
    """Check the table, and run the package for its rows as a new pipeline."""
    await run_in_threadpool(require_writer, request)  # before a large body is read; the form's token follows
    form = await read_upload_form(request, largest=largest)
    create = partial(run_slowly, _start, request, number, folder, form)
    return await submit_once(request, form.texts, create, files=filter(None, (form.file,)))


@router.post("/resume")
async def resume(request: Request, number: int) -> Response:
    """Run the rows of a map that failed or are missing, as a new pipeline."""
    given = await read_parameters(request)
    return await submit_once(request, given, partial(run_in_threadpool, _resume, request, number, given))


def _start(request: Request, number: int, folder: str, form: UploadForm) -> Response:
    here, who = context(request), check_writer_form(request, form.texts)
    given = {name: form.texts.get(name, "").replace("\r\n", "\n").strip() for name in _TEXTS}
    wrong = [f"{label}: enter a whole number" for name, label in _NUMBERS.items() if not _is_count(given[name])]
    if (form.file is None) == (not given["product"]):
        wrong.append("choose a table, or enter lists of values")
    if wrong:
        return _form(request, number, folder, given=given, wrong=wrong)
    archive = Archive(here.data.job(find_job(request, number)["id"]).artifacts)
    package = archive.package(folder)
    with TemporaryDirectory(prefix="packmill-table-") as temporary:
        name = _save(form, Path(temporary))
        asked = TableRequest(
            table=name,
            product=given["product"].splitlines(),
            values=given["values"].splitlines(),
            local=here.scheduler.takes_local_files,
        )
        wrong, more = find_mistakes(asked, archive, folder, Path(temporary))
        if wrong:
            return _form(request, number, folder, given=given, wrong=wrong, more=more)
        table = _keep_table(here, Path(temporary, name)) if name else ""
    process = str(package["process"].get("path") or "") if len(archive.packages()) > 1 else ""
    variables = {"package": str(number), "package_process": process, "table": table, **given}
    try:
        place = _run(here, _ref(here, number), variables, who.identity)
    except HttpError as error:
        return _form(request, number, folder, given=given, wrong=[error_text(error)], status=error.status)
    return RedirectResponse(f"/{here.project.path}/-/{place}", status_code=303)


def _resume(request: Request, number: int, given: Mapping[str, Any]) -> Response:
    here, who = context(request), check_writer_form(request, given)
    job = find_job(request, number)
    pipeline = here.pipelines.get(job["pipeline_id"])
    if pipeline is None or job["name"] != JOB or job["status"] not in states.finished:
        raise_not_found()
    try:
        restored = here.data.hidden.restore(pipeline["id"], pipeline["variables"])
    except UsageError as error:
        raise HttpError(400, {"message": str(error)}) from None
    variables = {one["key"]: one["value"] for one in restored}
    if any(name.startswith("results/.packmill-map/") for name in Archive(here.data.job(number).artifacts).sizes()):
        variables["resume"] = str(number)  # else it goes on from the job that this one went on from, if any
    place = _run(here, str(pipeline["ref"]), variables, who.identity)
    return RedirectResponse(f"/{here.project.path}/-/{place}", status_code=303)


def _keep_table(here: Context, file: Path) -> str:
    table = here.data.uploads.keep_table(file)
    with here.pipelines.database.transaction() as connection:
        record(connection, Event.FILE_UPLOADED, table)
    return table


def _run(here: Context, ref: str, variables: Mapping[str, str], user: Identity) -> str:
    """Start a pipeline with the variables that have a value; return the path of its job, or its own path."""
    listed = [{"key": name, "value": value, "variable_type": "env_var"} for name, value in variables.items() if value]
    pipeline = here.start_pipeline(ref=ref, source="web", user=user, variables=listed)
    with despite_outages():
        return f"jobs/{here.pipelines.jobs_of(pipeline)[0]['id']}"
    return f"pipelines/{pipeline}"


def _ref(here: Context, number: int) -> str:
    """Return the ref of a job's pipeline."""
    job = here.pipelines.job(number)
    pipeline = here.pipelines.get(job["pipeline_id"]) if job else None
    if pipeline is None:
        raise_not_found()
    return str(pipeline["ref"])


def _is_count(text: str) -> bool:
    return re.fullmatch(r"[0-9]{0,9}", text) is not None


def _save(form: UploadForm, folder: Path) -> str:
    """Write the table of a form into a folder; return its name, empty without a table."""
    if form.file is None:
        return ""
    stem, dot, ending = (form.file.filename or "").rpartition("/")[2].rpartition(".")
    name = re.sub(r"[^A-Za-z0-9.+-]", "_", stem)[:100].lstrip("._+-") or "table"
    path = folder / (name + dot + re.sub(r"[^A-Za-z0-9]", "", ending)[:20].lower())
    with path.open("wb") as target:
        shutil.copyfileobj(form.file.file, target)
    return path.name


def _form(
    request: Request, number: int, folder: str, *, given: Mapping[str, str], wrong: list[str] | None = None,
    more: int = 0, status: int = 200,
) -> Response:  # fmt: skip
    who = session(request)
    job = find_job(request, number)
    found = Archive(context(request).data.job(number).artifacts).package(folder)
    try:
        fields = run_form.fields(found["interface"])[:_MOST_INPUTS]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
        raise HttpError(400, {"message": "This package cannot run: packmill did not write its package.json."}) from None
    return page(
        request, "map.html", who, status=400 if wrong and status == 200 else status, job=job, folder=folder,
        fields=fields, given={name: given.get(name, "") for name in _TEXTS}, wrong=wrong or [],
        more=more, largest=largest,
    )  # fmt: skip
