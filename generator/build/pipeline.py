"""The order of the steps: from a request to a package on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from generator.build.address_checks import check_addresses
from generator.build.publish import (
    address,
    check_room,
    fetch_cached,
    find_pushed,
    holder_of,
    keep_cached,
    publish_package,
    push_image,
    push_staging_image,
)
from generator.build.record import keep_of
from generator.containers.podman import check_engine
from generator.documents.cwl.workflow import stages
from generator.documents.facts import Facts
from generator.documents.package import example_files, package
from generator.environment.checkout import environment_of
from generator.environment.environment import Environment
from generator.environment.requested import place
from generator.image import names as image
from generator.image.build import BuiltImage, ImageSpec, ensure_image
from generator.image.check import check_process
from generator.image.environment.plan import Lock
from generator.image.staging import StagingSpec, ensure_staging_image
from generator.image.store import ImageStore
from generator.image.walls import ensure_build_wall
from generator.package.engines import cwltool as cwl
from generator.package.folder import make_room, replace_folder
from generator.package.job_file import read_job
from generator.process.process import Process, read_process
from generator.process.undeclared import undeclared
from generator.progress import Progress
from generator.repository import fetch as git
from generator.repository.source import Source
from generator.request.build import BuildRequest, check_localities
from generator.request.settings import Settings, fetch_token
from generator.shared.safe_text import redacted


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A package on disk."""

    folder: Path
    image: str
    image_built: bool
    changed: bool
    processes: tuple[str, ...]
    commit: str
    address: str = ""
    layers: tuple[str, ...] = ()


def build(request: BuildRequest, settings: Settings, progress: Progress) -> Built:
    """Builds the image and the packages of a request.

    Raises:
        PackmillError: whatever is wrong; no half package is left.
    """
    check_localities(request, settings)
    check_addresses(request, settings)
    if request.build_image:
        check_engine()
    with TemporaryDirectory(prefix="packmill-") as temporary:
        folder = Path(temporary, "repository")
        with progress.step(f"Fetching {request.repository.address}"):
            token = fetch_token(request.repository, settings)
            checkout = git.fetch(
                request.repository,
                request.checkout,
                folder,
                token=token,
                commit=request.commit,
                policy=settings.repositories,
                submodules=settings.submodules,
            )
            progress.say(f"{checkout.name} is commit {checkout.commit[:12]}: {checkout.title}")
            for warning in checkout.warnings:
                progress.warn(warning)
        with progress.step("Reading the interface"):
            asked = request.environment
            environment_key = place(asked, folder, settings.repositories) if asked else image.own_environment
            processes = [read_process(folder, path) for path in request.processes]
            environment = environment_of(folder, standard=request.standard)
            # packmill puts an environment that was asked for into a binder folder itself
            for sentence in environment.remarks if request.environment is None else ():
                progress.warn(sentence)
            for process in processes:
                _tell(process, progress)
                if sentence := undeclared(process, environment, folder):
                    progress.warn(sentence)
        source = _source(checkout)
        reference = request.image or image.reference(source, environment=environment_key)
        top = request.output / source.owner / source.name / source.checkout
        check_room(request, source, [target for _, target in _places(processes, top)], reference, settings)
        found, local = BuiltImage(reference=reference, built=False, digest=None), ""
        staging = _named_staging(settings) if any(map(stages, processes)) else None
        if request.build_image:
            ensure_build_wall(settings, environment, folder, progress.say)
            wanted = _wanted(request, settings, source, folder, environment, environment_key, reference, progress)
            found = ensure_image(wanted, progress)
            with progress.step(f"Checking the runner in {found.reference}"):
                processes = [check_process(process, found.reference, progress) for process in processes]
            local = found.reference
            if staging:
                staging = ensure_staging_image(_staging_spec(request, settings, found, progress), progress)
            if request.registry:
                found = push_image(found, request.registry, settings, progress)
                if staging:
                    staging = push_staging_image(staging, request.registry, settings, progress)
        kept = keep_of(found, source, request, settings, local=local)
        with progress.step("Writing the package"):
            changed = False
            make_room(top, holder_of(source), several=len(processes) > 1, replace=request.replace)
            for process, target in _places(processes, top):
                facts = replace(
                    _facts(source, checkout, process, found.reference, request),
                    guard=settings.stage_guard,
                    guard_allows=settings.stage_allow,
                    staging_image=staging.reference if staging and stages(process) else "",
                )
                files = package(
                    facts,
                    address=address(request, target),
                    environment=_shown_environment(environment, request.environment, environment_key),
                    image_digest=found.digest,
                    staging_digest=staging.digest if staging and stages(process) else None,
                    tools={
                        tool: version(tool) for tool in ("jupyter-repo2docker", "papermill", "cwl-utils", "cwltool")
                    },
                    examples=example_files(folder, process),
                    build=kept.record,
                    of_the_image=kept.texts,
                )
                changed |= replace_folder(target, files, check=_check_documents, replace=request.replace)
        publish_package(request, source, top, found, settings=settings, progress=progress)
        return Built(
            folder=top,
            image=found.reference,
            image_built=found.built,
            layers=found.layers,
            changed=changed,
            processes=request.processes,
            commit=checkout.commit,
            address=address(request, top),
        )


