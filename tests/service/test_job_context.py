"""What a job's environment is made of, where strangers may start pipelines."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from generator.containers.machine_memory import ordinary_memory
from generator.service.jobs.environment import JobContext, job_environment

_PIPELINE = {
    **dict.fromkeys(("ref", "source", "user"), "main"),
    "variables": [],
    "tag": False,
    "sha": "0" * 40,
    "id": 1,
    "created_at": 0.0,
}


@pytest.mark.parametrize(
    ("local", "own", "guard"),
    [
        (False, {}, "1"),
        (False, {"PACKMILL_STAGE_GUARD": "0"}, "0"),
        (True, {}, None),
        (True, {"PACKMILL_STAGE_GUARD": "1"}, "1"),
    ],
)
def test_jobs_that_others_start_keep_to_public_addresses(local: bool, own: dict[str, str], guard: str | None) -> None:
    """A service that only its own machine reaches leaves that to whoever runs it, as it leaves local files."""
    found = _environment(_job_context(own=own, local_repositories=local))

    assert found.get("PACKMILL_STAGE_GUARD") == guard


@pytest.mark.parametrize(
    ("jobs", "own", "memory"),
    [
        (1, {}, None),
        (3, {}, ordinary_memory() // 3),
        (3, {"PACKMILL_RUN_MEMORY": ""}, ordinary_memory() // 3),
        (3, {"PACKMILL_RUN_MEMORY": "700"}, 700),
    ],
)
def test_jobs_that_run_at_once_share_the_memory(jobs: int, own: dict[str, str], memory: int | None) -> None:
    found = _environment(_job_context(own=own, jobs_at_once=jobs))

    assert found.get("PACKMILL_RUN_MEMORY") == (None if memory is None else str(memory))


def _job_context(**options: Any) -> JobContext:
    project = cast("Any", SimpleNamespace(path="a/b", name="b", id=1, default_branch="main"))
    given = {"address": "http://x", "inside": "http://x", "local_repositories": True, **options}
    return JobContext(project=project, **given)


def _environment(job_context: JobContext) -> dict[str, str]:
    job = {"id": 1, "name": "run", "stage": "run", "started_at": None}

    found, _ = job_environment(
        job_context,
        pipeline=cast("Any", _PIPELINE),
        requested={},
        job=cast("Any", job),
        file=cast("Any", SimpleNamespace(variables=())),
        dotenv={},
        job_variables={},
        token="t",
        work=Path("/work"),
    )
    return found
