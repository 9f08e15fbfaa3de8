"""The form of a package, submitted: run it now, or at the times of a schedule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from generator.service.api.jobs import find_job
from generator.service.archives import Archive
from generator.service.context import Context, context
from generator.service.http_errors import HttpError, error_text, raise_not_found
from generator.service.pages import run_form
from generator.service.pages.form_fields import Field
from generator.service.pages.packages import MALFORMED, NOT_SHOWN, package_fields, render_package, state_of_run
from generator.service.pages.run_uploads import RunForm, read_run_form
from generator.service.pages.sessions import check_writer_form, session
from generator.service.pages.submissions import submit_once
from generator.service.schedules.checks import FieldError, check_fields
from generator.service.schedules.creation import create_schedule
from generator.service.schedules.notification import checked_target
from generator.service.slow_requests import run_with_names
from generator.service.store.run_files import SameNameError, add_file, add_link
from generator.service.store.tokens import Identity
from generator.shared.removal import remove_tree
from generator.shared.safe_text import printable

router = APIRouter()
_READ_ONLY = "Your access token can only read. Sign in with a token that has the scope api."


class InvalidFormError(Exception):
    """A form with mistakes: by field, or as a message about the whole form."""

    def __init__(self, message: str, wrong: Mapping[str, str] | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.wrong, self.status = message, wrong or {}, status


@router.post("/jobs/{number:int}/package/{folder:path}")
async def submit(request: Request, number: int, folder: str) -> Response:
    """Run the package with the values of the form as a new pipeline, or make a schedule that does."""
    await run_in_threadpool(_check_writer, request)  # before files are read; the form's token follows
    form = await read_run_form(request)
    try:
        create = partial(run_with_names, form.texts, "notify_url", _submit, request, number, folder, form)
        return await submit_once(request, form.texts, create, files=chain.from_iterable(form.files.values()))
    finally:
        await form.close()


def _check_writer(request: Request) -> None:
    if not session(request).identity.may_write:
        raise HttpError(403, {"message": _READ_ONLY})


def _submit(request: Request, number: int, folder: str, form: RunForm) -> Response:
    here, who = context(request), check_writer_form(request, form.texts)
    find_job(request, number)
    received = here.data.run_files.receive()
    try:
        return _start(request, (number, folder), form, received, who.identity)
    except InvalidFormError as error:
        earlier = state_of_run(request, number, folder, form.texts.get("repeated", ""))
        kept = {name: paths for name, paths in earlier.files.items() if form.texts.get(f"keep-{name}")}
        state = replace(earlier, given=form.texts, wrong=error.wrong, message=error.message, files=kept)
        return render_package(request, number, folder, state=state, status=error.status)
    except MALFORMED:
        raise HttpError(400, {"message": NOT_SHOWN}) from None
    finally:
        remove_tree(received)


def _start(request: Request, place: tuple[int, str], form: RunForm, received: Path, user: Identity) -> Response:
    here, (number, folder) = context(request), place
    archive = Archive(here.data.job(number).artifacts)
    package = archive.package(folder)
    known = package_fields(package)
    asked_again = state_of_run(request, number, folder, form.texts.get("repeated", "")).asked_again
    files = _files(here, form, known, received)
    values, wrong = run_form.values(form.texts, known, files, asked_again=asked_again)
    if wrong:
        raise InvalidFormError("Some values are invalid.", wrong)
    variables = {"package": str(number), "inputs": json.dumps(values, ensure_ascii=False)}
    if len(archive.packages()) > 1:
        process = package["process"].get("path")
        variables["package_process"] = process if isinstance(process, str) else folder.rpartition("/")[2]
    listed = [{"key": name, "value": value, "variable_type": "env_var"} for name, value in variables.items()]
    target = form_target(here, form.texts)
    ref = _ref_of(request, number)
    home = f"/{here.project.path}/-"
    if form.texts.get("action") == "schedule":
        if any(received.iterdir()):
            raise InvalidFormError("A schedule cannot keep uploaded files. Give their addresses instead.")
        form.texts["description"] = form.texts.get("description") or f"run of {folder.removeprefix('packages/')}"
        fields = _schedule_fields(here, form, ref)
        made = create_schedule(here, listed, user=user, target=target, active=True, **fields)
        if made is None:
            raise InvalidFormError("There are too many schedules. Delete one.")
        return RedirectResponse(f"{home}/schedules/{made}", status_code=303)

    def notify(connection: sa.Connection, pipeline: int) -> None:
        if target:
            here.hooks.add_notification(connection, url=target[0], token=target[1], pipeline=pipeline)

    stored = received if any(received.iterdir()) else None
    try:
        made = here.start_pipeline(ref=ref, source="web", user=user, variables=listed, within=notify, files=stored)
    except HttpError as error:
        raise InvalidFormError(error_text(error), status=error.status) from None
    return RedirectResponse(f"{home}/runs/{made}", status_code=303)


def _schedule_fields(here: Context, form: RunForm, ref: str) -> dict[str, Any]:
    texts = {name: form.texts.get(name, "").strip() for name in ("description", "cron", "cron_timezone")}
    texts["cron_timezone"] = texts["cron_timezone"] or "UTC"
    try:
        return check_fields(here.project, {**texts, "ref": ref})
    except FieldError as error:
        raise InvalidFormError("The schedule is invalid.", {error.field: error.message}) from None


def _files(here: Context, form: RunForm, known: list[Field], received: Path) -> dict[str, list[dict[str, Any]]]:
    """Store the uploads of the form, and those of the repeated run that it keeps; return them by field."""
    found: dict[str, list[dict[str, Any]]] = {}
    for field in known:
        if not field.takes_files:
            continue
        try:
            for path in filter(None, map(str.strip, form.texts.get(f"keep-{field.id}", "").split("\n"))):
                kept = here.data.run_files.find(_repeated(form), path)
                if kept is None:
                    missing = f"{path} of the repeated run is not stored; upload it"
                    raise InvalidFormError("Some values are invalid.", {field.id: missing})
                found.setdefault(field.id, []).append(add_link(received, field=field.id, file=kept))
            for upload in form.files.get(field.id, ()):
                name = printable(upload.filename or "")
                added = add_file(received, field=field.id, name=name, content=upload.file)
                found.setdefault(field.id, []).append(added)
        except SameNameError as error:
            raise InvalidFormError("Some values are invalid.", {field.id: str(error)}) from None
        except OSError as error:
            raise InvalidFormError(f"The files cannot be stored: {error.strerror}.", status=507) from None
    return found


def _repeated(form: RunForm) -> int:
    text = form.texts.get("repeated", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def form_target(here: Context, texts: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the address and the token of a form's notification, None without an address.

    Raises:
        InvalidFormError: one of them is invalid, or the policy refuses the address.
    """
    try:
        return checked_target(here, texts)
    except FieldError as error:
        raise InvalidFormError("The address to notify is invalid.", {error.field: error.message}) from None


def _ref_of(request: Request, number: int) -> str:
    """Return the ref of a job's pipeline."""
    pipeline = context(request).pipelines.get(find_job(request, number)["pipeline_id"])
    if pipeline is None:
        raise_not_found()
    return str(pipeline["ref"])
