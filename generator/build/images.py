"""The images of a build: the package's own, and that of its staging steps."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from generator.build.job import BuildJob
from generator.build.publish import fetch_cached, find_pushed, keep_cached, push_image, push_staging_image
from generator.documents.cwl.workflow import has_staging
from generator.image import names
from generator.image.build import BuiltImage, ImageSpec, ensure_image
from generator.image.check import check_process
from generator.image.environment.plan import Lock
from generator.image.formats import needs_format_readers
from generator.image.staging import StagingSpec, ensure_staging_image
from generator.image.store import ImageStore
from generator.image.walls import ensure_build_wall
from generator.process.process import describe_repository
from generator.progress import Progress
from generator.shared.safe_text import redacted


def build_image(job: BuildJob, progress: Progress) -> BuiltImage:
    """Find or build the package's image; without an image in the request, return its name alone.

    Raises:
        EnvironmentSpecError, EngineMissingError, ImageBuildError: the image cannot be built.
    """
    if not job.request.build_image:
        return BuiltImage(reference=job.reference, built=False, digest=None)
    base = job.request.base_image
    ensure_build_wall(job.settings, job.environment, job.folder, progress.say, base_image=base)
    return ensure_image(_image_spec(job, progress), progress)


def check_runner(job: BuildJob, image: BuiltImage, progress: Progress) -> BuildJob:
    """Check that the image can run the processes, and return the job with the kernels that run them.

    Raises:
        RunnerCheckError: a process cannot run in the image.
    """
    if not job.request.build_image:
        return job
    with progress.step(f"Checking the runner in {image.reference}"):
        declared_in = redacted(job.request.environment or job.environment.declared_in)
        processes = tuple(
            check_process(
                process,
                image.reference,
                progress,
                folder=job.folder,
                declared_in=declared_in,
                fresh=job.request.fresh,
            )
            for process in job.processes
        )
    return replace(job, processes=processes)


def build_staging_image(job: BuildJob, image: BuiltImage, progress: Progress) -> BuiltImage | None:
    """Find or build the image of the staging steps; None for processes that stage nothing.

    Raises:
        EnvironmentSpecError, EngineMissingError, ImageBuildError: the image cannot be built.
    """
    if not any(map(has_staging, job.processes)):
        return None
    if not job.request.build_image:
        reference = names.staging_reference(job.settings.base_image, formats=_needs_formats(job))
        return BuiltImage(reference=reference, built=False, digest=None)
    return ensure_staging_image(_staging_spec(job, image, progress), progress)


def push_images(
    job: BuildJob, image: BuiltImage, staging: BuiltImage | None, progress: Progress
) -> tuple[BuiltImage, BuiltImage | None]:
    """Push both images to the registry of the request, and return them by digest.

    Raises:
        PublishError: the registry refuses an image.
    """
    registry = job.request.registry
    if not job.request.build_image or not registry:
        return image, staging
    pushed = push_image(image, registry, job.settings, progress)
    return pushed, staging and push_staging_image(staging, registry, job.settings, progress)


def _image_spec(job: BuildJob, progress: Progress) -> ImageSpec:
    request, settings = job.request, job.settings
    return ImageSpec(
        reference=job.reference,
        source=job.source,
        folder=job.folder,
        environment=job.environment,
        environment_key=job.environment_key,
        base_image=request.base_image or settings.base_image,
        lock=Lock(name=request.lock[0], text=request.lock[1]) if request.lock else None,
        standard=request.standard,
        kernel_gateway=request.kernel_gateway,
        formats=_needs_formats(job),
        metadata=describe_repository(job.folder),
        store=_store(job, progress),
        find_pushed=partial(find_pushed, _searched_registry(job), job.reference, settings=settings),
    )


def _staging_spec(job: BuildJob, image: BuiltImage, progress: Progress) -> StagingSpec:
    """Specify the staging image. Its steps see credentials: its base is never the repository's or the package's."""
    return StagingSpec(
        base_image=job.settings.base_image,
        formats=_needs_formats(job),
        store=_store(job, progress),
        made_runner=image.runner,
        find_pushed=partial(find_pushed, _searched_registry(job), settings=job.settings),
    )


def _searched_registry(job: BuildJob) -> str | None:
    return job.request.registry if job.request.reuse_pushed else None


def _needs_formats(job: BuildJob) -> bool:
    return any(map(needs_format_readers, job.processes))


def _store(job: BuildJob, progress: Progress) -> ImageStore:
    """Return where the build looks for its parts; a stranger's request adds none to the cache registry."""
    store = ImageStore(fresh=job.request.fresh, fetch=partial(fetch_cached, settings=job.settings, progress=progress))
    if job.request.untrusted:
        return store
    keep = partial(keep_cached, settings=job.settings, progress=progress, replaces=job.request.fresh)
    return replace(store, keep=keep)
