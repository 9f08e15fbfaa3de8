"""The order of the steps: from a request to a package on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timezone
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from generator import image
from generator.documents.process import Facts
from generator.environment import BuildPack, Environment, find_environment
from generator.errors import EnvironmentSpecError, RunnerCheckError
from generator.package import example_files, package
from generator.process import Process, inside, read_process, repository_files
from generator.progress import Progress
from generator.request import BuildRequest, Settings
from generator.tools import cwl, engine, git
from generator.tools.files import replace_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A package on disk."""

    folder: Path
    image: str
    image_built: bool
    changed: bool
    processes: tuple[str, ...]


def build(request: BuildRequest, settings: Settings, progress: Progress) -> Built:
    """Builds the image and the packages of a request.

    Raises:
        PackmillError: whatever is wrong; no half package is left.
    """
    with TemporaryDirectory(prefix="packmill-") as temporary:
        folder = Path(temporary, "repository")
        with progress.step(f"Fetching {request.repository.address}"):
            checkout = git.fetch(request.repository, request.checkout, folder, token=settings.git_token)
            progress.say(f"{checkout.name} is commit {checkout.commit[:12]}: {checkout.message.splitlines()[0] if checkout.message else ''}")
            for warning in checkout.warnings:
                progress.warn(warning)
        with progress.step("Reading the interface"):
            environment_key = _place_environment(request.environment, folder)
            processes = [read_process(folder, path) for path in request.processes]
            environment = checked_environment(folder)
            for process in processes:
                _tell(process, progress)
        source = _source(checkout)
        reference = request.image or image.reference(source)
        built, digest = False, None
        if request.build_image:
            built, digest = _image(source, reference, folder, environment, environment_key, settings, progress)
            with progress.step(f"Checking the runner in {reference}"):
                processes = [_checked(process, reference, progress) for process in processes]
        with progress.step("Writing the package"):
            top = request.output / source.owner / source.name / source.checkout
            changed = False
            for process, place in _places(processes, top):
                facts = _facts(source, checkout, process, reference, request)
                files = package(
                    facts,
                    environment=environment.files,
                    image_digest=digest,
                    tools={tool: version(tool) for tool in ("jupyter-repo2docker", "papermill", "cwl-utils", "cwltool")},
                    examples=example_files(folder, process),
                )
                changed |= replace_folder(place, files, check=lambda staging: cwl.load(staging / "process.cwl"))
        return Built(folder=top, image=reference, image_built=built, changed=changed, processes=request.processes)


def _source(checkout: git.Checkout) -> image.Source:
    return image.Source(
        address=checkout.repository.address,
        owner=checkout.repository.owner,
        name=checkout.repository.name,
        checkout=checkout.name,
        commit=checkout.commit,
        title=checkout.message.splitlines()[0] if checkout.message else "",
        time=checkout.time,
    )


def _facts(source: image.Source, checkout: git.Checkout, process: Process, reference: str, request: BuildRequest) -> Facts:
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
    )


def _tell(process: Process, progress: Progress) -> None:
    interface = process.interface
    progress.say(f"{process.path}: {len(interface.inputs)} inputs, {len(interface.outputs)} outputs")
    for remark in interface.warnings:
        where = f"{process.path} line {remark.line}" if remark.line else process.path
        progress.warn(f"{where}: {remark.message}")


def checked_environment(folder: Path) -> Environment:
    """The environment of a checkout, none of whose files is a link that leaves it.

    Raises:
        EnvironmentSpecError: one is, or there are two binder folders.
    """
    environment = find_environment(repository_files(folder))
    for file in environment.files:
        if inside(folder, file) is None:
            raise EnvironmentSpecError(f"{file}: a link that leaves the repository is not followed")
    return environment


def _place_environment(asked: str | None, folder: Path) -> str:
    """Puts an environment that was asked for where repo2docker looks first; what identifies it."""
    if asked is None:
        return "repository"
    from generator.tools.environment_file import place

    return place(asked, folder)


def _image(
    source: image.Source,
    reference: str,
    folder: Path,
    environment: Environment,
    environment_key: str,
    settings: Settings,
    progress: Progress,
) -> tuple[bool, str | None]:
    """Builds the image unless the same one is there; whether it was built, and its digest where it has one."""
    from generator.setup.base_image import ensure_base_image

    base, base_id = settings.base_image, ""
    if environment.buildpack is BuildPack.PLAIN_PYTHON:
        base = ensure_base_image(settings.base_image, say=progress.say)
        known = engine.inspect(base)
        base_id = known.id if known else ""
    key = image.key(source, environment=environment_key, base_image=base or "", base_id=base_id)
    present = engine.inspect(reference)
    if present and present.labels.get(image.key_label) == key:
        progress.say(f"{reference} is built already")
        return False, present.digest
    scaffold = f"packmill/environment:{key[:16]}"
    with progress.step(f"Building the environment: {environment.buildpack}"):
        for file in environment.files or ("no configuration file",):
            progress.say(file)
        engine.build_environment(folder, image=scaffold, base_image=base, on_line=progress.say)
    try:
        with progress.step("Adding the runner"):
            scaffolded = engine.inspect(scaffold)
            config = scaffolded.config if scaffolded else {}
            dockerfile = image.runner_layer(config, environment_image=scaffold, image_labels=image.labels(source, key))
            hidden = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(".") and entry.name != ".git")
            place = {"folder": image.repository_folder(config), "commit": source.commit, "hidden": hidden}
            engine.build_layer(dockerfile, repository=folder, place=place, image=reference, on_line=progress.say)
    finally:
        engine.untag(scaffold)
    final = engine.inspect(reference)
    if final:
        progress.say(f"{reference}: {final.size / 1e6:.0f} MB")
    return True, final.digest if final else None


def _checked(process: Process, reference: str, progress: Progress) -> Process:
    """The process with the kernel that the image runs it with.

    Raises:
        RunnerCheckError: it cannot run there.
    """
    wanted = ("--kernel", process.kernel) if process.kernel else ()
    code, out, err = engine.run_in(reference, ("packmill-runner", "check", "--process", process.path, *wanted))
    if code != 0:
        raise RunnerCheckError(_check_failure(process, reference, err or out))
    found = json.loads(out.strip().splitlines()[-1])
    for warning in found["warnings"]:
        progress.warn(warning)
    progress.say(f"{process.path}: kernel {found['kernel']}" if found["kernel"] else f"{process.path}: present")
    return replace(process, kernel=found["kernel"])


def _check_failure(process: Process, reference: str, said: str) -> str:
    lines = said.strip().splitlines()[-12:] or ["nothing was said"]
    head = f"{process.path} cannot run in the image {reference}:"
    return "\n".join([head, *(f"  {line.removeprefix('packmill-runner: ')}" for line in lines)])


def _places(processes: list[Process], top: Path) -> list[tuple[Process, Path]]:
    """A package's folder: the checkout's for one process, one below it each for several."""
    if len(processes) == 1:
        return [(processes[0], top)]
    names = [process.name for process in processes]
    unique = len(set(names)) == len(names)
    return [(process, top / (process.name if unique else process.path.rpartition(".")[0].replace("/", "-"))) for process in processes]