def _wanted(  # noqa: PLR0917 - every word once, in the order of the steps that found it
    request: BuildRequest,
    settings: Settings,
    source: Source,
    folder: Path,
    environment: Environment,
    environment_key: str,
    reference: str,
    progress: Progress,
) -> ImageSpec:
    return ImageSpec(
        reference=reference,
        source=source,
        folder=folder,
        environment=environment,
        environment_key=environment_key,
        base_image=request.base_image or settings.base_image,
        lock=Lock(name=request.lock[0], text=request.lock[1]) if request.lock else None,
        standard=request.standard,
        store=_store(request, settings, progress),
        find_pushed=partial(find_pushed, request.registry, reference, settings=settings),
    )


def _store(request: BuildRequest, settings: Settings, progress: Progress) -> ImageStore:
    return ImageStore(
        fresh=request.fresh,
        fetch=partial(fetch_cached, settings=settings, progress=progress),
        keep=partial(keep_cached, settings=settings, progress=progress),
    )


def _named_staging(settings: Settings) -> BuiltImage:
    """The staging image as documents name it that are written without an image."""
    return BuiltImage(reference=image.staging_reference(settings.base_image), built=False, digest=None)


def _staging_spec(request: BuildRequest, settings: Settings, found: BuiltImage, progress: Progress) -> StagingSpec:
    """The staging image's base is never the repository's or the package's: its steps see credentials."""
    return StagingSpec(
        base_image=settings.base_image,
        store=_store(request, settings, progress),
        made_runner=found.runner,
        find_pushed=partial(find_pushed, request.registry, settings=settings),
    )


def _source(checkout: git.Checkout) -> Source:
    return Source(
        address=checkout.repository.address,
        owner=checkout.repository.owner,
        name=checkout.repository.name,
        checkout=checkout.name,
        commit=checkout.commit,
        title=checkout.title,
        time=checkout.time,
    )


def _facts(source: Source, checkout: git.Checkout, process: Process, reference: str, request: BuildRequest) -> Facts:
    return Facts(
        process=process,
        owner=source.owner,
        name=source.name,
        checkout=source.checkout,
        commit=source.commit,
        address=source.address,
        message=checkout.message,
        time=source.time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"),
        image=reference,
        network=request.network,
        output_template=request.output_template,
    )


def _shown_environment(environment: Environment, asked: str | None, key: str) -> tuple[str, ...]:
    """The environment's files; for one that was asked for, what was asked and the digest of its content."""
    return environment.files if asked is None else (f"{redacted(asked)} ({key})",)


def _tell(process: Process, progress: Progress) -> None:
    interface = process.interface
    progress.say(f"{process.path}: {len(interface.inputs)} inputs, {len(interface.outputs)} outputs")
    for remark in interface.warnings:
        where = f"{process.path} line {remark.line}" if remark.line else process.path
        progress.warn(f"{where}: {remark.message}")


def _places(processes: list[Process], top: Path) -> list[tuple[Process, Path]]:
    """A package's folder: the checkout's for one process, one below it each for several, named as short as can be."""
    if len(processes) == 1:
        return [(processes[0], top)]
    short = [process.name for process in processes]
    longer = [process.path.rpartition(".")[0].replace("/", "-") for process in processes]
    whole = [process.path.replace("/", "-") for process in processes]
    exact = [process.path.replace("-", "--").replace("/", "-") for process in processes]
    names = next(names for names in (short, longer, whole, exact) if len(set(names)) == len(names) or names is exact)
    return [(process, top / name) for process, name in zip(processes, names, strict=True)]


def _check_documents(folder: Path) -> None:
    """A package's documents, loaded back before they get their final name."""
    cwl.load(folder / "process.cwl")
    read_job(folder / "inputs.yml")
