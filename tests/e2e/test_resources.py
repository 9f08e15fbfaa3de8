"""What a notebook states reaches its image and its runs: labels, resources, a time limit, GPUs."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import forked_programs
import pytest
from forked_programs import CWLTOOL
from local_images import Built, remove
from support import Finished, commit_all, git, write_notebook

from generator.cli import main

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.group("resources")]

_DESCRIPTION = 'of "trees" \\ $HOME $(id) üñ'


@pytest.fixture(scope="module")
def built(base_image: str, place: Path, request: pytest.FixtureRequest) -> Iterator[Built]:
    """The image of two notebooks: one that asks for everything, one that does not end within its time."""
    repository = place / "tests" / "resources"
    write_notebook(
        repository / "process.ipynb",
        f"label = 'Height'\ndoc = {_DESCRIPTION!r}\nauthor = 'Ada'\nlicense = 'MIT'\nversion = '2.10'\n"
        "cores = 1\nram = '300MB'\ndisk = 100\ntime = '5m'\ngpu = 3",
        "print('done')",
        tags=("metadata",),
    )
    write_notebook(repository / "slow.ipynb", "time = 8", "import time\ntime.sleep(600)", tags=("metadata",))
    commit_all(repository)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    capture.suspend_global_capture(in_=True)
    options = ("--output", str(place / "packages"), "--image", "tests.resources:x")
    code = main(["build", str(repository), *options, "--process", "process.ipynb", "--process", "slow.ipynb"])
    capture.resume_global_capture()
    assert code == 0
    yield Built(repository=repository, package=place / "packages/tests/resources/main", image="tests.resources:x")
    remove("tests.resources:x")


def test_the_image_is_labeled_with_the_metadata(built: Built) -> None:
    inspected = subprocess.run(["docker", "inspect", built.image], capture_output=True, text=True, check=True)
    labels = json.loads(inspected.stdout)[0]["Config"]["Labels"]

    found = {name: labels.get(f"org.opencontainers.image.{name}") for name in ("title", "description", "authors")}
    assert found == {"title": "Height", "description": _DESCRIPTION, "authors": "Ada"}
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert labels["org.opencontainers.image.version"] == "2.10"
    assert labels["org.opencontainers.image.revision"] == git(built.repository, "rev-parse", "HEAD")


def test_packmill_runs_it_without_its_gpus(built: Built, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine may have the GPUs")

    finished = packmill("run", built.package, "--outdir", tmp_path)

    assert finished.code == 0, finished.err
    assert "the process asks for 3 GPU(s), which are unavailable here: it runs without" in finished.err


def test_plain_cwltool_runs_it_if_it_asks_for_no_gpu(
    built: Built, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    options = ("--no-image", "--image", built.image, "--output", tmp_path, "--gpu", "0")
    package = Path(packmill("build", built.repository, *options).out.strip())

    ran = forked_programs.run(CWLTOOL, "--outdir", tmp_path / "results", package / "process.cwl")

    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "results" / "output" / "process.ipynb").exists()


def test_a_run_ends_at_its_time_limit(built: Built, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    finished = packmill("run", built.package / "slow", "--outdir", tmp_path)

    assert finished.code == 20
    listed = ["docker", "ps", "--quiet", "--filter", f"ancestor={built.image}"]
    assert subprocess.run(listed, capture_output=True, text=True, check=True).stdout == ""
