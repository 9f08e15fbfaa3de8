"""The environment of a job: GitLab's predefined variables and those that the pipeline file declares.

Source: https://docs.gitlab.com/ci/variables/predefined_variables/
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path

from generator.containers.machine_memory import ordinary_memory
from generator.service.project.pipeline_file import PipelineFile
from generator.service.project.project import Project
from generator.service.store import masking
from generator.service.store.database import Row

_HOSTS = {
    "PACKMILL_GIT_TOKEN": "PACKMILL_GIT_HOST",
    "PACKMILL_REGISTRY_PASSWORD": "PACKMILL_REGISTRY_HOST",
    "PACKMILL_PUBLISH_TOKEN": "PACKMILL_PUBLISH_HOST",
    "PACKMILL_DEPLOY_TOKEN": "PACKMILL_DEPLOY_HOST",
}
"""Secrets of the operator, and for each the variable with the host that it is for."""
_FOR_PUBLISHING = ("PACKMILL_SIGN_KEY", "PACKMILL_SIGN_PASSWORD")
"""Variables of the job that publishes alone: others run code of repositories in containers, and sign nothing."""
_PUBLISHING = "publish"
_LONGEST = 32 * 4096
"""Bytes of a variable with its name, ``=`` and the null character at its end (``MAX_ARG_STRLEN``, execve(2))."""
_NOT_FOR_JOBS = ("PACKMILL_DATABASE", "PACKMILL_CI_TRIGGER_TOKEN", "PACKMILL_CI_ACCESS_TOKEN")


@dataclass(frozen=True, kw_only=True, slots=True)
class JobContext:
    """What all jobs of a service share: the project, addresses and settings.

    ``address`` is the service's address for people, ``inside`` for jobs on this machine. ``own`` are the variables that
    jobs inherit. ``jobs_at_once`` share the machine's memory.
    """

    project: Project
    address: str
    inside: str
    own: Mapping[str, str]
    local_repositories: bool
    jobs_at_once: int = 1


def problem_of(name: str, value: str) -> str:
    """Return why no program can get a variable with this value; empty if programs can."""
    if "\0" in value:
        return "Variables value cannot contain a null character"
    if len(f"{name}={value}".encode("utf-8", "replace")) >= _LONGEST:
        return f"Variables value is too long (maximum is {_LONGEST} bytes, with the name {name})"
    return ""


def job_environment(
    job_context: JobContext,
    *,
    pipeline: Row,
    requested: Mapping[str, str],
    job: Row,
    file: PipelineFile,
    dotenv: Mapping[str, str],
    job_variables: Mapping[str, str],
    token: str,
    work: Path,
) -> tuple[dict[str, str], list[str]]:
    """Return the environment of a job, and the names of requested variables that are left out of it.

    Only variables that the pipeline file declares reach a job: others, such as ``PATH`` or ``BASH_ENV``, could change
    what its programs do.
    """
    declared = {one.name: one.value for one in file.variables}
    own = {name: value for name, value in operator_variables(job_context).items() if name not in declared}
    own = without_signing_key(own, job["name"])
    given = {name: requested.get(name, value) for name, value in declared.items()}
    predefined = _predefined_variables(job_context, pipeline=pipeline, job=job, token=token, work=work)
    left_out = [name for name in requested if name not in declared]
    return {**own, **given, **job_variables, **dotenv, **predefined}, left_out


def without_signing_key(own: Mapping[str, str], job: str) -> dict[str, str]:
    """Return the variables of a job by its name: only the one that publishes gets the key."""
    return {name: value for name, value in own.items() if job == _PUBLISHING or name not in _FOR_PUBLISHING}


def signing_key_file(own: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the file that ``PACKMILL_SIGN_KEY`` names; nothing if the variable is missing or holds the key itself."""
    key = own.get("PACKMILL_SIGN_KEY", "")
    return (Path(key),) if key.startswith("/") and "\n" not in key else ()


