"""Everything that a request handler needs: one value at ``request.app.state.context``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from generator.runner.server.access import Access, Identity
from generator.runner.server.catalogue import Catalogue
from generator.runner.server.durability import Durability
from generator.runner.server.events import RunEvents
from generator.runner.server.operation.metrics import Metrics
from generator.runner.server.runs.folder import RunFolder, run_folder
from generator.runner.server.runs.model import Run
from generator.runner.server.runs.store import RunMissingError, RunStore
from generator.runner.server.schedules.store import ScheduleStore
from generator.runner.server.storage import NotebookStorage
from generator.runner.server.tokens.role import Role
from generator.runner.server.values.file_rules import FileRules
from generator.runner.server.workers.pool import WorkerPool
from generator.runner.template_store import TemplateStore

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of the server; times in seconds, sizes in bytes."""

    queue: int = 100
    """Runs that may wait."""
    queue_per_token: int | None = None
    """Runs of one token that may wait."""
    body: int = 16 * 1024**2
    """Size of a request's body without uploads."""
    upload: int = 1024**3
    """Size of a request's body with uploads (``multipart/form-data``)."""
    wait: float = 60.0
    """The longest that a request waits for its run (`Prefer: wait`)."""
    run_time: float | None = None
    cell_time: float | None = None
    run_output: int = 0
    """What a run may write; 0 for any size."""
    run_files: int = 0
    """Files and folders that a run may write; 0 for any number."""
    retention: float = 7 * 86_400.0
    """How long ended runs are kept."""
    retained_size: int | None = None
    """The disk space of ended runs."""


@dataclass(kw_only=True, slots=True)
class Context:
    """The parts of one server."""

    catalogue: Catalogue
    store: RunStore
    schedules: ScheduleStore
    events: RunEvents
    access: Access
    data: Path
    storage: NotebookStorage
    templates: TemplateStore
    limits: Limits
    base_url: str = ""
    """The path, percent-encoded and without a slash at its end, below which a proxy offers the server."""
    home_of: str | None = None
    """The user whose home is the served folder (`generator.runner.server.home_api`)."""
    home: Path = Path()
    """The served folder as its user knows it: absolute, perhaps through links."""
    readable: tuple[str, ...] = ()
    """Patterns of paths in the served folder that callers may name as files."""
    fetch_urls: bool = False
    """Whether runs fetch files from addresses that callers name."""
    workers: WorkerPool | None = None
    """Set when the application starts; None in one that only answers."""
    deaths: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """The names of workers that died."""
    metrics: Metrics = field(default_factory=Metrics)
    durability: Durability = field(init=False)
    draining: bool = False
    """Whether the server waits for running runs to end, and begins none."""

    def __post_init__(self) -> None:
        self.durability = Durability(self.store.sync)

    @property
    def file_rules(self) -> FileRules:
        """Which files callers may name."""
        return FileRules(
            root=self.catalogue.root,
            readable=self.readable,
            left_out=self.catalogue.left_out,
            fetch_urls=self.fetch_urls,
            homes=() if self.home_of is None else (str(self.home), str(self.catalogue.root)),
        )

    async def stored(
        self, call: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Call a method of the store, or a function that does: in a thread if it waits for a network."""
        if self.store.blocking:
            return await run_in_threadpool(call, *arguments, **named)
        return call(*arguments, **named)

    def address(self, path: str) -> str:
        """Return the address of a resource, as clients have to call it, for its path on this server."""
        return f"{self.base_url}{path}"

    def folder(self, run_id: str) -> RunFolder:
        """Return the folder of a run."""
        return run_folder(self.data, run_id)

    async def find_run(self, identity: Identity, run_id: str) -> Run:
        """Return a run that a caller may see.

        Raises:
            RunMissingError: there is no such run, or the caller may not know of it.
        """
        run = await self.stored(self.store.get, run_id)
        if not identity.sees(run):
            raise RunMissingError(run_id)
        return run

    def wake(self) -> None:
        """Tell a worker that a run waits."""
        if self.workers is not None:
            self.workers.wake()


def context_of(request: Request) -> Context:
    """Return the context of a request's application."""
    context: Context = request.app.state.context
    return context


def own_path(request: Request) -> str:
    """Return the path of a request without the one below which a proxy offers the server."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def absolute_address(request: Request) -> str:
    """Return the server's absolute address, as the client of a request reached it, without a slash at its end.

    It is only a path if the request does not tell a valid host.
    """
    base_url = context_of(request).base_url
    return str(request.url.replace(path=base_url, query="", fragment="")) if request.url.hostname else base_url


async def find_run(request: Request, run_id: str, role: Role = "read") -> tuple[Context, Run]:
    """Return the context and the run of a request whose caller needs a role and may see the run.

    Raises:
        ProblemError: the caller may not (`Access.require`).
        RunMissingError: there is no such run, or the caller may not know of it.
    """
    context = context_of(request)
    identity = context.access.require(request, role)
    return context, await context.find_run(identity, run_id)
