"""The parts of a running service that its API and its pages use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from fastapi import Request

from generator.service.access import Access
from generator.service.hooks.dispatcher import Dispatcher
from generator.service.http_errors import HttpError, queue_full
from generator.service.jobs.environment import problem_of, rule_variables
from generator.service.jobs.scheduler import Scheduler
from generator.service.lookups.lookups import Lookups
from generator.service.metrics import ServiceMetrics
from generator.service.notebooks.pages import NotebookPages
from generator.service.project.project import Commit, GitUnavailableError, Project
from generator.service.retention.keeper import Keeper
from generator.service.runs.recording import may_have_secrets, run_record
from generator.service.store import audit
from generator.service.store.database import Within
from generator.service.store.hooks import Hooks
from generator.service.store.job_folders import DataFolder
from generator.service.store.masking import mask_value
from generator.service.store.pipelines import Pipelines, Variables
from generator.service.store.queue_limits import QueueFullError
from generator.service.store.runs import Runs, add_run
from generator.service.store.schedules import Schedules
from generator.service.store.tokens import Identity
from generator.shared.errors import UsageError


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the service of one project; ``address`` is set where a proxy hides the real one."""

    project: Project
    pipelines: Pipelines
    scheduler: Scheduler
    access: Access
    data: DataFolder
    address: str | None
    signing_key: bytes
    notebooks: NotebookPages
    metrics: ServiceMetrics
    dispatcher: Dispatcher
    schedules: Schedules
    lookups: Lookups
    keeper: Keeper

    @property
    def hooks(self) -> Hooks:
        """The hooks of the project."""
        return self.dispatcher.hooks

    @property
    def runs(self) -> Runs:
        """The runs of packages."""
        return Runs(self.pipelines.database)

    def base(self, request: Request) -> str:
        """Return the service's address as the client wrote it."""
        return self.address or str(request.base_url).rstrip("/")

    def check_quota(self) -> None:
        """Check whether a pipeline may start or be retried, or a manual job start: each stores more.

        Raises:
            HttpError: 507, the storage quota is reached.
        """
        if full := self.keeper.problem():
            raise HttpError(507, {"message": {"base": [full]}})

    def start_pipeline(
        self,
        *,
        ref: str,
        source: str,
        user: Identity,
        variables: Variables,
        schedule: int | None = None,
        within: Within = lambda _connection, _number: None,
        files: Path | None = None,
    ) -> int:
        """Create a pipeline for a ref; return its number.

        ``within`` adds to the transaction; ``files`` were received for a run (`generator.service.store.run_files`).

        Raises:
            HttpError: 400, the ref does not exist, its pipeline file is invalid, its rules select no job, or no program
                can get one of the variables; 429, too many pipelines have not ended; 507, the storage quota is reached.
        """
        problems = filter(None, (problem_of(one["key"], one["value"]) for one in variables))
        if problem := next(problems, ""):
            raise HttpError(400, {"message": {"base": [problem]}})
        revision = self.project.resolve(ref)
        if revision is None:
            raise HttpError(400, {"message": {"base": ["Reference not found"]}})
        try:
            file = self.project.file(revision.sha)
        except UsageError as error:
            raise HttpError(400, {"message": {"base": [str(error)]}}) from None
        requested = {one["key"]: one["value"] for one in variables}
        known = rule_variables(self.project, ref=revision.ref, tag=revision.tag, source=source, requested=requested)
        selected = file.jobs_for(known)
        if not selected:
            why = "Pipeline will not run for the selected trigger. The rules configuration prevented any jobs from "
            raise HttpError(400, {"message": {"base": [why + "being added to the pipeline."]}})
        self.data.uploads.note_use(requested.get("table", ""))  # before its pipeline is stored, nothing else keeps it
        self.check_quota()
        record = run_record(self.data, variables)
        if may_have_secrets(record, variables):
            variables = [{**one, "once": True} if one["key"] == "inputs" else one for one in variables]

        def add(connection: sa.Connection, number: int) -> None:
            if record:
                add_run(connection, number, record)
            self.data.run_files.remove(number)  # of a pipeline with this number whose transaction failed
            if files:
                self.data.run_files.keep(files, number)
                audit.record(connection, audit.Event.FILE_UPLOADED, f"pipeline {number}")
            within(connection, number)

        shown = {name: mask_value(name, value) for name, value in known.items()}
        try:
            return self.pipelines.create(
                revision,
                selected,
                stages=file.stages,
                source=source,
                user=user,
                variables=variables,
                name=file.name_for(shown),
                schedule=schedule,
                within=add,
            )
        except QueueFullError as error:
            raise queue_full(str(error)) from None


def commit_of(project: Project, sha: str) -> Commit | None:
    """Return a commit, cached because it never changes; None if it is missing, or git fails for now."""
    try:
        return _commit_of(project, sha)
    except (LookupError, GitUnavailableError):
        return None


@lru_cache(maxsize=256)
def _commit_of(project: Project, sha: str) -> Commit:
    found = project.commit(sha)
    if found is None:
        raise LookupError(sha)
    return found


def context(request: Request) -> Context:
    """Return the context of the service that handles a request."""
    found: Context = request.app.state.context
    return found