def operator_variables(job_context: JobContext) -> dict[str, str]:
    """Return the variables of every job, from the operator's environment and the service's options."""
    own = {name: value for name, value in job_context.own.items() if name not in _NOT_FOR_JOBS}
    for secret in secrets_without_host(own):
        own.pop(secret)
        own.pop(secret.replace("PASSWORD", "USER"), None)
    if not job_context.local_repositories:
        own["PACKMILL_LOCAL_REPOSITORIES"] = "no"
        own.setdefault("PACKMILL_STAGE_GUARD", "1")
    if job_context.jobs_at_once > 1 and not own.get("PACKMILL_RUN_MEMORY"):
        own["PACKMILL_RUN_MEMORY"] = str(ordinary_memory(containers=job_context.jobs_at_once))
    return own


def secrets_without_host(own: Mapping[str, str]) -> list[str]:
    """Return the secrets without a host; a client could direct them to a host of its choice."""
    return [secret for secret, host in _HOSTS.items() if own.get(secret) and not own.get(host)]


def host_variable(secret: str) -> str:
    """Return the variable with the host that a secret is for."""
    return _HOSTS[secret]


def rule_variables(
    project: Project, *, ref: str, tag: bool, source: str, requested: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables for a pipeline's rules, which select its jobs."""
    kind = "CI_COMMIT_TAG" if tag else "CI_COMMIT_BRANCH"
    return {
        **requested,
        "CI": "true",
        "CI_PIPELINE_SOURCE": source,
        "CI_COMMIT_REF_NAME": ref,
        "CI_DEFAULT_BRANCH": project.default_branch,
        kind: ref,
    }


def secrets_to_mask(values: Mapping[str, str], token: str, *, secret_inputs: Collection[str] | None) -> list[str]:
    """Return the texts to mask in the log of a job; all of its inputs if ``secret_inputs`` are unknown."""
    in_urls = (password for value in values.values() for password in re.findall(r"://[^\s/:@]*:([^\s/@]+)@", value))
    named = masking.maskable_forms(value for name, value in values.items() if masking.is_secret(name))
    of_run = masking.secret_texts(values.get("inputs", ""), secret_inputs)
    of_map = (masking.secrets_of_assignments(values.get(name, ""), secret_inputs) for name in ("values", "product"))
    of_queries = masking.query_texts(values.values())
    of_operator = (values[name] for name in _HOSTS if values.get(name))
    return [token, *of_operator, *in_urls, *of_queries, *named, *of_run, *chain(*of_map)]


def _predefined_variables(
    job_context: JobContext, *, pipeline: Row, job: Row, token: str, work: Path
) -> dict[str, str]:
    project = job_context.project
    page = f"{job_context.address}/{project.path}"
    return {
        **rule_variables(project, ref=pipeline["ref"], tag=pipeline["tag"], source=pipeline["source"], requested={}),
        "GITLAB_CI": "true",
        "CI_API_V4_URL": f"{job_context.inside}/api/v4",
        "CI_COMMIT_SHA": pipeline["sha"],
        "CI_COMMIT_SHORT_SHA": pipeline["sha"][:8],
        "CI_JOB_ID": str(job["id"]),
        "CI_JOB_NAME": job["name"],
        "CI_JOB_STAGE": job["stage"],
        "CI_JOB_STARTED_AT": iso(job["started_at"]) or "",
        "CI_JOB_TOKEN": token,
        "CI_JOB_URL": f"{page}/-/jobs/{job['id']}",
        "CI_PIPELINE_CREATED_AT": iso(pipeline["created_at"]) or "",
        "CI_PIPELINE_ID": str(pipeline["id"]),
        "CI_PIPELINE_IID": str(pipeline["id"]),
        "CI_PIPELINE_URL": f"{page}/-/pipelines/{pipeline['id']}",
        "CI_PROJECT_DIR": str(work),
        "CI_PROJECT_ID": str(project.id),
        "CI_PROJECT_NAME": project.name,
        "CI_PROJECT_PATH": project.path,
        "CI_PROJECT_URL": page,
        "CI_SERVER": "yes",
        "CI_SERVER_NAME": "packmill",
        "CI_SERVER_URL": job_context.address,
        "GITLAB_USER_LOGIN": pipeline["user"],
    }


def iso(seconds: float | None) -> str | None:
    """Format a time as GitLab does: ISO 8601 with milliseconds, UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
