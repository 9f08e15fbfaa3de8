"""The stages of a pipeline, or all of them at once, as build.sh runs them.

The stages are the jobs of ``.gitlab-ci.yml``. Each is self-contained: a later one finds the image that an earlier one
built in the engine or, if each job has its own engine, builds it again from the same commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from generator.build.address_checks import check_addresses
from generator.build.pipeline import Built, build
from generator.ci import checks as checking
from generator.ci.artifacts import fetch_package
from generator.ci.mapping import map_stage, write_job
from generator.ci.report import report_file, reported
from generator.ci.uploads import add_uploads
from generator.containers.limits import container_limits
from generator.containers.setup import ensure_engine
from generator.containers.shared_folder import check_shared_folder
from generator.image.base.find import ensure_base_image
from generator.image.walls import network_for_steps, set_walls
from generator.package.map.records import read_object
from generator.package.run import run_package
from generator.progress import Progress
from generator.repository.fetch import commit_folder
from generator.repository.places import read_holder
from generator.request.build import BuildRequest, build_request
from generator.request.settings import Settings, read_settings
from generator.request.variables import from_variables, is_replacing
from generator.resources import data_folder
from generator.shared import contract
from generator.shared.errors import DocumentError, NotRunError, RunError, UsageError
from generator.shared.safe_text import json_for_terminal

_EXAMPLE = Path("packmill", "city-temperatures")
"""Owner and name of the bundled example."""
_RUN_ADVICE = (
    "all other checks passed; to run the process here, give these inputs defaults, and keep the files of stage-ins "
    "in the repository"
)
_dotenv, _results = Path("packmill.env"), Path("results")
"""Artifacts that the jobs of ``.gitlab-ci.yml`` write next to their packages."""


def main(stage: str | None, environment: Mapping[str, str]) -> None:
    """Run one stage and write its JUnit report, or without a stage run everything that the variables request.

    Raises:
        PackmillError: the stage failed; the exit code tells why.
    """
    with reported(stage, environment) if stage else nullcontext():
        _run_stage(stage, environment)


def _run_stage(stage: str | None, environment: Mapping[str, str]) -> None:
    settings = read_settings(environment)
    progress = Progress(sections=settings.gitlab_job)
    request = from_variables(environment)
    if request:
        check_addresses(request, settings)
    with progress.step("Looking for a container engine"):
        ensure_engine(docker_host=settings.docker_host, say=progress.say, confined=settings.confined)
    if stage is None:
        if request is None:
            _build_and_run_example(*_example(environment, settings, progress), progress)
        else:
            print(build(request, settings, progress).folder)
        return

    def requested() -> tuple[BuildRequest, Settings]:
        return (request, settings) if request else _example(environment, settings, progress)

    stages: dict[str, Callable[[], None]] = {
        "build": lambda: _build(*requested(), progress),
        "check": lambda: check_stage(*requested(), progress),
        "publish": lambda: _publish(request, settings, progress),
        "run": lambda: _run(environment, settings, progress),
        "map": lambda: map_stage(environment, settings, _results, progress),
    }
    stages[stage]()


def _build(request: BuildRequest, settings: Settings, progress: Progress) -> None:
    """Build the image and the package; publish nothing."""
    built = build(replace(request, registry=None, destination=None, platform=None), settings, progress)
    _report(built)


def check_stage(request: BuildRequest, settings: Settings, progress: Progress) -> None:
    """Run the validators of every package and the example, and write a JUnit report.

    Raises:
        DocumentError, RunError: a check failed.
        NotRunError: a process was not run, because the package has no values to run it with.
    """
    built = build(replace(request, registry=None, destination=None, platform=None, fresh=False), settings, progress)
    checks = checking.check(
        built.packages,
        base=request.output,
        results=_results,
        progress=progress,
        limits=container_limits(settings),
        network=network_for_steps(settings, progress.say),
    )
    report_file.write_text(checking.junit(checks), encoding="utf-8")
    failed = [one for one in checks if one.problem]
    if failed:
        kind = DocumentError if failed[0].exit_code == DocumentError.exit_code else RunError
        raise kind("\n".join(f"{one.package}: {one.name}: {one.problem}" for one in failed))
    if skipped := [f"{one.package}: not run, {one.skipped}" for one in checks if one.skipped]:
        raise NotRunError("\n".join([*skipped, _RUN_ADVICE]))


def _publish(request: BuildRequest | None, settings: Settings, progress: Progress) -> None:
    """Push the image to its registry, deposit the package in its destination, deploy it to its platform.

    Raises:
        UsageError: the request has no registry and no destination.
    """
    if request is None or not (request.registry or request.destination):
        raise UsageError("nothing to publish; set 'repository' and 'registry', 'destination' or both")
    # the images of the stage before: after no_cache, the registry may have earlier ones with the same keys
    _report(build(replace(request, fresh=False, reuse_pushed=not request.fresh), settings, progress))


def _report(built: Built) -> None:
    """Write variables for later jobs and for GitLab's pages, and print the package's path as the last line."""
    known = {
        "PACKMILL_COMMIT": built.commit,
        "PACKMILL_PACKAGE": str(built.folder),
        "PACKMILL_IMAGE": built.image,
        "PACKMILL_ADDRESS": built.address,
        "PACKMILL_DEPLOYED": " ".join(built.deployed),
    }
    _dotenv.write_text(dotenv({name: value for name, value in known.items() if value}), encoding="utf-8")
    print(built.folder)


def dotenv(values: Mapping[str, str]) -> str:
    """Format variables for later jobs, one per line; values with line breaks are left out.

    GitLab takes values verbatim (https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv).
    """
    return "".join(f"{name}={value}\n" for name, value in values.items() if value.isprintable())


def _run(environment: Mapping[str, str], settings: Settings, progress: Progress) -> None:
    """Run the package of an earlier job on the values in the variable ``inputs``.

    Raises:
        UsageError: the job or its package is missing, or the values do not fit its interface.
    """
    with progress.step("Fetching the package"):
        folder = fetch_package(environment, Path("package")).resolve()
    add_uploads(folder)
    job = write_job(environment, folder, settings)
    with progress.step("Running the package with cwltool"):
        outputs = run_package(
            folder,
            job=job,
            values=(),
            outdir=_results,
            engine="cwltool",
            options=(),
            guarded=settings.guard_variables,
            limits=container_limits(settings),
            network=network_for_steps(settings, progress.say),
        )
    print(json_for_terminal(outputs, indent=2))


def set_up(settings: Settings, progress: Progress, *, python: str = "", shared: Path | None = None) -> None:
    """Set up a container engine, a base image and, if the settings ask for it, the firewall of builds and steps.

    ``python`` is a PEP 440 specifier; ``shared`` is a folder that the engine's containers must see.
    """
    with progress.step("Looking for a container engine"):
        ensure_engine(docker_host=settings.docker_host, say=progress.say, confined=settings.confined)
    with progress.step("Looking for a base image"):
        base = ensure_base_image(settings.base_image, python=python, python_from="--python", say=progress.say)
        progress.say(base)
    if shared:
        with progress.step(f"Checking that containers see {shared}"):
            check_shared_folder(shared.resolve(), image=base)
    if settings.walled or settings.network:
        with progress.step("Looking at the network of builds and steps"):
            set_walls(settings, progress.say)


def _example(environment: Mapping[str, str], settings: Settings, progress: Progress) -> tuple[BuildRequest, Settings]:
    """Create the bundled example for a pipeline without a repository, and allow this one local folder."""
    repository = "example-run" / _EXAMPLE
    with progress.step("Creating a repository of the bundled example"):
        files = data_folder("examples") / _EXAMPLE.name
        commit_folder(files, repository, message="Temperatures of a city, month by month")
    request = build_request(str(repository))
    replaces = is_replacing(environment) or _is_example(request.output / _EXAMPLE / "main")
    return replace(request, replace=replaces), replace(settings, local_repositories=True)


def _is_example(package: Path) -> bool:
    """Whether a folder holds the package of the bundled example, which each job builds in its own folder."""
    file = package / "package.json"
    holder = read_holder(file.read_bytes()) if file.is_file() else None
    return holder is not None and Path(holder.address).parts[-3:] == ("example-run", *_EXAMPLE.parts)


def _build_and_run_example(request: BuildRequest, settings: Settings, progress: Progress) -> None:
    built = build(request, settings, progress)
    results = Path("example-run") / "results"
    if _is_done(built, results):
        progress.say(f"{results} already has the results; remove the folder to run it again")
    else:
        with progress.step("Running the package with cwltool"):
            network = network_for_steps(settings, progress.say)
            run_package(
                built.folder, job=None, values=(), outdir=results, engine="cwltool", options=(), network=network
            )
        (results / ".package.json").write_bytes((built.folder / "package.json").read_bytes())
    print(f"package            {built.folder}")
    print(f"executed notebook  {results}/output/process.ipynb")
    print(f"outputs            {results}/output")
    for path in sorted((results / contract.output_folder).rglob("*")):
        if path.is_file():
            print(f"                   {path}")
    scraps = read_object(results / contract.output_folder / contract.scraps_file)
    print(f"glued results      {json.dumps(scraps)}")


def _is_done(built: Built, results: Path) -> bool:
    """Whether the results are those of this package."""
    mark = results / ".package.json"
    same = mark.is_file() and mark.read_bytes() == (built.folder / "package.json").read_bytes()
    return same and not built.image_built and (results / contract.output_folder / contract.scraps_file).is_file()
