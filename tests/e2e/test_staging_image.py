"""The staging image: the steps that see credentials run in it, and nothing of a repository has a say in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import forked_programs
import pytest
from forked_programs import CWLTOOL
from local_images import local_images, remove
from staging_servers import HttpServer, http_server
from support import Finished, commit_all, write_notebook
from tiny_arrays import write_geotiff, write_zarr

from generator.image import names as image
from generator.package.job_file import read_yaml

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.group("separate base"),
]
needs_registry = pytest.mark.skipif(
    shutil.which("docker-registry") is None, reason="Debian's docker-registry is not installed"
)
_USER, _PASSWORD = "ada", "open sesame"
_SECRET = "pa55word-of-ada"
_CELL = "tiles = [{'path': 'x'}]  # type: stage-in\nsummary = 'summary.txt'  # type: stage-out"
_BODY = "open(summary, 'w').write(open(tiles[0]['path']).read())"
_SPY = """\
#!/bin/sh
cat stage_in.json stage_out.json .packmill-credentials 2> /dev/null | sed 's/^/spy saw: /' >&2
exec {next} "$@"
"""
_PYTHON_SPY = """\
import glob, sys
for name in glob.glob("stage_*.json"):
    print("spy saw:", open(name).read(), file=sys.stderr)
"""
_DOCKERFILE = """\
FROM {base}
USER root
COPY spies/ /spies/
RUN chmod -R a+rX /spies && chmod a+x /spies/bin/packmill-runner /spies/entrypoint && \\
    library=$(python3 -I -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') && \\
    rm -f "$library/sitecustomize.py" && cp /spies/sitecustomize.py "$library/"
ENV PATH=/spies/bin:$PATH
ENTRYPOINT ["/spies/entrypoint"]
USER 1000
"""


@pytest.fixture
def own_base(separate_base: str) -> str:
    """The base image of the group, with its runner, on which there is no staging image yet."""
    remove(*local_images("localhost/packmill/staging", label=f"test={separate_base}"))
    return separate_base


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with http_server() as server:
        server.put("/hello.txt", b"hello")
        yield server


@pytest.fixture
def build(base_image: str, tmp_path: Path, packmill: Callable[..., Finished]) -> Callable[..., Path]:
    """Builds a repository and gives its package's folder."""

    def run(repository: Path, *options: str | Path) -> Path:
        built = packmill("build", repository, "--output", tmp_path / "packages", "--json", *options)
        assert built.code == 0, built.err
        return Path(built.json()["package"])

    return run


def staging_repository(folder: Path, **files: str) -> Path:
    write_notebook(folder / "process.ipynb", _CELL, _BODY)
    for name, text in files.items():
        (folder / name).write_text(text)
    commit_all(folder)
    return folder


def spying_repository(folder: Path, base: str) -> Path:
    """A repository whose image replaces the runner on PATH, its entrypoint, and what its Python imports at a start."""
    spies = folder / "spies"
    (spies / "bin").mkdir(parents=True)
    (spies / "bin" / "packmill-runner").write_text(_SPY.format(next="/opt/packmill/bin/packmill-runner"))
    (spies / "entrypoint").write_text(_SPY.format(next=""))
    (spies / "sitecustomize.py").write_text(_PYTHON_SPY)
    return staging_repository(folder, Dockerfile=_DOCKERFILE.format(base=base))


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Logged in to the registry of the tests, in the docker command as well."""
    monkeypatch.setenv("PACKMILL_REGISTRY_USER", _USER)
    monkeypatch.setenv("PACKMILL_REGISTRY_PASSWORD", _PASSWORD)


def run_workflow(package: Path, folder: Path, **job: object) -> subprocess.CompletedProcess[str]:
    """The workflow by plain cwltool, with credentials."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {"credentials": json.dumps({"username": "ada", "password": _SECRET}), **job}
    (folder / "job.json").write_text(json.dumps(given))
    words = ("--custom-net", "host", "--outdir", folder / "out", package / "workflow.cwl", folder / "job.json")
    return forked_programs.run(CWLTOOL, *words, env={**os.environ, "NO_COLOR": "1"})


def record_of(package: Path) -> dict[str, Any]:
    return dict(json.loads((package / "package.json").read_text()))


def inspected(image: str) -> dict[str, Any]:
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout)[0])


def test_code_of_the_repository_never_sees_the_credentials_of_a_step(
    build: Callable[..., Path], base_image: str, web: HttpServer, tmp_path: Path
) -> None:
    package = build(spying_repository(tmp_path / "ada" / "spies", base_image))

    ran = run_workflow(package, tmp_path / "run", tiles=f"{web.url}/hello.txt", stage_out={"directory": "delivered"})

    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "run/out/delivered/summary.txt").read_text() == "hello"
    assert "spy saw" not in ran.stderr
    assert _SECRET not in ran.stderr


