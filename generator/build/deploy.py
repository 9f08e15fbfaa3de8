"""Deploy the packages of a build to a platform with OGC API - Processes, after their images were pushed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.build.job import BuildJob
from generator.documents.context import DocumentContext
from generator.documents.cwl.application import workflow_id
from generator.image.build import BuiltImage
from generator.platforms.connection import Connection, connect
from generator.platforms.deployment import Deployable, check_holder, deploy, read_classes
from generator.platforms.platform import Platform
from generator.process.process import Process
from generator.progress import Progress
from generator.request.credentials import deploy_token
from generator.request.settings import Settings
from generator.shared.errors import PublishError
from generator.shared.safe_text import printable


def check_platform(job: BuildJob) -> None:
    """Check, before anything is built, that the platform of a request takes its processes.

    Raises:
        PublishError: the platform cannot be reached, processes cannot be deployed to it, or two have one identifier.
        PlaceTakenError: it has the process of another repository by the same identifier.
    """
    platform = job.request.platform
    if not platform:
        return
    first: dict[str, str] = {}
    for process in job.processes:
        identifier = workflow_id(_context(job, process))
        if (other := first.setdefault(identifier, process.path)) != process.path:
            raise PublishError(
                f"{printable(process.path)} and {printable(other)} both have the identifier {printable(identifier)}, "
                "by which a platform knows one process: give one of them another id in its metadata"
            )
    with _connection(platform, job.settings) as connection:
        read_classes(connection)
        if job.request.replace:
            return
        for process in job.processes:
            context = _context(job, process)
            check_holder(connection, workflow_id(context), context.metadata.code_repository)


def deploy_packages(job: BuildJob, image: BuiltImage, progress: Progress) -> tuple[str, ...]:
    """Deploy the packages of a build, or replace those of earlier builds; return the addresses of the processes.

    Raises:
        PublishError: the platform refuses a package.
        PlaceTakenError: it has the process of another repository by the same identifier.
    """
    platform = job.request.platform
    if not platform:
        return ()
    if not job.request.registry:
        progress.warn(f"{image.reference} is not pushed by this build; the platform pulls it from its registry")
    packages = [_read_package(job, process, folder) for process, folder in job.packages]
    with _connection(platform, job.settings) as connection:
        classes = read_classes(connection)
        return tuple(
            _deploy(connection, one, classes, replace=job.request.replace, progress=progress) for one in packages
        )


def _deploy(
    connection: Connection, package: Deployable, classes: frozenset[str], *, replace: bool, progress: Progress
) -> str:
    with progress.step(f"Deploying {package.identifier} to {connection.platform.address}"):
        done = deploy(connection, package, classes, replace=replace)
        how = "queued by the platform" if done.pending else "replaced" if done.replaced else "deployed"
        progress.say(f"{done.address}: {how}")
    return done.address


@contextmanager
def _connection(platform: Platform, settings: Settings) -> Iterator[Connection]:
    with connect(platform, token=deploy_token(platform, settings), policy=settings.platforms) as connection:
        yield connection


def _read_package(job: BuildJob, process: Process, folder: Path) -> Deployable:
    return Deployable(
        package=json.loads((folder / "ogcapppkg.json").read_text(encoding="utf-8")),
        cwl=(folder / "application.cwl").read_text(encoding="utf-8"),
        repository=_context(job, process).metadata.code_repository,
    )


def _context(job: BuildJob, process: Process) -> DocumentContext:
    """Return the context of a process for its identifier and its repository, which depend on no image."""
    return DocumentContext(process=process, source=job.source, image="")
