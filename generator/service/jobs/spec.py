"""What a shepherd is told of its job; the docstring of `generator.service.jobs.shepherd` has the words."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from generator.service.archives import Archive
from generator.service.jobs import environment
from generator.service.jobs.environment import Surroundings
from generator.service.jobs.isolation import Isolation, home_links, local_destination
from generator.service.project.pipeline_file import Job
from generator.service.project.project import Project
from generator.service.store.database import Database, Row, jobs, pipelines, row, rows
from generator.service.store.job_folders import DataFolder
from generator.shared.errors import UsageError

_LOCKS = ("requirements.lock",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What jobs may take: how many at once, how often one is tried, bytes of its log and of its artifacts."""

    concurrent: int = 2
    attempts: int = 3
    trace: int = 64 << 20
    artifacts: int = 4 << 30


def job_spec(
    number: int,
    token: str,
    *,
    database: Database,
    around: Surroundings,
    data: DataFolder,
    limits: Limits,
    isolation: Isolation,
) -> dict[str, Any]:
    """The spec of a job that is about to start; its log is told which variables it does not get.

    Raises:
        UsageError: the job is gone, or the project's pipeline file has it no more.
    """
    job, pipeline, earlier = _rows(database, number)
    asked = data.hidden.restore(pipeline["id"], pipeline["variables"])
    file = around.project.file(pipeline["sha"])
    described = next((one for one in file.jobs if one.name == job["name"]), None)
    if described is None:
        raise UsageError(f"the project's pipeline has no job {job['name']!r} any more")
    values, left_out = environment.environment(
        around,
        pipeline=pipeline,
        asked={one["key"]: one["value"] for one in asked},
        job=job,
        file=file,
        dotenv={name: value for one in earlier for name, value in one["dotenv"].items()},
        job_variables=described.variables,
        token=token,
        work=data.work(number),
    )
    for name in left_out:
        data.job(number).note(f"WARNING: the variable {name!r} is not one of this pipeline's; it is not set")
    ready = _ready_environment(around.project, pipeline["sha"])
    shared = _shared(values, ready, around, data)
    values.setdefault("PYTHON", str(Path(sys.base_prefix) / "bin" / "python3"))  # one that a job can reach
    values |= ready | _own_places(number, data, isolation)
    archives = (data.job(one["id"]).artifacts for one in earlier)
    return {
        "script": described.script,
        "environment": values,
        "project": str(around.project.folder),
        "sha": pipeline["sha"],
        "work": str(data.work(number)),
        "temporary": str(data.temporary(number)),
        "home": {name: str(path) for name, path in home_links(isolation.home).items()} if isolation.home else {},
        "user": isolation.user,
        "files": isolation.files(data, number, shared=shared, read=(around.project.folder,)),
        "label": data.label(number),
        "artifacts": [str(archive) for archive in archives if archive.is_file()],
        "keep": _kept(described),
        "timeout": described.timeout,
        "trace_limit": limits.trace,
        "artifacts_limit": limits.artifacts,
        "secrets": environment.secrets(values, token, secret_inputs=_secret_inputs(data, values)),
    }


def _rows(database: Database, number: int) -> tuple[Row, Row, list[Row]]:
    """A job, its pipeline, and the jobs of earlier stages in their order."""
    with database.reading() as connection:
        mine = sa.select(jobs.c.pipeline_id).where(jobs.c.id == number).scalar_subquery()
        pipeline = row(connection, sa.select(pipelines).where(pipelines.c.id == mine))
        siblings = rows(connection, sa.select(jobs).where(jobs.c.pipeline_id == mine))
    job = next((one for one in siblings if one["id"] == number), None)
    if pipeline is None or job is None:
        raise UsageError("the pipeline was deleted")
    earlier = [one for one in siblings if one["stage_index"] < job["stage_index"] and not one["retried"]]
    return job, pipeline, sorted(earlier, key=lambda one: (one["stage_index"], one["id"]))


def _secret_inputs(data: DataFolder, values: Mapping[str, str]) -> frozenset[str]:
    """The inputs that are secret, of the package that a job runs."""
    number = values.get("package", "")
    if not number.isdecimal() or len(number) > 9:
        return frozenset()
    return Archive(data.job(int(number)).artifacts).secret_inputs()


def _ready_environment(project: Project, sha: str) -> dict[str, str]:
    """The virtual environment that the service itself runs in, where the job's commit asks for the same one."""
    here, code = Path(sys.prefix), Path(__file__).resolve().parents[3]
    if all((here / name).is_file() for name in _LOCKS):  # made by scripts/virtual-environment, which leaves them there
        same = project.same_files(sha, _LOCKS, here)
    else:
        same = project.same_files(sha, ("pyproject.toml",), code)
    return {"PACKMILL_VENV": str(here)} if same and (here / "bin" / "python").exists() else {}


def _own_places(number: int, data: DataFolder, isolation: Isolation) -> dict[str, str]:
    """Return the variables that keep a job to its own folders, and that tell its containers from others."""
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


def _shared(values: dict[str, str], ready: dict[str, str], around: Surroundings, data: DataFolder) -> tuple[Path, ...]:
    """Return what a job may write besides its own folders.

    The caches of packages are for jobs that make a virtual environment: others could plant something in them.
    """
    deposit = local_destination(values.get("destination", ""), data) if around.local_repositories else ()
    caches = [values[name] for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR") if values.get(name)]
    return (*deposit, *(() if ready else (data.cache, *map(Path, caches))))


def _kept(described: Job) -> dict[str, Any]:
    kept = described.artifacts
    return {"paths": kept.paths, "when": kept.when, "junit": kept.junit, "dotenv": kept.dotenv}
