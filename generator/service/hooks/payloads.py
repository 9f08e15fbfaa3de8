"""The bodies of hooks: GitLab's pipeline and job events.

Source: https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from generator.service.project.project import Commit, Project
from generator.service.store import states
from generator.service.store.outbox import JOB, RUN

_NO_COMMIT = "0" * 40
_Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Payloads:
    """The bodies of one project's events; ``address`` is the service's for people.

    ``variables_of`` returns the variables of a pipeline, none if it was deleted: events lack long ones.
    ``describe_run`` returns what a pipeline ran, and why it failed, by its jobs at that moment.
    """

    project: Project
    address: str
    commit_of: Callable[[str], Commit | None]
    variables_of: Callable[[int], Iterable[_Row]] = lambda _number: ()
    describe_run: Callable[[_Row, list[_Row]], Mapping[str, Any]] = lambda _pipeline, _jobs: {}

    def body(self, event: str, happened: _Row) -> dict[str, Any]:
        """Return the body of an event, from the state that `generator.service.store.outbox` stored."""
        pipeline, jobs = happened["pipeline"], happened["jobs"]
        if event == JOB:
            job = next(one for one in jobs if one["id"] == happened["job"])
            return self._job_event(pipeline, jobs, job)
        found = self._pipeline_event(pipeline, jobs)
        return {**found, "run": self._run(pipeline, jobs)} if event == RUN else found

    def _pipeline_event(self, pipeline: _Row, jobs: list[_Row]) -> dict[str, Any]:
        current = states.latest(jobs)
        commit = self.commit_of(pipeline["sha"])
        variables = pipeline["variables"]
        if variables is None:
            variables = self.variables_of(pipeline["id"])
        return {
            "object_kind": "pipeline",
            "object_attributes": {
                "id": pipeline["id"],
                "iid": pipeline["id"],
                "name": pipeline.get("name"),
                "ref": pipeline["ref"],
                "tag": pipeline["tag"],
                "sha": pipeline["sha"],
                "before_sha": _NO_COMMIT,
                "source": pipeline["source"],
                "status": pipeline["status"],
                "detailed_status": states.label(pipeline["status"], warned=states.has_warnings(jobs)),
                "stages": list(dict.fromkeys(job["stage"] for job in current)),
                "created_at": _time(pipeline["created_at"]),
                "finished_at": _time(pipeline["finished_at"]),
                "duration": _whole(states.active_seconds(jobs)) if pipeline["finished_at"] else None,
                "queued_duration": _whole(states.seconds_between(pipeline["created_at"], pipeline["started_at"])),
                "variables": [{"key": one["key"], "value": one["value"]} for one in variables],
                "url": self._page("pipelines", pipeline["id"]),
            },
            "merge_request": None,
            "user": _user(pipeline),
            "project": self._project(),
            "commit": self._commit(commit) if commit else None,
            "builds": [self._build(job, pipeline) for job in current],
        }

    def _run(self, pipeline: _Row, jobs: list[_Row]) -> dict[str, Any]:
        """Return the part that GitLab's event lacks: what ran, why it failed, and where people see it."""
        described = dict(self.describe_run(pipeline, jobs))
        page = self._page("runs" if described.get("package") else "pipelines", pipeline["id"])
        return {"id": pipeline["id"], "status": pipeline["status"], "reason": None, "url": page, **described}

    def _build(self, job: _Row, pipeline: _Row) -> dict[str, Any]:
        kept = job["artifacts_size"]
        return {
            "id": job["id"],
            "stage": job["stage"],
            "name": job["name"],
            "status": job["status"],
            "created_at": _time(job["created_at"]),
            "started_at": _time(job["started_at"]),
            "finished_at": _time(job["finished_at"]),
            "duration": states.seconds_between(job["started_at"], job["finished_at"]),
            "queued_duration": states.seconds_between(job["queued_at"], job["started_at"]),
            "failure_reason": job["failure_reason"],
            "when": job["when"],
            "manual": job["when"] == "manual",
            "allow_failure": job["allow_failure"],
            "user": _user(pipeline),
            "runner": None,
            "artifacts_file": {"filename": "artifacts.zip" if kept else None, "size": kept},
            "environment": None,
        }

    def _job_event(self, pipeline: _Row, jobs: list[_Row], job: _Row) -> dict[str, Any]:
        commit = self.commit_of(pipeline["sha"])
        project = self._project()
        return {
            "object_kind": "build",
            "ref": pipeline["ref"],
            "tag": pipeline["tag"],
            "before_sha": _NO_COMMIT,
            "sha": pipeline["sha"],
            "build_id": job["id"],
            "build_name": job["name"],
            "build_stage": job["stage"],
            "build_status": job["status"],
            "build_created_at": _time(job["created_at"]),
            "build_started_at": _time(job["started_at"]),
            "build_finished_at": _time(job["finished_at"]),
            "build_duration": states.seconds_between(job["started_at"], job["finished_at"]),
            "build_queued_duration": states.seconds_between(job["queued_at"], job["started_at"]),
            "build_allow_failure": job["allow_failure"],
            "build_failure_reason": job["failure_reason"] or "unknown_failure",
            "pipeline_id": pipeline["id"],
            "runner": None,
            "project_id": self.project.id,
            "project_name": project["namespace"] + " / " + self.project.name,
            "user": _user(pipeline),
            "commit": {
                "id": pipeline["id"],  # GitLab's own: the pipeline's
                "name": pipeline.get("name"),
                "sha": pipeline["sha"],
                "message": commit.message if commit else None,
                "author_name": commit.author if commit else None,
                "author_email": commit.email if commit else None,
                "author_url": f"mailto:{commit.email}" if commit else None,
                "status": pipeline["status"],
                "duration": _whole(states.active_seconds(jobs)) if pipeline["finished_at"] else None,
                "started_at": _time(pipeline["started_at"]),
                "finished_at": _time(pipeline["finished_at"]),
            },
            "repository": {
                "name": self.project.name,
                "url": project["git_ssh_url"],
                "description": project["description"],
                "homepage": project["web_url"],
                "git_http_url": project["git_http_url"],
                "git_ssh_url": project["git_ssh_url"],
                "visibility_level": 0,
            },
            "project": project,
            "environment": None,
        }

    def _project(self) -> dict[str, Any]:
        page = f"{self.address}/{self.project.path}"
        return {
            "id": self.project.id,
            "name": self.project.name,
            "description": "Packages notebooks: image, CWL, descriptors",
            "web_url": page,
            "avatar_url": None,
            "git_ssh_url": f"{page}.git",
            "git_http_url": f"{page}.git",
            "namespace": self.project.path.rpartition("/")[0],
            "visibility_level": 0,
            "path_with_namespace": self.project.path,
            "default_branch": self.project.default_branch,
            "ci_config_path": None,
        }

    def _commit(self, commit: Commit) -> dict[str, Any]:
        return {
            "id": commit.sha,
            "message": commit.message,
            "title": commit.title,
            "timestamp": commit.time,
            "url": f"{self.address}/{self.project.path}/-/commit/{commit.sha}",
            "author": {"name": commit.author, "email": commit.email},
        }

    def _page(self, kind: str, number: int) -> str:
        return f"{self.address}/{self.project.path}/-/{kind}/{number}"


def _user(pipeline: _Row) -> dict[str, Any]:
    name = pipeline["user"]
    return {"id": pipeline.get("user_id") or 0, "name": name, "username": name, "avatar_url": None, "email": ""}


def _time(seconds: float | None) -> str | None:
    """Format a time as GitLab's hooks do."""
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
