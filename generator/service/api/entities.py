"""Convert database rows to the JSON objects of GitLab's API (https://docs.gitlab.com/api/pipelines/, jobs, commits)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from generator.service.context import context
from generator.service.jobs.environment import iso
from generator.service.project.project import Commit, Project
from generator.service.store import states
from generator.service.store.database import Row

_NO_COMMIT = "0" * 40


@dataclass(frozen=True, slots=True)
class Entities:
    """The JSON objects of a project; ``address`` is the service's as the client wrote it."""

    project: Project
    address: str

    def page(self, kind: str, number: int) -> str:
        """Return the web address of a pipeline or a job."""
        return f"{self.address}{self._path(kind, number)}"

    def _path(self, kind: str, number: int) -> str:
        return f"/{self.project.path}/-/{kind}/{number}"

    def brief(self, pipeline: Row) -> dict[str, Any]:
        """Return a pipeline as it appears in lists."""
        return {
            "id": pipeline["id"],
            "iid": pipeline["id"],
            "project_id": self.project.id,
            "sha": pipeline["sha"],
            "ref": pipeline["ref"],
            "status": pipeline["status"],
            "source": pipeline["source"],
            "created_at": iso(pipeline["created_at"]),
            "updated_at": iso(pipeline["updated_at"]),
            "web_url": self.page("pipelines", pipeline["id"]),
            "name": pipeline["name"],
        }

    def started(self, number: int, *, ref: str, source: str) -> dict[str, Any]:
        """Return what is known of a pipeline that was just started, without its row."""
        known = {"id": number, "iid": number, "project_id": self.project.id, "ref": ref}
        return {**known, "status": "created", "source": source, "web_url": self.page("pipelines", number)}

    def pipeline(self, pipeline: Row, jobs: Iterable[Row] = ()) -> dict[str, Any]:
        """Return a pipeline with all its fields; ``jobs`` are its own."""
        started, finished, mine = pipeline["started_at"], pipeline["finished_at"], [dict(job) for job in jobs]
        seconds = states.pipeline_seconds(pipeline, mine)
        return {
            **self.brief(pipeline),
            "before_sha": _NO_COMMIT,
            "tag": pipeline["tag"],
            "yaml_errors": None,
            "user": self.user(pipeline["user"], pipeline["user_id"]),
            "started_at": iso(started),
            "finished_at": iso(finished),
            "committed_at": None,
            "duration": None if seconds is None else round(seconds),
            "queued_duration": round(max(0.0, started - pipeline["created_at"])) if started else None,
            "coverage": None,
            "detailed_status": self._detailed_status(pipeline, warned=states.has_warnings(mine)),
        }

    def _detailed_status(self, pipeline: Row, *, warned: bool) -> dict[str, Any]:
        status = str(pipeline["status"])
        label = states.label(status, warned=warned)
        text = {"success": "Passed", "manual": "Manual", "waiting_for_resource": "Waiting"}.get(status)
        icon, group = status, status.replace("_", "-")
        if status == "success" and warned:  # GitLab's Ci::Status::SuccessWarning
            icon, text, group = "warning", "Warning", "success-with-warnings"
        return {
            "icon": f"status_{icon}",
            "text": text or status.capitalize(),
            "label": label,
            "group": group,
            "tooltip": label,
            "has_details": True,
            "details_path": self._path("pipelines", pipeline["id"]),
            "illustration": None,
            "favicon": "/static/icon.svg",
        }

    def user(self, name: str, number: int | None) -> dict[str, Any]:
        """Return a user: a token, or one that was deleted, which has the number 0."""
        return {
            "id": number or 0,
            "username": name,
            "name": name,
            "state": "active",
            "locked": False,
            "avatar_url": None,
            "web_url": f"{self.address}/{name}",
        }

    def job(self, job: Row, pipeline: Row, commit: Commit | None, *, trace: int) -> dict[str, Any]:
        """Return a job; ``trace`` is the size of its log in bytes."""
        started, finished, queued = job["started_at"], job["finished_at"], job["queued_at"]
        kept = job["artifacts_size"]
        files = [{"file_type": "trace", "size": trace, "filename": "job.log", "file_format": None}] if started else []
        if kept:
            archive = {"file_type": "archive", "size": kept, "filename": "artifacts.zip", "file_format": "zip"}
            files.insert(0, archive)
        return {
            "id": job["id"],
            "status": job["status"],
            "stage": job["stage"],
            "name": job["name"],
            "ref": pipeline["ref"],
            "tag": pipeline["tag"],
            "coverage": None,
            "allow_failure": job["allow_failure"],
            "source": pipeline["source"],
            "created_at": iso(job["created_at"]),
            "started_at": iso(started),
            "finished_at": iso(finished),
            "erased_at": iso(job["erased_at"]),
            "duration": states.seconds_between(started, finished),
            "queued_duration": states.seconds_between(queued, started),
            "user": self.user(pipeline["user"], pipeline["user_id"]),
            "commit": self.commit(commit) if commit else None,
            "pipeline": self.brief(pipeline),
            **({"failure_reason": job["failure_reason"]} if job["failure_reason"] else {}),
            "web_url": self.page("jobs", job["id"]),
            "project": {"ci_job_token_scope_enabled": False},
            **({"artifacts_file": {"filename": "artifacts.zip", "size": kept}} if kept else {}),
            "artifacts": files,
            "runner": None,
            "runner_manager": None,
            "artifacts_expire_at": iso(job["artifacts_expire_at"]),
            "archived": False,
            "tag_list": [],
        }

    def commit_status(self, status: Row) -> dict[str, Any]:
        """Return a commit's status, which is that of a job or of another service."""
        kept = ("id", "sha", "ref", "status", "name", "description", "allow_failure", "coverage", "pipeline_id")
        return {
            **{name: status[name] for name in kept},
            "allow_failure": bool(status["allow_failure"]),
            "target_url": self.page("jobs", status["id"]) if status["is_job"] else status["target_url"],
            **{name: iso(status[name]) for name in ("created_at", "started_at", "finished_at")},
            "author": self.user(status["user"], status["user_id"]),
        }

    def commit(self, commit: Commit) -> dict[str, Any]:
        """Return a commit of the project."""
        return {
            "id": commit.sha,
            "short_id": commit.sha[:8],
            "created_at": commit.time,
            "parent_ids": list(commit.parents),
            "title": commit.title,
            "message": commit.message,
            "author_name": commit.author,
            "author_email": commit.email,
            "authored_date": commit.time,
            "committer_name": commit.author,
            "committer_email": commit.email,
            "committed_date": commit.time,
            "trailers": {},
            "web_url": f"{self.address}/{self.project.path}/-/commit/{commit.sha}",
        }

    def project_entity(self) -> dict[str, Any]:
        """Return the project."""
        owner = self.project.path.rpartition("/")[0]
        page = f"{self.address}/{self.project.path}"
        return {
            "id": self.project.id,
            "description": "Packages notebooks: image, CWL, descriptors",
            "name": self.project.name,
            "name_with_namespace": f"{owner} / {self.project.name}",
            "path": self.project.name,
            "path_with_namespace": self.project.path,
            "default_branch": self.project.default_branch,
            "web_url": page,
            "http_url_to_repo": f"{page}.git",
            "ssh_url_to_repo": f"{page}.git",
            "namespace": {"id": 1, "name": owner, "path": owner, "kind": "group", "full_path": owner, "web_url": ""},
            "visibility": "private",
            "archived": False,
            "empty_repo": False,
            "jobs_enabled": True,
            "builds_access_level": "enabled",
            "merge_requests_enabled": False,
            "issues_enabled": False,
            "topics": [],
            "tag_list": [],
        }


def test_suites(found: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the JUnit suites of jobs, each named after its job."""
    return [{**suite, "name": job["name"], "build_ids": [job["id"]]} for job in found for suite in job["tests"] or ()]


def entities_of(request: Request) -> Entities:
    """Return the entities of the request's project, with the service's address as this client wrote it."""
    here = context(request)
    return Entities(here.project, here.base(request))
