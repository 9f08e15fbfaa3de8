"""Write the packages of a build to disk."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from generator.build.job import BuildJob
from generator.build.publish import address
from generator.build.record import ImageRecord, image_texts
from generator.documents.context import DocumentContext
from generator.documents.cwl.workflow import has_staging
from generator.documents.examples import find_examples
from generator.documents.package import package
from generator.image.build import BuiltImage
from generator.package.engines.cwltool import load
from generator.package.folder import failures_named, replace_folder
from generator.package.folder_lock import locked
from generator.package.job_file import read_job
from generator.package.place import check_place, remove_replaced
from generator.process.process import Process
from generator.progress import Progress
from generator.repository.process_folders import process_folder
from generator.shared.safe_text import redacted

_TOOLS = ("jupyter-repo2docker", "papermill", "cwl-utils", "cwltool")


def write_packages(
    job: BuildJob, image: BuiltImage, staging: BuiltImage | None, record: ImageRecord, progress: Progress, *, copy: Path
) -> bool:
    """Write a package for each process; whether any file changed.

    The folder ``copy``, which no other build knows, gets the same packages at the same places, to publish them.

    Raises:
        PlaceTakenError: a folder holds the package of another repository or process.
        DocumentError: a document is not valid CWL.
    """
    with progress.step("Writing the package"):
        written = [
            (folder, _documents(job, process, folder, image=image, staging=staging, record=record))
            for process, folder in job.packages
        ]
        for folder, files in written:
            _write_copy(copy / folder.relative_to(job.request.output), files)
        with failures_named(job.request.output):
            job.request.output.mkdir(parents=True, exist_ok=True)
        with locked(job.request.output):  # the default process's folder holds those of the others
            if not job.request.replace:
                check_place(job.top, job.claim)
            changed = [_write(job, folder, files) for folder, files in written]
            for name in remove_replaced(job.top, job.claim):
                progress.say(f"removed the replaced package in {job.top / name}")
    return any(changed)


def planned_names(job: BuildJob) -> dict[str, list[str]]:
    """Return the files that each package will have, by its folder at the place, before there is an image.

    The lock of the image is left out: whether it has one is not known yet.
    """
    image = BuiltImage(reference=job.reference, built=False, digest=None)
    record = ImageRecord(texts=dict.fromkeys(image_texts(job.request), ""))
    return {
        process_folder(process.path): list(_documents(job, process, folder, image=image, staging=image, record=record))
        for process, folder in job.packages
    }


def _write(job: BuildJob, folder: Path, files: Mapping[str, str | bytes]) -> bool:
    name = folder.relative_to(job.top).as_posix()
    return replace_folder(
        folder,
        files,
        check=_check_documents,
        claim=job.claim,
        folder="" if name == "." else name,
        replace=job.request.replace,
    )


def _write_copy(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def _documents(
    job: BuildJob, process: Process, folder: Path, *, image: BuiltImage, staging: BuiltImage | None, record: ImageRecord
) -> dict[str, str | bytes]:
    own = staging if has_staging(process) else None
    return package(
        _context(job, process, folder, image=image, staging=own),
        environment=_describe_environment(job),
        image_digest=image.digest,
        staging_digest=own.digest if own else None,
        tools={tool: version(tool) for tool in _TOOLS},
        build=record.build,
        image_texts=record.texts,
    )


def _context(
    job: BuildJob, process: Process, folder: Path, *, image: BuiltImage, staging: BuiltImage | None
) -> DocumentContext:
    found = find_examples(job.folder, process)
    return DocumentContext(
        process=process,
        source=job.source,
        image=image.reference,
        staging_image=staging.reference if staging else "",
        network=job.request.network,
        output_template=job.request.output_template,
        guard=job.settings.stage_guard,
        guard_allows=job.settings.stage_allow,
        address=address(job.request, folder),
        emits=job.request.emits,
        scatter=job.request.scatter,
        example_names=found.names,
        examples=found.read(),
    )


def _describe_environment(job: BuildJob) -> tuple[str, ...]:
    """List the environment's files; for a requested environment, its path or URL and the digest of its content."""
    requested = job.request.environment
    return job.environment.files if requested is None else (f"{redacted(requested)} ({job.environment_key})",)


def _check_documents(folder: Path) -> None:
    """Load documents back before they get their final name."""
    load(folder / "process.cwl")
    read_job(folder / "inputs.yml")
