"""The Packages page: packages of two hosts that have one place are two packages, and each runs as itself."""

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
    text = text.replace("\n  nothing:", "\n  package: ''\n  inputs: ''\n  nothing:")
    return make_project(tmp_path_factory.mktemp("packages") / "ada" / "toy", text)


@pytest.fixture(scope="module")
def service(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(project, tmp_path_factory.mktemp("service") / "data", "--jobs", "2").start()
    yield running
    running.stop()


@pytest.fixture
def package(service: Service) -> Callable[[object], int]:
    """Leaves a package of a repository at the place; the number of its job."""

    def leave(address: object, place: str = _PLACE) -> int:
        about = {
            "repository": {"address": address, "owner": "ada", "name": "trees"},
            "commit": {"id": "0" * 40},
            "process": {"path": "process.ipynb"},
            "image": {"reference": "ada.trees:main"},
            "interface": {"inputs": [], "outputs": []},
            "documents": ["package.json", "process.cwl"],
        }
        steps = (
            f"mkdir -p {place}",
            f"echo {shlex.quote(json.dumps(about))} > {place}/package.json",
            f"echo 'class: CommandLineTool' > {place}/process.cwl",
            f"echo PACKMILL_PACKAGE={place} > made.env",
        )
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


def test_packages_of_two_hosts_at_one_place_are_both_shown(service: Service, package: Callable[[object], int]) -> None:
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
    address: object, service: Service, package: Callable[[object], int]
) -> None:
    known = package("https://c.example.org/ada/trees.git")
    numbers = [package(address), package(address)]

    rows = dict(_rows(service))
    assert set(numbers) <= set(rows)
    assert rows[known] == "https://c.example.org/ada/trees.git"


def test_the_form_runs_the_package_of_its_own_page(service: Service, package: Callable[[object], int]) -> None:
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