def test_documents_name_one_image_whatever_the_repository_asks_for(
    build: Callable[..., Path], base_image: str, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    plain = build(staging_repository(tmp_path / "ada" / "plain"))
    spying = build(spying_repository(tmp_path / "ada" / "other", base_image))
    listed = packmill("build", tmp_path / "ada" / "plain", "--no-image", "--output", tmp_path / "listed")

    named = record_of(plain)["staging"]
    assert named == {"reference": image.staging_reference(os.environ.get("PACKMILL_BASE_IMAGE"))}
    assert [record_of(one)["staging"] for one in (spying, Path(listed.out.strip()))] == [named, named]
    for document in (*plain.glob("stage_*.cwl"), *spying.glob("stage_*.cwl")):
        tool = read_yaml(document.read_text())
        assert tool["requirements"]["DockerRequirement"] == {"dockerPull": named["reference"]}
        assert tool["baseCommand"][0] == "/opt/packmill/bin/packmill-runner"


def test_the_image_is_a_base_the_runner_and_what_moves_data(
    build: Callable[..., Path], own_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_BASE_IMAGE", own_base)
    record = record_of(build(staging_repository(tmp_path / "ada" / "layers")))
    staging, process = inspected(record["staging"]["reference"]), inspected(record["image"]["reference"])
    base = inspected(own_base)["RootFS"]["Layers"]

    layers = staging["RootFS"]["Layers"]
    assert layers[: len(base)] == base
    assert len(layers) == len(base) + 2
    assert layers[-2] in process["RootFS"]["Layers"], "registries and nodes hold the runner once"
    assert layers[-1] not in process["RootFS"]["Layers"], "a process moves no data"


def test_declared_arrays_add_the_packages_that_read_them(build: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "ada" / "arrays"
    write_notebook(folder / "process.ipynb", "dem = 'dem.tif'  # type: stage-out")
    commit_all(folder)
    package = build(folder)
    results = tmp_path / "results"
    results.mkdir()
    write_geotiff(results / "dem.tif", {1024: 1, 3072: 2154}, tie=(650_000, 6_870_000), scale=1000, size=40)
    write_zarr(results / "cube.zarr")
    job = {"output_path": {"directory": "delivered"}, "output_dir": {"class": "Directory", "path": str(results)}}
    (tmp_path / "job.json").write_text(json.dumps(job))

    ran = forked_programs.run(CWLTOOL, "--outdir", tmp_path / "out", package / "stage_out.cwl", tmp_path / "job.json")

    assert ran.returncode == 0, ran.stderr
    items = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("out/delivered/*.stac/*.json")}
    assert items["dem"]["assets"]["tif"]["proj:code"] == "EPSG:2154"
    assert items["dem"]["bbox"] == pytest.approx([2.317613, 48.568288, 2.864456, 48.929902], abs=1e-5)  # by pyproj
    assert items["cube"]["bbox"] == [9, 46, 12, 48]
    assert items["cube"]["assets"]["zarr"]["href"] == "../cube.zarr"
    staging, process = (inspected(record_of(package)[name]["reference"]) for name in ("staging", "image"))
    assert staging["RootFS"]["Layers"][-1] in process["RootFS"]["Layers"], (
        "the catalog of application.cwl needs it, too"
    )


def test_nothing_around_the_runner_is_imported_by_it(build: Callable[..., Path], tmp_path: Path) -> None:
    """Neither the working directory nor any variable of Python's adds to what the runner imports."""
    staging = record_of(build(staging_repository(tmp_path / "ada" / "isolated")))["staging"]["reference"]
    work = tmp_path / "work"
    marker = 'import sys; sys.stderr.write("marker")\n'
    names = ["sitecustomize.py", "usercustomize.py", "json.py", "argparse.py", "generator/__init__.py"]
    for name in (*names, "generator/runner/__init__.py", "generator/runner/__main__.py", "lib/python3/x.pth"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(marker)
    (work / "python").write_text("#!/bin/sh\necho marker >&2\n")
    (work / "python").chmod(0o755)
    variables = {
        **dict.fromkeys(("HOME", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "VIRTUAL_ENV"), "/work"),
        "PATH": "/work:/usr/bin:/bin",
        "PYTHONSTARTUP": "/work/json.py",
        "ENV": "/work/python",
    }
    options = [f"--env={name}={value}" for name, value in variables.items()]

    ran = subprocess.run(
        ["docker", "run", "--rm", "--network=none", "--read-only", "--user=4321:4321", f"--volume={work}:/work:ro",
         "--workdir=/work", *options, staging, "/opt/packmill/bin/packmill-runner", "stage-in", "--help"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Fetch files into a folder" in ran.stdout


def test_a_process_that_stages_nothing_needs_no_staging_image(
    build: Callable[..., Path], tmp_path: Path, own_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_BASE_IMAGE", own_base)
    write_notebook(tmp_path / "ada" / "bare" / "process.ipynb", "n = 1  # type: int")
    commit_all(tmp_path / "ada" / "bare")

    package = build(tmp_path / "ada" / "bare")

    assert "staging" not in record_of(package)
    assert local_images("localhost/packmill/staging", label=f"test={own_base}") == []


def test_a_missing_image_is_reported_before_anything_is_pulled(
    build: Callable[..., Path], tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    package = build(staging_repository(tmp_path / "ada" / "gone"))
    record = record_of(package)
    record["staging"]["reference"] = "localhost/packmill/staging:gone"
    (package / "package.json").write_text(json.dumps(record))

    ran = packmill("run", package, "-p", "tiles=https://example.org/a", "--outdir", tmp_path / "out")

    assert ran.code == 20
    assert "localhost/packmill/staging:gone: image not found in the container engine" in ran.err
    assert f"packmill rebuild {package}" in ran.err
    assert "pull" not in ran.err


def test_a_package_that_is_rebuilt_does_not_choose_the_base_of_the_steps(
    build: Callable[..., Path], base_image: str, own_base: str, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    package = build(staging_repository(tmp_path / "ada" / "rebuilt"))
    record = record_of(package)
    (package / "package.json").write_text(json.dumps({**record, "build": {**record["build"], "base": own_base}}))

    rebuilt = packmill("rebuild", package, "--output", tmp_path / "again", "--trust", "--json")

    assert rebuilt.code == 0, rebuilt.err
    again = record_of(Path(rebuilt.json()["package"]))
    assert again["build"]["base"] == own_base
    assert again["staging"] == record["staging"]
    assert local_images("localhost/packmill/staging", label=f"test={own_base}") == []


@needs_registry
def test_a_pushed_package_names_the_staging_image_by_digest_and_runs_from_the_registry(
    build: Callable[..., Path],
    registry: str,
    login: None,
    web: HttpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository, target = staging_repository(tmp_path / "ada" / "pushed"), f"{registry}/group"

    package = build(repository, "--push", target)
    staging = record_of(package)["staging"]
    again = record_of(build(repository, "--push", target))["staging"]

    assert staging["reference"] == f"{target}/packmill-staging@{staging['digest']}"
    assert again == staging
    assert f"dockerPull: {staging['reference']}" in (package / "stage_in.cwl").read_text()
    remove(staging["reference"], record_of(package)["image"]["reference"])
    config = tmp_path / "docker"
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    subprocess.run(["docker", "login", registry, "-u", _USER, "--password-stdin"], input=_PASSWORD, text=True, capture_output=True, check=True)  # fmt: skip # noqa: E501
    ran = run_workflow(package, tmp_path / "run", tiles=f"{web.url}/hello.txt", stage_out={"directory": "delivered"})
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "run/out/delivered/summary.txt").read_text() == "hello"


@needs_registry
def test_a_planted_image_in_the_registry_is_replaced(
    build: Callable[..., Path], registry: str, login: None, tmp_path: Path
) -> None:
    """Keys can be computed by anyone, so a label does not show that an image is packmill's."""
    repository, target = staging_repository(tmp_path / "ada" / "planted"), f"{registry}/planted"
    named = record_of(build(repository, "--push", target))["staging"]
    labels = inspected(named["reference"])["Config"]["Labels"]
    tag = f"{target}/packmill-staging:0.1.0-{labels[image.key_label][:12]}"
    dockerfile = f"FROM {named['reference']}\nUSER root\nRUN echo planted > /planted\n"
    subprocess.run(["docker", "build", "--tag", tag, "-"], input=dockerfile, text=True, check=True, capture_output=True)
    planted = push_as_ada(registry, tag, tmp_path)

    after = record_of(build(repository, "--push", target))["staging"]

    assert planted not in after["digest"]
    assert after == named


def push_as_ada(registry: str, tag: str, folder: Path) -> str:
    docker = ["docker", "--config", str(folder / "docker")]
    subprocess.run([*docker, "login", registry, "-u", _USER, "--password-stdin"], input=_PASSWORD, text=True, capture_output=True, check=True)  # fmt: skip # noqa: E501
    subprocess.run([*docker, "push", tag], capture_output=True, text=True, check=True)
    remove(tag)
    look = [*docker, "manifest", "inspect", "--insecure", "--verbose", tag]
    shown = subprocess.run(look, capture_output=True, text=True, check=True).stdout
    return str(json.loads(shown)["Descriptor"]["digest"])


@needs_registry
def test_the_cache_registry_gives_the_image_to_a_machine_that_starts_empty(
    registry: str,
    login: None,
    own_base: str,
    tmp_path: Path,
    packmill: Callable[..., Finished],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PACKMILL_BASE_IMAGE", own_base)
    repository = staging_repository(tmp_path / "ada" / "cached")
    words = ("build", repository, "--output", tmp_path / "packages", "--cache-registry", f"{registry}/staging-cache")
    first = packmill(*words)
    remove(*local_images("localhost/packmill/staging", label=f"test={own_base}"))

    second = packmill(*words)

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "Building the staging image" in first.err
    assert "Building the staging image" not in second.err
    assert f"fetched {registry}/staging-cache/staging:" in second.err
    staging = record_of(Path(second.out.strip()))["staging"]["reference"]
    assert not inspected(staging)["Config"]["Entrypoint"], "an entrypoint of the base would stand before the runner"
