"""A table from a form or ``query.py`` to the table of results: real service, real stage, rows without containers."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from ci_service import ACCESS, TRIGGER, Service, make_project
from playwright.sync_api import Browser, Page, expect
from support import cases, here

_PLACE = "packages/ada/trees/main"
_NAMES = "package package_process inputs table product values row_retries max_failures resume marks".split()
_TABLE = "n,name\n1,a\n2,b\n3,c\n8,d\n"


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that maps read and write; they go on with ``go`` in it."""
    return tmp_path_factory.mktemp("marks")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, marks: Path) -> Path:
    """A project with a package, and a stage that runs tables."""
    folder = tmp_path_factory.mktemp("maps") / "ada" / "toy"
    package = folder / _PLACE
    shutil.copytree(cases / "packages" / "earth-types" / "expected", package)
    (package / "example").mkdir(exist_ok=True)
    (package / "example" / "0_aoi.geojson").write_text("{}")
    names = "\n".join(f"  {name}: ''" for name in _NAMES if name != "marks")
    return make_project(
        folder,
        f"""\
stages: [build, run]
variables:
{names}
  marks: "{marks}"
build:
  stage: build
  rules: [{{if: $package, when: never}}, {{when: on_success}}]
  script: [test -d packages]
  artifacts: {{paths: [packages/]}}
map:
  stage: run
  rules: [if: $package && ($table || $product)]
  script: ['{sys.executable} {here}/helpers/map_job.py']
  artifacts: {{paths: [results/], when: always}}
""",
    )


@pytest.fixture(scope="module")
def service(project: Path, marks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("service") / "data"
    running = Service(project, data, "--jobs", "2", "--job-writes", str(marks)).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def package(service: Service) -> int:
    """The number of the job with the package."""
    pipeline = service.trigger()
    assert service.wait(pipeline) == "success"
    return int(service.jobs(pipeline)["build"]["id"])


@pytest.fixture(autouse=True)
def _fresh(marks: Path) -> None:
    for name in ("broken", "ran"):
        (marks / name).unlink(missing_ok=True)
    (marks / "go").touch()


def _query(service: Service, tmp_path: Path, *words: object) -> subprocess.CompletedProcess[str]:
    known = {
        "PACKMILL_CI_URL": service.url, "PACKMILL_CI_TRIGGER_TOKEN": TRIGGER, "PACKMILL_CI_ACCESS_TOKEN": ACCESS,
        "PACKMILL_CI_CONFIG": str(tmp_path / "query.json"),
    }  # fmt: skip
    command = [sys.executable, str(here.parent / "query.py"), "map", *map(str, words)]
    return subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **known}, capture_output=True, text=True, check=False
    )


def _rows(text: str) -> list[tuple[str, str, str]]:
    return [(row["n"], row["state"], row["square"]) for row in csv.DictReader(io.StringIO(text))]


def test_query_runs_a_table_and_downloads_the_results(service: Service, package: int, tmp_path: Path) -> None:
    (tmp_path / "my cities.csv").write_text("n,name\n1,a\n3,b\n")

    done = _query(service, tmp_path, package, "my cities.csv", "-p", "speed=7", "--outdir", "out", "--json")

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["results"] == ["out/results.csv", "out/results.parquet", "out/report.html"]
    assert _rows((tmp_path / "out" / "results.csv").read_text()) == [("1", "succeeded", "1"), ("3", "succeeded", "9")]
    assert "2 of 2 rows done" in done.stderr
    pipeline = service.get(f"/jobs/{summary['job']}")["pipeline"]["id"]
    variables = {one["key"]: one["value"] for one in service.get(f"/pipelines/{pipeline}/variables")}
    assert re.fullmatch(r"packmill-tables/[0-9a-f]{32}/my_cities\.csv", variables["table"])
    assert variables["values"] == "••• (7 characters)"


def test_query_exits_as_packmill_map_and_resumes_the_failed_rows(
    service: Service, package: int, marks: Path, tmp_path: Path
) -> None:
    (marks / "broken").touch()
    done = _query(service, tmp_path, package, "--product", "n=1,8", "--json")

    assert done.returncode == 20
    assert "row 2 failed: cell-error: cell 2 failed: ValueError" in done.stderr
    assert "1 of 2 rows failed" in done.stderr
    job = json.loads(done.stdout)["job"]
    (marks / "broken").unlink()
    (marks / "ran").unlink()
    again = _query(service, tmp_path, package, "--product", "n=1,8", "--resume", job)

    assert again.returncode == 0, again.stderr
    assert (marks / "ran").read_text().split() == ["2"]
    assert _rows((tmp_path / "results" / "results.csv").read_text()) == [
        ("1", "succeeded", "1"),
        ("8", "succeeded", "64"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--product", "n=1,x"), "row 2: n is 'x'"),
        (("--product", "size=1"), "column 'size' is not an input"),
        (("--product", "n=1", "--max-failures", "many"), "'max_failures' is 'many'"),
        (("--product", "n=1", "-p", "speed=fast"), "speed is 'fast'"),
        (("--product", "n=1", "--resume", "1"), "job 1 has no results of a table"),
        (("absent.csv",), "absent.csv: cannot be read"),
        ((), "give a TABLE"),
    ],
)
def test_mistakes_end_query_with_2(
    words: tuple[str, ...], message: str, service: Service, package: int, tmp_path: Path
) -> None:
    done = _query(service, tmp_path, package, *words)

    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "results").exists()


