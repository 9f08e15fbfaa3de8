"""What build.sh does once Python is there: the CI variables become a package, or the bundled example does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from generator.pipeline import Built, build
from generator.progress import Progress
from generator.request import Settings, build_request, from_variables, read_settings
from generator.run import run_package
from generator.setup.base_image import ensure_base_image
from generator.setup.container_engine import ensure_engine
from generator.templates import data_folder
from generator.tools.git import commit_folder

_example = "city-temperatures"


def main(environment: Mapping[str, str]) -> None:
    """Builds what the variables ask for; prints the package's path last."""
    settings = read_settings(environment)
    progress = Progress(sections=settings.gitlab_job)
    request = from_variables(environment)
    with progress.step("Looking for a container engine"):
        ensure_engine(docker_host=settings.docker_host, say=progress.say)
    if request is not None:
        print(build(request, settings, progress).folder)
        return
    _build_and_run_example(settings, progress)


def set_up(settings: Settings, progress: Progress) -> None:
    """An engine and a base image, found or made."""
    with progress.step("Looking for a container engine"):
        ensure_engine(docker_host=settings.docker_host, say=progress.say)
    with progress.step("Looking for a base image"):
        progress.say(ensure_base_image(settings.base_image, say=progress.say))


def _build_and_run_example(settings: Settings, progress: Progress) -> None:
    work = Path("example-run")
    repository = work / "packmill" / _example
    with progress.step("Making a repository of the bundled example"):
        commit_folder(data_folder("examples") / _example, repository, message="Temperatures of a city, month by month")
    built = build(build_request(str(repository), output=Path("packages")), settings, progress)
    results = work / "results"
    if _is_done(built, results):
        progress.say(f"{results} holds its results already; remove the folder to run it again")
    else:
        with progress.step("Running the package by cwltool"):
            run_package(built.folder, job=None, values=(), outdir=results, engine="cwltool", options=())
        (results / ".package.json").write_bytes((built.folder / "package.json").read_bytes())
    print(f"package            {built.folder}")
    print(f"executed notebook  {results}/output/process.ipynb")
    print(f"outputs            {results}/output")
    for path in sorted((results / "output").rglob("*")):
        if path.is_file():
            print(f"                   {path}")
    scraps = json.loads((results / "output" / "scraps.json").read_text(encoding="utf-8"))
    print(f"glued results      {json.dumps(scraps)}")


def _is_done(built: Built, results: Path) -> bool:
    """Whether these results are this very package's."""
    mark = results / ".package.json"
    same = mark.is_file() and mark.read_bytes() == (built.folder / "package.json").read_bytes()
    return same and not built.image_built and (results / "output" / "scraps.json").is_file()
