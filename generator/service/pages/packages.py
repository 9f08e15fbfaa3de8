"""The page of a package: its interface, a picture of its workflow, its documents, and a form that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import jinja2
import sqlalchemy as sa
import yaml
from fastapi import APIRouter, Request, Response
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from generator.repository.places import repository_identity
from generator.service.api.jobs import find_job
from generator.service.archives import Archive, PackageEntry, list_packages
from generator.service.context import context
from generator.service.pages import picture, run_form
from generator.service.pages.form_fields import Field
from generator.service.pages.previews import kind_of
from generator.service.pages.rendering import page
from generator.service.pages.run_views import run_rows
from generator.service.pages.sessions import session
from generator.service.store.database import jobs, rows
from generator.shared.yaml_problems import unfit_values

router = APIRouter()
_MOST_SHOWN = 50
_LARGEST_DRAWN, _MOST_EVENTS = 1 << 17, 20_000
_MOST_DOCUMENTS = 200
_MOST_INPUTS = 1000
_MOST_RUNS = 20
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, jinja2.TemplateError)
"""The errors that a ``package.json`` not written by packmill can cause."""
NOT_SHOWN = "This package is not shown: its package.json was not written by packmill."


@dataclass(frozen=True, kw_only=True, slots=True)
class FormState:
    """What the form of a package shows: texts by control, errors by field, and the run that it repeats.

    ``asked_again`` are inputs whose values in that run are not shown, ``files`` the paths of its uploads by field.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    repeated: int = 0
    asked_again: tuple[str, ...] = ()
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)


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
    """Show one package; with ``repeat``, the form has the values of this run."""
    session(request)
    try:
        state = state_of_run(request, number, folder, request.query_params.get("repeat", ""))
        return render_package(request, number, folder, state=state)
    except MALFORMED:
        return page(request, "wrong.html", session(request), code="Package", message=NOT_SHOWN)


def state_of_run(request: Request, number: int, folder: str, text: str) -> FormState:
    """Return the form with the values of an earlier run of the package, or with its defaults.

    Raises:
        HttpError: 404, the job has no such package.
        ValueError or another error of `MALFORMED`: packmill did not write the package's record.
    """
    run = context(request).runs.get(int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    if run is None or (run["job"], run["folder"]) != (number, folder):
        return FormState()
    known = package_fields(Archive(context(request).data.job(number).artifacts).package(folder))
    withheld = [field.name for field in known if field.id in run["withheld"]]
    names = tuple(dict.fromkeys([*withheld, *run_form.not_shown(run["values"], known)]))
    files = run_form.uploads(run["values"], known)
    return FormState(given=run_form.texts(run["values"], known), repeated=run["id"], asked_again=names, files=files)


def render_package(request: Request, number: int, folder: str, *, state: FormState, status: int = 200) -> Response:
    """Show a package with a form in some state.

    Raises:
        HttpError: 404, the job has no such package.
        ValueError or another error of `MALFORMED`: packmill did not write the package's record.
    """
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
        fields=run_form.shown(package_fields(found), state.given),
        form=state,
        picture=picture.draw(picture.interface_graph(found["interface"], title=title)),
        whole_picture=_whole_picture(archive, folder, title),
        documents={name: kind_of(name) == "text" for name in sorted(names)[:_MOST_DOCUMENTS]},
        more=max(0, len(names) - _MOST_DOCUMENTS),
        runs=run_rows(request, number, folder),
    )


def _names(archive: Archive, folder: str, found: Mapping[str, Any]) -> list[str]:
    """List a package's files, without those of other packages below its folder."""
    below = tuple(f"{one}/" for one in archive.packages() if one.startswith(f"{folder}/"))[:_MOST_SHOWN]
    listed = found.get("documents")
    own = {f"{folder}/{name}" for name in listed} if isinstance(listed, list) else set[str]()
    names = [name for name in archive.sizes() if name.startswith(f"{folder}/")]
    return [name.removeprefix(f"{folder}/") for name in names if name in own or not name.startswith(below)]


def package_fields(found: Mapping[str, Any]) -> list[Field]:
    """Return the fields of a package's form.

    Raises:
        ValueError or another error of `MALFORMED`: packmill did not write the interface.
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
    except (YAMLError, yaml.YAMLError, *unfit_values, RecursionError):
        return ""


def _is_plain(text: str) -> bool:
    """Return whether YAML is short and has no aliases, which could multiply it; packmill writes none."""
    events = list(islice(yaml.parse(text, Loader=_LOADER), _MOST_EVENTS + 1))
    return len(events) <= _MOST_EVENTS and not any(isinstance(event, yaml.AliasEvent) for event in events)
