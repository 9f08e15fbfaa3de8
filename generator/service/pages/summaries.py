"""What a pipeline is about, in a line: its notebook, the commit, and the values that it was started with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode

from generator.package.job_numbers import job_number
from generator.repository.places import repository_identity
from generator.service.archives import PackageEntry, list_packages
from generator.service.store.database import Row
from generator.service.store.job_folders import DataFolder
from generator.shared.safe_text import redacted

_ELSEWHERE = ("repository", "checkout", "process", "package", "package_process", "inputs")
_MOST_VALUES, _LONGEST, _LONGEST_QUERY = 6, 60, 4000


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The parts of a row; those that are not known are empty."""

    is_run: bool
    process: str
    repository: str
    checkout: str = ""
    commit: str = ""
    values_shown: tuple[tuple[str, str], ...] = ()


def requested_variables(pipeline: Row) -> dict[str, str]:
    """Return the variables that a pipeline was started with, without passwords in URLs."""
    return {one["key"]: redacted(one["value"]) for one in pipeline["variables"] if one["value"]}


def form_to_repeat(pipeline: Row, home: str, data: DataFolder) -> str:
    """Return the address of the form that starts a pipeline again: with its values, except secret ones.

    The form of a run is the package's own, with the values that may be read; it is empty without the package.
    """
    requested = requested_variables(pipeline)
    if package := requested.get("package", ""):
        number = job_number(package)
        folder = _package_of_run(requested, data).folder
        if not folder:
            return ""
        if requested.get("table") or requested.get("product"):
            return f"{home}/jobs/{number}/map/{quote(folder)}#run"
        return f"{home}/jobs/{number}/package/{quote(folder)}?repeat={pipeline['id']}#run"
    shown = {one["key"]: one["value"] for one in pipeline["variables"] if one["value"] and not one.get("hidden")}
    query = urlencode({**shown, "ref": pipeline["ref"]}, errors="replace")
    return f"{home}/pipelines/new?{query}" if len(query) <= _LONGEST_QUERY else ""


def summarize(pipeline: Row, jobs: Iterable[Mapping[str, Any]], data: DataFolder, *, with_values: bool) -> Summary:
    """Summarize a pipeline; a run has the notebook and the commit of its package."""
    requested = requested_variables(pipeline)
    secret = {one["key"] for one in pipeline["variables"] if one.get("hidden")}
    values = tuple(
        (name, value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…")
        for name, value in requested.items()
        if with_values and name not in secret and name not in _ELSEWHERE
    )[:_MOST_VALUES]
    is_run = bool(requested.get("package"))
    entry = _package_of_run(requested, data) if is_run else _package_of_build(jobs, data)
    wanted = requested.get("package_process" if is_run else "process", "")
    return Summary(
        is_run=is_run,
        process=wanted.replace("\n", ", ") or entry.process,
        repository=_short(requested.get("repository") or entry.address),
        checkout=requested.get("checkout") or entry.checkout,
        commit=entry.commit,
        values_shown=values,
    )


def _short(address: str) -> str:
    """Return owner and name of a repository's address, or the address if it has another form."""
    parts = repository_identity(address).rstrip("/").split("/")
    return "/".join(parts[-2:]) if len(parts) > 1 else address


def _package_of_build(jobs: Iterable[Mapping[str, Any]], data: DataFolder) -> PackageEntry:
    left = (job for job in jobs if job["artifacts_size"])
    return next((entry for job in left for entry in list_packages(data.job(job["id"]).artifacts)), _UNKNOWN)


def _package_of_run(requested: Mapping[str, str], data: DataFolder) -> PackageEntry:
    number, process = job_number(requested["package"]), requested.get("package_process", "").strip()
    if number is None:
        return _UNKNOWN
    file = data.job(number).artifacts
    entries = list_packages(file) if file.is_file() else ()
    chosen = (one for one in entries if process in (one.process, PurePosixPath(one.folder).name))
    return next(chosen, entries[0] if entries else _UNKNOWN)


_UNKNOWN = PackageEntry(folder="")
