"""The whole way: a request to the service becomes an image in a registry and a package in git, for every client."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gitlab
import pytest
import requests
from ci_service import ACCESS, TRIGGER, Service
from platform_server import Platform, platform_server
from playwright.sync_api import expect, sync_playwright
from support import commit_all, git, here, write_notebook

from generator.containers import engine as engine_tools

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
]
expect.set_options(timeout=60_000)  # milliseconds, for a busy machine
_LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", "packages", "example-run", "__pycache__", "packmill-data", ".*_cache", "tests", "findings", "docs"
)
_CELL = 'n = 2  # type: int how many\nout = "squares.txt"  # type: stage-out the squares'
_WORK = "open(out, 'w').write(' '.join(str(i * i) for i in range(n)))\nfrom packmill import glue\nglue('n', n)"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """packmill's own files as a project of which the service runs pipelines."""
    folder = tmp_path_factory.mktemp("project") / "grace" / "packages"
    shutil.copytree(here.parent, folder, ignore=_LEFT_OUT, symlinks=True)
    commit_all(folder, "packmill as it is")
    return folder


@pytest.fixture(scope="module")
def algorithm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scientist's repository."""
    folder = tmp_path_factory.mktemp("repositories") / "ada" / "squares"
    write_notebook(folder / "notebooks" / "squares.ipynb", _CELL, _WORK)
    (folder / "environment").mkdir()
    (folder / "environment" / "requirements.txt").write_text("")
    commit_all(folder, "Squares")
    return folder


