"""The report of a map on the job's page: packmill's own script runs, nothing else."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from ci_service import ACCESS, PIPELINE_FILE, Service, make_project
from playwright.sync_api import Browser, expect

from generator.package.map.journal import Ended
from generator.package.map.report import write_report
from generator.package.map.rows import PlannedRow


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose first job is called as that of tables, and keeps results."""
    text = PIPELINE_FILE.replace("\none:\n", "\nmap:\n").replace("paths: [out/]", "paths: [results/]", 1)
    project = make_project(tmp_path_factory.mktemp("reports") / "ada" / "toy", text)
    running = Service(project, tmp_path_factory.mktemp("service") / "data", "--jobs", "2").start()
    yield running
    running.stop()


@pytest.fixture
def keep(service: Service, tmp_path: Path) -> Callable[[str], int]:
    """Run a job that keeps a report; the number of the job."""

    def keep(report: str) -> int:
        file = tmp_path / "report.html"
        file.write_text(report, encoding="utf-8")
        number = service.trigger(script=f"mkdir results; cp {shlex.quote(str(file))} results; echo 1 > results/a.html")
        assert service.wait(number) == "success"
        return int(service.jobs(number)["map"]["id"])

    return keep


@pytest.fixture
def report(tmp_path: Path) -> str:
    """A report with a hostile value."""
    row = PlannedRow(number=1, values={"n": "<script>document.title='taken'</script>"}, given={"n": "x"})
    ended = Ended(state="succeeded", scraps={"n": 1})
    return write_report(tmp_path, [(row, "1", ended)], package="trees", tables=[]).read_text(encoding="utf-8")


def _frame(service: Service, job: int) -> str:
    """The address of the report in the page of a job."""
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    text = session.get(f"{service.url}/ada/toy/-/jobs/{job}", timeout=60).text
    found = re.search(r'<iframe src="([^"]*/report\.html)" title="[^"]*" sandbox="allow-scripts allow-downloads"', text)
    assert found
    return f"{service.url}{found[1]}"


def test_a_report_runs_the_script_of_packmill_alone(
    service: Service, keep: Callable[[str], int], report: str, browser: Browser
) -> None:
    hostile = report.replace(
        "</body>", "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\"></body>"
    )
    page = browser.new_page()
    page.goto(_frame(service, keep(hostile)))

    expect(page.get_by_text("1 of 1 rows")).to_be_visible()
    expect(page).to_have_title("Results of trees")
    assert page.evaluate("origin") == "null"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("rows", "rows"), ""),
        (('"use strict";', '"use strict"; fetch("/");'), "another version of packmill wrote it"),
        (('<script nonce="', '<script nonce="x" data-n="'), "another version of packmill wrote it"),
    ],
    ids=["own", "changed", "other"],
)
def test_a_script_that_packmill_did_not_write_is_not_allowed(
    change: tuple[str, str], message: str, service: Service, keep: Callable[[str], int], report: str
) -> None:
    answer = requests.get(_frame(service, keep(report.replace(*change))), timeout=60)

    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert ("script-src 'sha256-" in policy) == (message == "")
    assert message in answer.text


def test_a_report_needs_its_key(service: Service, keep: Callable[[str], int], report: str) -> None:
    one, other = _frame(service, keep(report)), _frame(service, keep(report))
    key = one.split("/")[-2]

    assert requests.get(one, timeout=60).status_code == 200
    assert requests.get(one.replace(key, "0" * 32), timeout=60).status_code == 404
    assert requests.get(other.replace(other.split("/")[-2], key), timeout=60).status_code == 404
    page = requests.get(one.replace("report.html", "a.html"), timeout=60)
    assert page.headers["Content-Security-Policy"].startswith("sandbox;")
    assert page.headers["Content-Disposition"].startswith("attachment")
