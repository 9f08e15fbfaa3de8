"""The spec of a job for its shepherd; the docstring of `generator.service.jobs.shepherd` describes the fields."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from generator.package.job_numbers import job_number
from generator.resources import checkout_folder, is_installed
from generator.service.archives import Archive
from generator.service.jobs import environment
from generator.service.jobs.environment import JobContext
from generator.service.jobs.isolation import Isolation, home_links, local_destination
from generator.service.project.pipeline_file import Job
from generator.service.project.project import Project
from generator.service.store.database import Database, Row, jobs, pipelines, row, rows
from generator.service.store.job_folders import DataFolder
from generator.shared.errors import UsageError

_LOCKS = ("requirements.lock",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits on jobs: how many run at once, attempts at each, and bytes of a job's log and artifacts."""

    concurrent: int = 2
    attempts: int = 3
    trace: int = 64 << 20
    artifacts: int = 4 << 30


def job_spec(
    number: int,
    token: str,
    *,
    database: Database,
    job_context: JobContext,
    data: DataFolder,
    limits: Limits,
    isolation: Isolation,
) -> dict[str, Any]:
    """Return the spec of a job that is about to start, and note in its log which variables are left out.

    Raises:
        UsageError: the job was deleted, or the pipeline file no longer has it.
    """
    job, pipeline, earlier = _rows(database, number)
    requested = data.hidden.restore(pipeline["id"], pipeline["variables"])
    file = job_context.project.file(pipeline["sha"])
    described = next((one for one in file.jobs if one.name == job["name"]), None)
    if described is None:
        raise UsageError(f"the project's pipeline no longer has a job {job['name']!r}")
    values, left_out = environment.job_environment(
        job_context,
        pipeline=pipeline,
        requested={one["key"]: one["value"] for one in requested},
        job=job,
        file=file,
        dotenv={name: value for one in earlier for name, value in one["dotenv"].items()},
        job_variables=described.variables,
        token=token,
        work=data.work(number),
    )
    for name in left_out:
        data.job(number).note(f"WARNING: variable {name!r}: not declared in the pipeline file; ignored")
    ready = _own_virtual_environment(job_context.project, pipeline["sha"])
    shared = _shared_folders(values, ready, job_context, data, isolation)
    values.setdefault("PYTHON", str(Path(sys.base_prefix) / "bin" / "python3"))  # one that a confined job can read
    values |= ready | _folder_variables(number, data, isolation)
    key = environment.signing_key_file(environment.without_signing_key(job_context.own, job["name"]))
    archives = (data.job(one["id"]).artifacts for one in earlier)
    return {
        "script": described.script,
        "environment": values,
        "project": str(job_context.project.folder),
        "sha": pipeline["sha"],
        "work": str(data.work(number)),
        "temporary": str(data.temporary(number)),
        "home": {name: str(path) for name, path in home_links(isolation.home).items()} if isolation.home else {},
        "user": isolation.user,
        "files": isolation.files(data, number, shared=shared, read=(job_context.project.folder, *key)),
        "label": data.label(number),
        "artifacts": [str(archive) for archive in archives if archive.is_file()],
        "files_of_run": [(str(file), path) for file, path in data.run_files.listed(pipeline["id"])],
        "keep": _artifact_rules(described),
        "timeout": described.timeout,
        "trace_limit": limits.trace,
        "artifacts_limit": limits.artifacts,
        "secrets": environment.secrets_to_mask(values, token, secret_inputs=secret_inputs(data, values)),
    }


def _rows(database: Database, number: int) -> tuple[Row, Row, list[Row]]:
    """Return a job, its pipeline, and the jobs of earlier stages in order."""
    with database.connection() as connection:
        mine = sa.select(jobs.c.pipeline_id).where(jobs.c.id == number).scalar_subquery()
        pipeline = row(connection, sa.select(pipelines).where(pipelines.c.id == mine))
        siblings = rows(connection, sa.select(jobs).where(jobs.c.pipeline_id == mine))
    job = next((one for one in siblings if one["id"] == number), None)
    if pipeline is None or job is None:
        raise UsageError("the pipeline was deleted")
    earlier = [one for one in siblings if one["stage_index"] < job["stage_index"] and not one["retried"]]
    return job, pipeline, sorted(earlier, key=lambda one: (one["stage_index"], one["id"]))


def secret_inputs(data: DataFolder, values: Mapping[str, str]) -> frozenset[str] | None:
    """Return the secret inputs of the package that a job runs; None if they are unknown.

    The package may be stored before the job fetches it, or its job have too many packages to read.
    """
    if not (given := values.get("package", "").strip()):
        return frozenset()
    number = job_number(given)
    archive = None if number is None else Archive(data.job(number).artifacts)
    return archive.secret_inputs() if archive and archive.file.is_file() else None


def _own_virtual_environment(project: Project, sha: str) -> dict[str, str]:
    """Return a variable with the service's own virtual environment if the job's commit needs the same one."""
    here, code = Path(sys.prefix), Path(__file__).resolve().parents[3]
    if all(
        (here / name).is_file() for name in _LOCKS
    ):  # created by scripts/virtual-environment, which keeps its lock files there
        same = project.same_files(sha, _LOCKS, here)
    else:
        same = project.same_files(sha, ("pyproject.toml",), code) or _is_bundled(project, sha)
    return {"PACKMILL_VENV": str(here)} if same and (here / "bin" / "python").exists() else {}


def _is_bundled(project: Project, sha: str) -> bool:
    """Whether a commit is that of an installed packmill, which starts pipelines without any code of its own."""
    return is_installed() and project.same_files(sha, ("build.sh", ".gitlab-ci.yml"), checkout_folder())


def _folder_variables(number: int, data: DataFolder, isolation: Isolation) -> dict[str, str]:
    """Return the variables that limit a job to its own folders and label its containers."""
    home = data.temporary(number) / "home"
    return {
        "TMPDIR": str(data.temporary(number)),
        "HOME": str(home),
        "BUILDX_CONFIG": str(home / ".docker" / "buildx"),
        "XDG_CACHE_HOME": str(data.cache),
        "PACKMILL_CONTAINER_LABEL": data.label(number),
        **({"USER": isolation.user, "LOGNAME": isolation.user} if isolation.user else {}),
        **({"PACKMILL_CONFINED": "1"} if isolation.confined or isolation.user else {}),
    }


def _shared_folders(
    values: dict[str, str], ready: dict[str, str], job_context: JobContext, data: DataFolder, isolation: Isolation
) -> tuple[Path, ...]:
    """Return the folders that a job may write in addition to its own.

    Only jobs that create a virtual environment get the package caches: others could poison them.
    """
    named = values.get("destination", "") if job_context.local_repositories else ""
    deposit = local_destination(named, isolation.private(data))
    caches = [values[name] for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR") if values.get(name)]
    return (*deposit, *(() if ready else (data.cache, *map(Path, caches))))


def _artifact_rules(described: Job) -> dict[str, Any]:
    kept = described.artifacts
    return {"paths": kept.paths, "when": kept.when, "junit": kept.reports.junit, "dotenv": kept.reports.dotenv}