@pytest.fixture(scope="module")
def service(
    base_image: str, registry: str, checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    running = Service(checkout, tmp_path_factory.mktemp("service") / "data", path="grace/packages")
    running.environment |= {"PACKMILL_REGISTRY_USER": "ada", "PACKMILL_REGISTRY_PASSWORD": "open sesame"}
    running.environment |= {"PACKMILL_REGISTRY_HOST": registry}
    running.start()
    yield running
    running.stop()


def _payload(algorithm: Path) -> dict[str, str]:
    """The variables of the original system's README."""
    environment, process = "environment/requirements.txt", "notebooks/squares.ipynb"
    return {"repository": str(algorithm), "checkout": "main", "process": process, "env": environment}


def _wait(service: Service, number: int, *, seconds: float = 600) -> dict[str, dict[str, Any]]:
    service.wait(number, "success", "failed", "canceled", seconds=seconds, interval=0.5)
    jobs = service.jobs(number)
    failed = [job for job in jobs.values() if job["status"] == "failed"]
    assert not failed, service.trace(failed[0]["id"])
    return jobs


def _send_by_curl(service: Service, variables: dict[str, str]) -> int:
    if shutil.which("curl") is None:
        return service.trigger(**variables)
    form = [word for name, value in variables.items() for word in ("--form", f"variables[{name}]={value}")]
    address = f"{service.url}/api/v4/projects/1/trigger/pipeline"
    command = ["curl", "--silent", "--fail", *form, "--form", f"token={TRIGGER}", "--form", "ref=main", address]
    return int(json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["id"])


def _query(service: Service, *words: str) -> Any:
    tokens = {"PACKMILL_CI_TRIGGER_TOKEN": TRIGGER, "PACKMILL_CI_ACCESS_TOKEN": ACCESS}
    environment = {**os.environ, **tokens, "PACKMILL_CI_URL": service.url}
    command = [sys.executable, str(here.parent / "query.py"), *words, "--json"]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def _send_by_query(service: Service, variables: dict[str, str]) -> int:
    words = [word for name, value in variables.items() for word in (f"--{name}", value)]
    number = int(_query(service, "trigger", *words)["id"])
    _query(service, "status", str(number), "--wait")
    return number


def _project(service: Service) -> Any:
    return gitlab.Gitlab(service.url, private_token=ACCESS).projects.get("grace/packages")


def _send_by_python_gitlab(service: Service, variables: dict[str, str]) -> int:
    return int(_project(service).trigger_pipeline("main", TRIGGER, variables=variables).id)


def _see_by_python_gitlab(service: Service, number: int) -> None:
    pipeline = _project(service).pipelines.get(number)
    report = pipeline.test_report.get()
    suites = {suite["name"]: [case["name"] for case in suite["test_cases"]] for suite in report.test_suites}
    assert pipeline.finished_at
    assert suites["build"] == ["build"]
    assert {"application.cwl: cwltool --validate --strict", "run on its example values"} <= set(suites["check"])
    assert report.failed_count == 0
    job = _project(service).jobs.get(pipeline.jobs.list(get_all=True)[-1].id)
    assert b"Job succeeded" in job.trace()


def _has_glab() -> bool:
    if shutil.which("glab") is None:
        subprocess.run(["apt-get", "install", "-y", "-qq", "glab"], capture_output=True, check=False)
    return shutil.which("glab") is not None


def _glab(service: Service, folder: Path, *words: str) -> str:
    """Run a command of glab in a repository, which it needs."""
    settings = {"GITLAB_TOKEN": ACCESS, "GITLAB_HOST": service.url, "NO_PROMPT": "1"}
    environment = {**os.environ, **settings, "GLAB_CONFIG_DIR": str(service.data / "glab")}
    plain = ["glab", "config", "set", "--host", service.url.removeprefix("http://"), "api_protocol", "http"]
    subprocess.run(plain, env=environment, capture_output=True, check=True)
    command = ["glab", *words, "-R", "grace/packages"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _send_by_glab(service: Service, variables: dict[str, str]) -> int:
    words = [word for name, value in variables.items() for word in ("--variables", f"{name}:{value}")]
    printed = _glab(service, Path(variables["repository"]), "ci", "run-trig", "-t", TRIGGER, "-b", "main", *words)
    return int(printed.split("ID:")[1].split(")")[0])


def _see_by_glab(service: Service, algorithm: Path, number: int) -> None:
    assert f"#{number}" in _glab(service, algorithm, "ci", "list")
    assert "success" in _glab(service, algorithm, "ci", "get", "-p", str(number))
    assert "Job succeeded" in _glab(service, algorithm, "ci", "trace", str(service.jobs(number)["check"]["id"]))


@pytest.fixture(scope="module")
def packaged(service: Service, algorithm: Path) -> dict[str, dict[str, Any]]:
    """The jobs of a pipeline with the original's payload, whose package several tests use; it pushes to no registry."""
    number = _send_by_curl(service, {**_payload(algorithm), "registry": "127.0.0.1:9/group"})
    service.wait(number, "success", "failed", "canceled", seconds=600, interval=0.5)
    return service.jobs(number)


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where pipelines published to, and the jobs of each by the client that sent its payload."""

    deposit: Path
    platform: Platform
    jobs: dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def published(service: Service, registry: str, algorithm: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Two pipelines that publish at once, then one for the first package again."""
    deposit = tmp_path_factory.mktemp("published") / "deposit.git"
    deposit.mkdir()
    git(deposit, "init", "--quiet", "--bare", "--initial-branch=main")
    git(algorithm, "branch", "--force", "other")
    jobs = {}
    with platform_server(Platform()) as platform:
        where = {"registry": f"{registry}/group", "destination": str(deposit), "deploy": platform.address}
        first = {**_payload(algorithm), **where}
        other = _send_by_python_gitlab(service, {**first, "checkout": "other"})
        jobs["query.py"] = _wait(service, _send_by_query(service, first))
        jobs["python-gitlab"] = _wait(service, other)
        jobs["glab"] = _wait(service, _send_by_glab(service, first) if _has_glab() else service.trigger(**first))
    return Published(deposit=deposit, platform=platform, jobs=jobs)


@pytest.mark.parametrize("client", ["curl", "query.py", "python-gitlab", "glab"])
def test_the_original_s_payload_builds_a_package_whoever_sends_it(
    client: str, service: Service, algorithm: Path, packaged: dict[str, Any], published: Published
) -> None:
    """Those of some clients publish the package as well."""
    if client == "glab" and not _has_glab():
        pytest.skip("glab is not installed, and no package of it is known here")
    if client == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    jobs = packaged if client == "curl" else published.jobs[client]

    assert set(jobs) - {"publish"} == {"build", "check"}
    if client == "python-gitlab":
        _see_by_python_gitlab(service, jobs["build"]["pipeline"]["id"])
    if client == "glab":
        _see_by_glab(service, algorithm, jobs["build"]["pipeline"]["id"])
    archive = service.ask("GET", f"/jobs/{jobs['build']['id']}/artifacts").content
    place = f"packages/ada/squares/{'other' if client == 'python-gitlab' else 'main'}/notebooks-squares"
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        package = json.loads(packed.read(f"{place}/package.json"))
    assert package["process"]["path"] == "notebooks/squares.ipynb"
    image = engine_tools.inspect(package["image"]["reference"])
    assert image is not None
    assert image.labels["org.opencontainers.image.revision"] == package["commit"]["id"]
    outputs = f"/jobs/{jobs['check']['id']}/artifacts/results/output/squares.txt"
    assert service.ask("GET", outputs).text == "0 1"


def test_two_pipelines_publish_at_once_and_the_second_time_nothing_changes(
    service: Service, registry: str, published: Published
) -> None:
    deposit, platform = published.deposit, published.platform

    assert git(deposit, "rev-list", "--count", "main") == "2"
    package = json.loads(git(deposit, "show", "main:ada/squares/other/notebooks-squares/package.json"))
    reference = package["image"]["reference"]
    assert reference.startswith(f"{registry}/group/ada.squares@sha256:")
    assert f"dockerPull: {reference}" in git(deposit, "show", "main:ada/squares/other/notebooks-squares/process.cwl")
    name, _, digest = reference.removeprefix(f"{registry}/").partition("@")
    tag = f"{digest.replace(':', '-')}.package.notebooks-squares"
    kind = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    address = f"http://{registry}/v2/{name}/manifests/{tag}"
    manifest = requests.get(address, auth=("ada", "open sesame"), headers=kind, timeout=60).json()
    assert manifest["artifactType"] == "application/vnd.packmill.package.v1"
    assert manifest["subject"]["digest"] == digest
    titles = {layer["annotations"]["org.opencontainers.image.title"] for layer in manifest["layers"]}
    assert titles == set(package["documents"])
    assert set(platform.processes) == {f"ada.squares.{one}.notebooks-squares" for one in ("main", "other")}
    sent = json.loads(next(one.body for one in platform.asked if one.method == "PUT"))
    assert f"{registry}/group/ada.squares@sha256:" in json.dumps(sent["executionUnit"])
    traces = {client: service.trace(jobs["publish"]["id"]) for client, jobs in published.jobs.items()}
    assert not any("open sesame" in trace for trace in traces.values())
    again = traces.pop("glab")
    assert ": unchanged" in again
    assert ": replaced" in again


def test_a_push_that_fails_fails_the_pipeline_by_its_exit_code(
    service: Service, packaged: dict[str, dict[str, Any]]
) -> None:
    traces = {name: service.trace(job["id"]) for name, job in packaged.items()}

    assert {name: job["status"] for name, job in packaged.items()} == {
        "build": "success", "check": "success", "publish": "failed",
    }, traces  # fmt: skip
    assert "exit code 18" in traces["publish"]
    number = packaged["publish"]["pipeline"]["id"]
    assert service.get(f"/pipelines/{number}")["status"] == "failed"


_FAILURES = {
    "no repository": ({"repository": "/nowhere/at/all"}, 10),
    "no checkout": ({"checkout": "nowhere"}, 10),
    "no process": ({"process": "missing.ipynb"}, 11),
    "no environment": ({"env": "missing"}, 14),
    "escape": ({"process": "../escape.ipynb"}, 11),
}
"""Variables that no pipeline can build, and the exit code of the job."""


@pytest.fixture(scope="module")
def failures(service: Service, algorithm: Path) -> dict[str, int]:
    """The pipelines of `_FAILURES`, which wait for each other's places alone."""
    payload = _payload(algorithm)
    return {name: service.trigger(**{**payload, **variables}) for name, (variables, _) in _FAILURES.items()}


@pytest.mark.parametrize("name", _FAILURES)
def test_failures_are_told_apart_by_exit_codes(name: str, service: Service, failures: dict[str, int]) -> None:
    service.wait(failures[name], "success", "failed", seconds=600)

    trace = service.trace(service.jobs(failures[name])["build"]["id"])
    assert f"Job failed: exit code {_FAILURES[name][1]}\x1b" in trace


def test_a_table_is_run_and_a_second_map_keeps_its_rows(
    service: Service, packaged: dict[str, Any], tmp_path: Path
) -> None:
    build = packaged["build"]["id"]
    (tmp_path / "table.csv").write_text("n\n2\n-1\n3\n")
    tokens = {"PACKMILL_CI_TRIGGER_TOKEN": TRIGGER, "PACKMILL_CI_ACCESS_TOKEN": ACCESS}
    environment = {**os.environ, **tokens, "PACKMILL_CI_URL": service.url}
    command = [sys.executable, str(here.parent / "query.py"), "map", str(build), "table.csv", "--json"]

    def run(*words: str) -> dict[str, object]:
        done = subprocess.run(
            [*command, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    first = run()
    assert first["exit_code"] == 0, service.trace(int(str(first["job"])))
    table = (tmp_path / "results" / "results.csv").read_text()
    assert [line.split(",")[:3] for line in table.splitlines()[1:]] == [
        ["1", "2", "succeeded"], ["2", "-1", "succeeded"], ["3", "3", "succeeded"],
    ]  # fmt: skip
    squares = service.ask("GET", f"/jobs/{first['job']}/artifacts/results/rows/3/squares.txt")
    assert squares.text == "0 1 4"
    again = run("--resume", str(first["job"]))
    assert again["exit_code"] == 0
    assert "3 of them have results" in service.trace(int(str(again["job"])))


def test_a_package_is_run_from_its_page_with_other_values(service: Service, packaged: dict[str, Any]) -> None:
    build = packaged["build"]["id"]
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    top = f"{service.url}/grace/packages/-"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = browser.new_page()
        page.goto(f"{top}/jobs/{build}/package/packages/ada/squares/main/notebooks-squares")
        page.get_by_label("Access token").fill(ACCESS)
        with page.expect_navigation():  # to the load of the styles, which show one of two pictures
            page.keyboard.press("Enter")
        expect(page.get_by_role("img", name="The workflow")).to_be_visible()
        expect(page.get_by_role("cell", name="how many")).to_be_visible()
        page.get_by_label("n int").fill("4")
        page.get_by_role("button", name="Run").click()
        page.wait_for_url(re.compile(r"/\d+(#.*)?$"), timeout=60_000)
        run = int(page.url.partition("#")[0].rpartition("/")[2])
        job = _wait(service, run)["run"]["id"]
        expect(page.get_by_role("heading", name="Results")).to_be_visible()
        expect(page.get_by_role("cell", name="n", exact=True).first).to_be_visible()
        page.get_by_text("Executed notebook").click()
        expect(page.frame_locator('iframe[title$=".ipynb"]').get_by_text("stage-out").first).to_be_visible()
        browser.close()

    assert service.ask("GET", f"/jobs/{job}/artifacts/results/output/squares.txt").text == "0 1 4 9"


@pytest.mark.group("walls")  # such a service removes the engine's walls when it starts
def test_a_service_that_others_reach_keeps_this_machine_s_files_to_itself(
    checkout: Path, algorithm: Path, tmp_path: Path, base_image: str
) -> None:
    service = Service(checkout, tmp_path / "data", "--no-local-repositories")
    service.environment["PACKMILL_NETWORK"] = "open"  # this is about files
    service.start()
    try:
        number = service.trigger(**_payload(algorithm))
        service.wait(number, "success", "failed", seconds=600, interval=0.5)
        trace = service.trace(service.jobs(number)["build"]["id"])
        example = _wait(service, service.trigger())
    finally:
        service.stop()

    assert example["build"]["status"] == "success", "the bundled example is packmill's own"
    assert "exit code 10" in trace
    assert "local repositories are not allowed here" in trace


def test_the_docker_command_of_a_package_s_page_runs(
    service: Service, packaged: dict[str, Any], tmp_path: Path
) -> None:
    build = packaged["build"]["id"]
    package = json.loads(
        service.ask("GET", f"/jobs/{build}/artifacts/packages/ada/squares/main/notebooks-squares/package.json").text
    )
    (tmp_path / "inputs.json").write_text('{"n": 3}')
    command = ["docker", "run", "--rm", "-v", f"{tmp_path}:/work", "-w", "/work", package["image"]["reference"]]
    command += ["packmill-runner", "run", "--process", "notebooks/squares.ipynb", "--inputs", "inputs.json"]
    tmp_path.chmod(0o777)
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output" / "squares.txt").read_text() == "0 1 4"


def test_another_runner_of_the_pipeline_file_does_the_same(
    checkout: Path, algorithm: Path, tmp_path: Path, base_image: str
) -> None:
    program = shutil.which("gitlab-ci-local") or shutil.which("gitlab-ci-local", path=str(_node_programs))
    if program is None or shutil.which("rsync") is None:
        pytest.skip("gitlab-ci-local or rsync is not installed")
    folder = tmp_path / "project"
    git(tmp_path, "clone", "--quiet", str(checkout), str(folder))
    words = [word for name, value in _payload(algorithm).items() for word in ("--variable", f"{name}={value}")]
    words += ["--variable", "CI_PIPELINE_SOURCE=trigger", "--variable", f"PACKMILL_VENV={sys.prefix}"]
    command = [program, "--force-shell-executor", *words, "build", "check"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "CI": ""}
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS  build" in done.stdout
    assert "PASS  check" in done.stdout
    assert (folder / "results/output/squares.txt").read_text() == "0 1"
    assert (folder / "report.xml").is_file()


_node_programs = here.parent / ".venv" / "node" / "node_modules" / ".bin"