def _signed_in(browser: Browser, service: Service, path: str) -> Page:
    page = browser.new_page()
    page.goto(f"{service.url}/ada/toy/-/{path}")
    page.get_by_label("Access token").fill(ACCESS)
    page.keyboard.press("Enter")
    return page


def test_a_form_shows_all_mistakes_before_anything_starts(
    service: Service, package: int, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("n,name\n1,a\n50,b\n2,toolong\nx,\n")
    before = service.get("/pipelines?per_page=1")[0]["id"]
    page = _signed_in(browser, service, f"jobs/{package}/package/{_PLACE}")
    page.get_by_role("link", name="Run a table").click()
    page.get_by_label("Table", exact=True).set_input_files(tmp_path / "t.csv")
    page.get_by_label("Values for all rows").fill("speed=3")
    page.get_by_role("button", name="Run all rows").click()

    mistakes = page.get_by_role("alert")
    expect(mistakes.get_by_role("listitem")).to_have_count(3)
    expect(mistakes).to_contain_text("row 2: n is '50'")
    expect(mistakes).to_contain_text("row 3: name is 'toolong'")
    expect(mistakes).to_contain_text("row 4: n is 'x'")
    expect(page.get_by_label("Values for all rows")).to_have_value("speed=3")
    assert service.get("/pipelines?per_page=1")[0]["id"] == before


def test_a_table_and_its_failed_rows_run_once_for_each_form(service: Service, package: int, marks: Path) -> None:
    (marks / "broken").touch()
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)

    def submit_twice(page: str, path: str, fields: dict[str, str]) -> int:
        text = session.get(f"{service.url}/ada/toy/-/jobs/{page}", timeout=60).text
        names = ("form_token", "submission")
        hidden = {name: re.findall(rf'name="{name}" value="([^"]+)"', text)[-1] for name in names}
        files = {name: (None, value) for name, value in {**hidden, **fields}.items()}
        address = f"{service.url}/ada/toy/-/jobs/{path}"
        ends = [session.post(address, files=files, timeout=60, allow_redirects=False) for _ in range(2)]
        first, second = (one.headers["Location"].rpartition("/")[2] for one in ends)
        assert first == second
        service.wait(service.get(f"/jobs/{first}")["pipeline"]["id"])
        return int(first)

    before = int(service.get("/pipelines?per_page=1")[0]["id"])
    place = f"{package}/map/{_PLACE}"
    job = submit_twice(place, place, {"product": "n=1,8"})
    submit_twice(str(job), f"{job}/resume", {})

    assert int(service.get("/pipelines?per_page=1")[0]["id"]) == before + 2


def test_a_page_follows_a_map_shows_its_report_and_repeats_failed_rows(
    service: Service, package: int, browser: Browser, marks: Path, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(_TABLE)
    (marks / "go").unlink()
    (marks / "broken").touch()
    page = _signed_in(browser, service, f"jobs/{package}/map/{_PLACE}")
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.get_by_label("Table", exact=True).set_input_files(tmp_path / "t.csv")
    page.get_by_role("button", name="Run all rows").click()
    loaded = page.evaluate("performance.timeOrigin")

    progress = page.locator("#map-progress")
    expect(progress).to_contain_text("2 of 4 done", timeout=60_000)
    expect(progress).to_contain_text("1 failed")
    expect(progress).to_contain_text("2 running")
    assert page.evaluate("performance.timeOrigin") == loaded  # the counts came without a reload
    expect(progress.get_by_role("row").nth(1)).to_contain_text("ValueError: <b>even</b> 99 of 99 rows done")
    (marks / "go").touch()
    expect(progress).to_contain_text("4 of 4 done", timeout=60_000)
    report = page.frame_locator("iframe[title='Report of the rows']")
    expect(report.get_by_text("4 rows: 2 succeeded, 2 failed")).to_be_visible(timeout=30_000)
    picture = report.get_by_role("img", name="plot.png").first
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("naturalWidth", 1)
    report.get_by_label("State").select_option("failed")
    expect(report.get_by_text("2 of 4 rows")).to_be_visible()
    expect(page.get_by_role("link", name="results.csv").first).to_be_visible()
    assert problems == []

    (marks / "broken").unlink()
    (marks / "ran").unlink()
    page.get_by_role("button", name="Run failed and missing rows again").click()
    expect(progress).to_contain_text("4 of 4 done", timeout=60_000)
    expect(progress).to_contain_text("3 succeeded")
    expect(progress.get_by_role("row")).to_have_count(2)
    assert (marks / "ran").read_text().split() == ["2", "4"]
    notebook = re.compile(r"/notebook/results/rows/2/process\.ipynb$")
    expect(page.get_by_role("link", name="Notebook of row 2")).to_have_attribute("href", notebook)
