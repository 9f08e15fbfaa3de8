"""The whole way: a request to the service becomes an image in a registry and a package in git, for every client."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

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
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
expect.set_options(timeout=60_000)  # milliseconds, for a busy machine
_LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", "packages", "example-run", "__pycache__", "packmill-data", ".*_cache"
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


def _wait(service: Service, number: int, *, seconds: float = 600) -> dict[str, dict[str, object]]:
    service.wait(number, "success", "failed", "canceled", seconds=seconds)
    jobs = service.jobs(number)
    failed = [job for job in jobs.values() if job["status"] == "failed"]
    assert not failed, service.trace(failed[0]["id"])
    return jobs


def _by_curl(service: Service, algorithm: Path) -> int:
    form = [word for name, value in _payload(algorithm).items() for word in ("--form", f"variables[{name}]={value}")]
    address = f"{service.url}/api/v4/projects/1/trigger/pipeline"
    command = ["curl", "--silent", "--fail", *form, "--form", f"token={TRIGGER}", "--form", "ref=main", address]
    return int(json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["id"])


def _by_query(service: Service, algorithm: Path) -> int:
    words = [word for name, value in _payload(algorithm).items() for word in (f"--{name}", value)]
    command = [sys.executable, str(here.parent / "query.py"), "trigger", *words, "--wait", "--json"]
    tokens = {"PACKMILL_CI_TRIGGER_TOKEN": TRIGGER, "PACKMILL_CI_ACCESS_TOKEN": ACCESS}
    environment = {**os.environ, **tokens, "PACKMILL_CI_URL": service.url}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout)["id"])


def _by_python_gitlab(service: Service, algorithm: Path) -> int:
    project = gitlab.Gitlab(service.url, private_token=ACCESS).projects.get("grace/packages")
    pipeline = project.trigger_pipeline("main", TRIGGER, variables=_payload(algorithm))
    while not pipeline.finished_at:
        time.sleep(0.5)
        pipeline.refresh()
    report = pipeline.test_report.get()
    suites = {suite["name"]: [case["name"] for case in suite["test_cases"]] for suite in report.test_suites}
    assert suites["build"] == ["build"]
    assert {"application.cwl: cwltool --validate --strict", "run on its example values"} <= set(suites["check"])
    assert report.failed_count == 0
    job = project.jobs.get(pipeline.jobs.list(get_all=True)[-1].id)
    assert b"Job succeeded" in job.trace()
    return int(pipeline.id)


def _by_glab(service: Service, algorithm: Path) -> int:
    if shutil.which("glab") is None:
        done = subprocess.run(["apt-get", "install", "-y", "-qq", "glab"], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip("glab is not installed, and no package of it is known here")
    settings = {"GITLAB_TOKEN": ACCESS, "GITLAB_HOST": service.url, "NO_PROMPT": "1"}
    environment = {**os.environ, **settings, "GLAB_CONFIG_DIR": str(service.data / "glab")}
    variables = [word for name, value in _payload(algorithm).items() for word in ("--variables", f"{name}:{value}")]

    plain = ["glab", "config", "set", "--host", service.url.removeprefix("http://"), "api_protocol", "http"]
    subprocess.run(plain, env=environment, capture_output=True, check=True)

    def glab(*words: str) -> str:
        command = ["glab", *words, "-R", "grace/packages"]
        done = subprocess.run(command, cwd=algorithm, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    number = int(glab("ci", "run-trig", "-t", TRIGGER, "-b", "main", *variables).split("ID:")[1].split(")")[0])
    _wait(service, number)
    assert f"#{number}" in glab("ci", "list")
    assert "success" in glab("ci", "get", "-p", str(number))
    assert "Job succeeded" in glab("ci", "trace", str(service.jobs(number)["check"]["id"]))
    return number


@pytest.mark.parametrize("client", [_by_curl, _by_query, _by_python_gitlab, _by_glab])
def test_the_original_s_payload_builds_a_package_whoever_sends_it(
    client: Callable[[Service, Path], int], service: Service, algorithm: Path
) -> None:
    if client is _by_curl and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    number = client(service, algorithm)
    jobs = _wait(service, number)

    assert set(jobs) == {"build", "check"}
    archive = service.ask("GET", f"/jobs/{jobs['build']['id']}/artifacts").content
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        package = json.loads(packed.read("packages/ada/squares/main/notebooks-squares/package.json"))
    assert package["process"]["path"] == "notebooks/squares.ipynb"
    image = engine_tools.inspect(package["image"]["reference"])
    assert image is not None
    assert image.labels["org.opencontainers.image.revision"] == package["commit"]["id"]
    outputs = f"/jobs/{jobs['check']['id']}/artifacts/results/output/squares.txt"
    assert service.ask("GET", outputs).text == "0 1"


def test_two_pipelines_publish_at_once_and_the_second_time_nothing_changes(
    service: Service, registry: str, algorithm: Path, tmp_path: Path
) -> None:
    deposit = tmp_path / "deposit.git"
    deposit.mkdir()
    git(deposit, "init", "--quiet", "--bare", "--initial-branch=main")
    git(algorithm, "branch", "--force", "other")
    where = {"registry": f"{registry}/group", "destination": str(deposit)}
    with platform_server(Platform()) as platform:
        where["deploy"] = platform.address
        for _ in range(2):
            checkouts = ("main", "other")
            numbers = [service.trigger(**{**_payload(algorithm), **where, "checkout": one}) for one in checkouts]
            jobs = [_wait(service, number)["publish"] for number in numbers]

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
    assert set(platform.processes) == {f"ada.squares.{one}.notebooks-squares" for one in checkouts}
    sent = json.loads(next(one.body for one in platform.asked if one.method == "PUT"))
    assert f"{registry}/group/ada.squares@sha256:" in json.dumps(sent["executionUnit"])
    for job in jobs:
        trace = service.trace(int(str(job["id"])))
        assert ": unchanged" in trace
        assert ": replaced" in trace
        assert "open sesame" not in trace


def test_a_push_that_fails_fails_the_pipeline_by_its_exit_code(service: Service, algorithm: Path) -> None:
    number = service.trigger(**_payload(algorithm), registry="127.0.0.1:9/group")
    service.wait(number, "success", "failed", seconds=600)

    assert {name: job["status"] for name, job in service.jobs(number).items()} == {
        "build": "success", "check": "success", "publish": "failed",
    }  # fmt: skip
    assert "exit code 18" in service.trace(service.jobs(number)["publish"]["id"])


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"repository": "/nowhere/at/all"}, 10),
        ({"checkout": "nowhere"}, 10),
        ({"process": "missing.ipynb"}, 11),
        ({"env": "missing"}, 14),
        ({"process": "../escape.ipynb"}, 11),
    ],
)
def test_failures_are_told_apart_by_exit_codes(
    service: Service, algorithm: Path, variables: dict[str, str], code: int
) -> None:
    number = service.trigger(**{**_payload(algorithm), **variables})
    service.wait(number, "success", "failed", seconds=600)

    assert f"Job failed: exit code {code}\x1b" in service.trace(service.jobs(number)["build"]["id"])


def test_a_table_is_run_and_a_second_map_keeps_its_rows(service: Service, algorithm: Path, tmp_path: Path) -> None:
    number = service.trigger(**_payload(algorithm))
    build = _wait(service, number)["build"]["id"]
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


def test_a_package_is_run_from_its_page_with_other_values(service: Service, algorithm: Path) -> None:
    number = service.trigger(**_payload(algorithm))
    build = _wait(service, number)["build"]["id"]
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
        service.wait(number, "success", "failed", seconds=600)
        trace = service.trace(service.jobs(number)["build"]["id"])
        example = _wait(service, service.trigger())
    finally:
        service.stop()

    assert example["build"]["status"] == "success", "the bundled example is packmill's own"
    assert "exit code 10" in trace
    assert "local repositories are not allowed here" in trace


def test_the_docker_command_of_a_package_s_page_runs(service: Service, algorithm: Path, tmp_path: Path) -> None:
    number = service.trigger(**_payload(algorithm))
    build = _wait(service, number)["build"]["id"]
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
