"""Podman through its Docker-compatible socket: images are built, checked and run as on Docker."""

from __future__ import annotations

import json
import os
import resource
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from support import Finished, commit_all, write_notebook
from waiting import wait_until

from generator.image.base.find import find_base
from generator.image.runner import Runners, ensure_runner
from generator.image.store import ImageStore
from generator.progress import Progress
from generator.service.jobs.leftovers import LABEL, end_containers

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("podman") is None, reason="Debian's podman is not installed"),
]
# What a service without CAP_SYS_RESOURCE, systemd and a cgroup of its own needs to be told.
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
_REGISTRIES = """\
[[registry]]
location = "{registry}"
insecure = true
"""


def runner_of(base_image: str) -> str:
    """Return the runner image of the base, which Docker builds now if it lacks it."""
    runners = Runners(base=find_base(base_image, say=print), store=ImageStore())
    return ensure_runner(runners, base_image, Progress(), built="")


@pytest.fixture(scope="module")
def podman(
    base_image: str, registry: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A Podman service with a store of its own that holds the base image; stopped by its own process id.

    Its runner comes from Docker unless ``--exhaustive``: the environment's build uses the same features of Dockerfiles.
    """
    folder = tmp_path_factory.mktemp("podman")
    files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 20000)
    processes = min(resource.getrlimit(resource.RLIMIT_NPROC)[1], int(Path("/proc/sys/kernel/pid_max").read_text()))
    (folder / "containers.conf").write_text(_CONTAINERS.format(files=files, processes=processes))
    (folder / "registries.conf").write_text(_REGISTRIES.format(registry=registry))
    settings = {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
        "TMPDIR": str(folder),
    }
    host = f"unix://{folder}/podman.sock"
    runroot = mkdtemp(prefix="packmill-", dir="/tmp")  # Podman takes no path of more than 50 characters
    store = ("--root", str(folder / "store"), "--runroot", runroot)
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(
            ["podman", *store, "system", "service", "--time=0", host],
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: service.poll() is not None or _answers(host), message="Podman answers")
        assert service.poll() is None, (folder / "log").read_text()
        saved = folder / "base.tar"
        present = (base_image,) if request.config.getoption("--exhaustive") else (base_image, runner_of(base_image))
        subprocess.run(["docker", "save", "--output", saved, *present], check=True)
        subprocess.run(["podman", "--url", host, "load", "--quiet", "--input", saved], check=True, capture_output=True)
        saved.unlink()
        yield host
    finally:
        service.terminate()
        service.wait()
        subprocess.run(
            ["podman", *store, "system", "reset", "--force"],
            capture_output=True,
            check=False,
            env={**os.environ, **settings},
        )
        shutil.rmtree(runroot, ignore_errors=True)


def _answers(host: str) -> bool:
    return subprocess.run(["podman", "--url", host, "version"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def on_podman(podman: str, base_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """packmill speaks to Podman in this test."""
    monkeypatch.setenv("PATH", os.environ["PATH"])  # the stand-in goes with the test
    monkeypatch.setenv("DOCKER_HOST", podman)
    monkeypatch.setenv("PACKMILL_BASE_IMAGE", base_image)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return podman


def test_a_package_is_built_run_and_pushed(
    on_podman: str,
    registry: str,
    repository: Path,
    tmp_path: Path,
    packmill: Callable[..., Finished],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = ("n = 1  # type: int", "import os, six\nfrom packmill import glue\nglue('n', n)\nassert n < 9")
    write_notebook(repository / "process.ipynb", *cells)
    (repository / "requirements.txt").write_text("six\n")
    commit_all(repository)

    built = packmill("build", repository, "--output", tmp_path / "packages", "--json")

    assert built.code == 0, built.err
    package, image = Path(built.json()["package"]), built.json()["image"]
    assert "pkg:pypi/six@" in (package / "sbom.cdx.json").read_text()
    user = subprocess.run(
        ["podman", "--url", on_podman, "image", "inspect", image, "--format", "{{.User}}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert user.stdout.strip() == "jovyan"
    stat = ("--entrypoint=stat", image, "-c%a", "/var/lib/packmill")
    mode = subprocess.run(
        ["podman", "--url", on_podman, "run", "--rm", "--network=none", *stat],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert mode.stdout.strip() == "1777", f"the data of a server in a volume\n{mode.stderr}"
    ran = packmill("run", package, "-pn=7", "--outdir", tmp_path / "results")
    assert ran.code == 0, ran.err
    assert json.loads((tmp_path / "results/output/scraps.json").read_text()) == {"n": 7}
    failed = packmill("run", package, "-pn=9", "--outdir", tmp_path / "failed")
    assert failed.code == 20, "a run that fails is seen to fail"

    write_notebook(repository / "process.ipynb", *cells, "n")
    commit_all(repository)
    monkeypatch.setenv("PACKMILL_REGISTRY_USER", "ada")
    monkeypatch.setenv("PACKMILL_REGISTRY_PASSWORD", "open sesame")
    push = ("--push", f"{registry}/podman")
    again = packmill("build", repository, "--output", tmp_path / "packages", "--json", *push)
    assert again.code == 0, again.err
    assert "Building the environment" not in again.err
    assert again.json()["image"].startswith(f"{registry}/podman/ada.trees@sha256:")


@pytest.mark.parametrize("program", ["docker", "podman"])
def test_what_a_job_left_ends_with_it(
    program: str, on_podman: str, base_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever program there is to ask Podman's socket."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    job = f"test-{secrets.token_hex(4)}"

    def podman(*words: str) -> list[str]:
        command = ("podman", "--url", on_podman, *words)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    for value in (job, f"{job}-other"):
        podman("run", "--detach", "--network=none", f"--label={LABEL}={value}", base_image, "sleep", "600")
    with monkeypatch.context() as bare:
        bare.setenv("PATH", str(tmp_path / "bin"))
        ended = end_containers(lambda value: value == job)
    left = podman("ps", "--all", "--quiet", f"--filter=label={LABEL}")
    podman("rm", "--force", "--time=0", "--all")

    assert (ended, len(left)) == (1, 1)


def test_walls_that_podman_cannot_have_end_the_build(
    on_podman: str, repository: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_NETWORK", "guarded")
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    commit_all(repository)

    built = packmill("build", repository)

    assert built.code == 19, built.err
    assert "networks of Podman" in built.err
    assert "PACKMILL_NETWORK=open" in built.err
