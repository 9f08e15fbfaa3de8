"""The Packages page: one row for each process of each repository, and each package runs as itself."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from ci_service import ACCESS, PIPELINE_FILE, Service, make_project

_PLACE = "packages/ada/trees/main"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose first job is called as packmill's own, and leaves packages."""
    text = PIPELINE_FILE.replace("\none:\n", "\nbuild:\n").replace("paths: [out/]", "paths: [packages/]", 1)
    text = text.replace("\n  nothing:", "\n  package: ''\n  package_process: ''\n  inputs: ''\n  nothing:")
    return make_project(tmp_path_factory.mktemp("packages") / "ada" / "toy", text)


@pytest.fixture(scope="module")
def service(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(project, tmp_path_factory.mktemp("service") / "data", "--jobs", "2").start()
    yield running
    running.stop()


@pytest.fixture
def package(service: Service) -> Callable[..., int]:
    """Leaves a package of a repository at the place; the number of its job."""

    def leave(address: object, *processes: object, place: str = _PLACE) -> int:
        """Leave a package at the place, or those of processes in these folders below it."""
        steps = [f"mkdir -p {place}", f"echo PACKMILL_PACKAGE={place} > made.env"]
        for process in processes or ("process.ipynb",):
            folder, path = process if isinstance(process, tuple) else ("", process)
            about = {
                "repository": {"address": address, "owner": "ada", "name": "trees"},
                "checkout": "main",
                "commit": {"id": "0" * 40},
                "process": {"path": path},
                "image": {"reference": "ada.trees:main"},
                "interface": {"inputs": [], "outputs": []},
                "documents": ["package.json", "process.cwl", *(["example/0_x.csv"] if folder == "" else [])],
            }
            steps += [
                f"mkdir -p {place}/{folder}/example",
                f"echo {shlex.quote(json.dumps(about))} > {place}/{folder}/package.json",
                f"echo 'class: CommandLineTool' > {place}/{folder}/process.cwl",
                f"echo 1 > {place}/{folder}/example/0_x.csv",
            ]
        pipeline = service.trigger(script="; ".join(steps))
        assert service.wait(pipeline) == "success"
        return int(service.jobs(pipeline)["build"]["id"])

    return leave


def _signed_in(service: Service) -> requests.Session:
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    return session


def _rows(service: Service) -> list[tuple[int, str]]:
    """Job and address of each package on the page."""
    answer = _signed_in(service).get(f"{service.url}/ada/toy/-/packages", timeout=60)
    assert answer.status_code == 200
    found = re.findall(r'jobs/(\d+)/package/[^>]*>[^<]*</a><br><span class="quiet-text">([^<]*)</span>', answer.text)
    return [(int(job), address) for job, address in found]


def test_packages_of_two_hosts_at_one_place_are_both_shown(service: Service, package: Callable[..., int]) -> None:
    one = package("https://a.example.org/ada/trees.git")
    two = package("https://b.example.org/ada/trees.git")
    again = package("git@a.example.org:ada/trees")

    assert _rows(service)[:2] == [
        (again, "git@a.example.org:ada/trees"),
        (two, "https://b.example.org/ada/trees.git"),
    ]
    assert one not in [job for job, _ in _rows(service)]


@pytest.mark.parametrize("address", [None, 1, "", "x" * 5000, "https://a.example.org/\ud800", "a\nb"])
def test_a_package_that_does_not_say_where_it_is_from_hides_none(
    address: object, service: Service, package: Callable[..., int]
) -> None:
    known = package("https://c.example.org/ada/trees.git")
    numbers = [package(address), package(address)]

    rows = dict(_rows(service))
    assert set(numbers) <= set(rows)
    assert rows[known] == "https://c.example.org/ada/trees.git"


def test_the_form_runs_the_package_of_its_own_page(service: Service, package: Callable[..., int]) -> None:
    numbers = [package(f"https://{host}.example.org/ada/trees.git") for host in "de"]
    session = _signed_in(service)
    for number, host in zip(numbers, "de", strict=True):
        address = f"{service.url}/ada/toy/-/jobs/{number}/package/{_PLACE}"
        shown = session.get(address, timeout=60).text
        assert f"https://{host}.example.org/ada/trees.git" in shown
        word = re.findall(r'name="form_token" value="([0-9a-f]+)"', shown)[0]

        started = session.post(address, data={"form_token": word}, timeout=60)

        assert started.status_code == 200
        pipeline = service.get("/pipelines?per_page=1")[0]["id"]
        variables = {one["key"]: one["value"] for one in service.get(f"/pipelines/{pipeline}/variables")}
        assert variables["package"] == str(number)


def _folders(service: Service) -> list[tuple[int, str]]:
    """Job and folder of each package on the page."""
    text = _signed_in(service).get(f"{service.url}/ada/toy/-/packages", timeout=60).text
    return [(int(job), folder) for job, folder in re.findall(r"jobs/(\d+)/package/packages/([^\"]*)\"", text)]


def test_every_process_has_a_row(service: Service, package: Callable[..., int]) -> None:
    address = "https://f.example.org/ada/trees.git"
    first = package(address, "process.ipynb", ("a", "a.ipynb"))
    second = package(address, ("b", "b.ipynb"))
    third = package(address, ("a", "a.ipynb"))

    assert _folders(service)[:3] == [
        (third, "ada/trees/main/a"),
        (second, "ada/trees/main/b"),
        (first, "ada/trees/main"),
    ]
    assert (first, "ada/trees/main/a") not in _folders(service)


def test_a_package_of_an_earlier_version_is_the_same_process(service: Service, package: Callable[..., int]) -> None:
    address = "https://g.example.org/ada/trees.git"
    old = package(address, "a.ipynb")
    other = package(address, "process.ipynb")
    assert {(old, "ada/trees/main"), (other, "ada/trees/main")} <= set(_folders(service))

    new = package(address, ("a", "a.ipynb"))

    shown = [row for row in _folders(service) if row[0] in (old, other, new)]
    assert shown == [(new, "ada/trees/main/a"), (other, "ada/trees/main")]


@pytest.mark.parametrize(
    ("folder", "path", "named"),
    [("", "process.ipynb", "process.ipynb"), ("/b-a", "b/a.ipynb", "b/a.ipynb"), ("/c", 1, "c")],
)
def test_the_form_runs_one_process_of_several(
    folder: str, path: object, named: str, service: Service, package: Callable[..., int]
) -> None:
    address = "https://h.example.org/ada/trees.git"
    number = package(address, "process.ipynb", ("b-a", "b/a.ipynb"), ("c", 1), ("example", "example.ipynb"))
    session = _signed_in(service)
    page = f"{service.url}/ada/toy/-/jobs/{number}/package/{_PLACE}{folder}"
    shown = session.get(page, timeout=60).text
    assert f"<code>{path}</code>" in shown
    assert re.findall(r"<summary><code>([^<]*)</code>", shown) == ["example/0_x.csv", "package.json", "process.cwl"]
    word = re.findall(r'name="form_token" value="([0-9a-f]+)"', shown)[0]

    assert session.post(page, data={"form_token": word}, timeout=60).status_code == 200

    pipeline = service.get("/pipelines?per_page=1")[0]["id"]
    variables = {one["key"]: one["value"] for one in service.get(f"/pipelines/{pipeline}/variables")}
    assert (variables["package"], variables["package_process"]) == (str(number), named)
