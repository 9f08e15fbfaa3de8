"""What the pages show of packages and runs, at the widths of a desk and of a phone, without barriers."""

from __future__ import annotations

import html
import json
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from ci_service import ACCESS, PIPELINE_FILE, Service, make_project
from playwright.sync_api import Browser, Page, expect
from support import here, notebook

from generator.service.notebooks.program import render

_PACKAGE = here / "cases" / "packages" / "everything" / "expected"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_PLACE = "packages/ada/trees/main"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose first job may leave packages."""
    text = PIPELINE_FILE.replace("\none:\n", "\nbuild:\n").replace("paths: [out/]", "paths: [packages/, out/]", 1)
    text = text.replace("\n  nothing:", "\n  package: ''\n  package_process: ''\n  inputs: ''\n  nothing:")
    folder = tmp_path_factory.mktemp("contents")
    running = Service(make_project(folder / "ada" / "toy", text), folder / "data", "--jobs", "2").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def built(service: Service) -> int:
    """The pipeline that left a package."""
    copied = f"mkdir -p {_PLACE} && cp {shlex.quote(str(_PACKAGE))}/* {_PLACE}"
    script = f"{copied} && echo PACKMILL_PACKAGE={_PLACE} > made.env"
    number = service.trigger(script=script, repository="https://example.org/ada/trees.git")
    assert service.wait(number) == "success"
    return number


@pytest.fixture(scope="module")
def package(service: Service, built: int) -> str:
    """The address of the package's page."""
    return f"{service.url}/ada/toy/-/jobs/{service.jobs(built)['build']['id']}/package/{_PLACE}"


@pytest.fixture(scope="module")
def session(service: Service) -> requests.Session:
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    return session


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_page_has_barriers(
    browser: Browser, service: Service, built: int, package: str, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    opened = context.new_page()
    opened.goto(f"{service.url}/")
    found = [_barriers(opened, light=scheme == "light")]
    opened.get_by_label("Access token").fill(ACCESS)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="Pipelines")).to_be_visible()
    job = service.jobs(built)["build"]["id"]
    for path in (
        "pipelines",
        f"pipelines/{built}",
        f"jobs/{job}",
        "pipelines/new",
        "packages",
        "storage",
        "audit",
        "pipelines/999999",
    ):
        opened.goto(f"{service.url}/ada/toy/-/{path}")
        found.append(_barriers(opened, light=scheme == "light"))
    opened.goto(package)
    for unfolded in opened.locator("details").all():
        unfolded.evaluate("it => it.open = true")
    found.append(_barriers(opened, light=scheme == "light"))
    context.close()

    assert [text for text in found if text] == []


def test_the_page_of_the_api_has_no_barriers_but_swagger_s_own_main(
    browser: Browser, service: Service, session: requests.Session
) -> None:
    context = browser.new_context()
    context.add_cookies(
        [{"name": one.name, "value": str(one.value), "url": f"{service.url}/"} for one in session.cookies]
    )
    page = context.new_page()
    page.goto(f"{service.url}/-/api")
    page.locator("main[role=region]").wait_for()
    found = Axe().run(page, options={"runOnly": _RULES})
    context.close()

    assert {one["id"] for one in found.response["violations"]} <= {"aria-allowed-role"}


def _barriers(page: Page, *, light: bool) -> str:
    """What axe finds on a page, and whether it is wider than the window."""
    rules = _RULES if light else {"type": "rule", "values": ["color-contrast"]}
    found = Axe().run(page, options={"runOnly": rules})
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    report = found.generate_report() if found.violations_count else ""
    return f"{page.url}\n{report}" if report or wide > 0 else ""


def test_the_page_of_a_package_opens_with_less_than_100_kb_of_its_own_host(
    browser: Browser, package: str, session: requests.Session
) -> None:
    host = package.partition("/ada/")[0]
    context = browser.new_context()
    context.add_cookies([{"name": one.name, "value": str(one.value), "url": f"{host}/"} for one in session.cookies])
    opened, addresses = context.new_page(), set[str]()
    opened.on("request", lambda request: addresses.add(request.url))
    opened.goto(package, wait_until="networkidle")

    assert {url for url in addresses if not url.startswith(host)} == set()
    assert sum(len(session.get(url, timeout=60).content) for url in addresses) < 100_000
    context.close()


def test_a_long_log_opens_at_its_end(browser: Browser, service: Service, session: requests.Session) -> None:
    number = service.trigger(script="seq 1 20000")
    service.wait(number)
    context = browser.new_context()
    page = context.new_page()
    address = f"{service.url}/ada/toy/-/jobs/{service.jobs(number)['build']['id']}"
    context.add_cookies(
        [{"name": one.name, "value": str(one.value), "url": f"{service.url}/"} for one in session.cookies]
    )
    page.goto(address)
    page.get_by_text("Job succeeded").wait_for()

    left = page.locator("#log").evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight")
    assert left <= 5
    context.close()


def test_the_picture_of_a_package_shows_its_interface_and_the_rest_on_request(
    session: requests.Session, package: str
) -> None:
    shown, _, folded = session.get(package, timeout=60).text.partition("With staging and all ports")

    assert "<title>threshold: float</title>" in shown
    assert "stage_in" not in re.sub(r"<[^>]*>", "", shown.partition("<h2>Inputs")[0])
    assert "<title>stage_in_scene: stage_in.cwl</title>" in folded


def test_the_page_of_a_package_needs_less_than_100_kilobytes_and_no_other_host(
    browser: Browser, service: Service, package: str
) -> None:
    """The first paint; documents are fetched when they are opened."""
    opened = browser.new_context().new_page()
    opened.goto(f"{service.url}/")
    opened.get_by_label("Access token").fill(ACCESS)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="Pipelines")).to_be_visible()
    opened.goto(package, wait_until="networkidle")
    loaded = opened.evaluate(
        "performance.getEntries().filter((one) => 'transferSize' in one).map((one) => one.toJSON())"
    )

    assert len(loaded) >= 4
    assert sum(one["encodedBodySize"] for one in loaded) < 100_000
    assert {one["name"].startswith(service.url) for one in loaded} == {True}
    opened.locator("details.document summary", has_text="process.cwl").click()
    expect(opened.frame_locator('iframe[title="process.cwl"]').get_by_text("cwlVersion")).to_be_visible()
    opened.context.close()


def test_a_run_is_listed_with_its_notebook_commit_and_values(
    service: Service, built: int, package: str, session: requests.Session
) -> None:
    job = service.jobs(built)["build"]["id"]
    run = service.trigger(package=str(job), inputs="{threshold: 1}", later="echo ünder way", upload_token="a secret")
    service.wait(run)

    row = _rows(session, service)[run]
    assert "<strong>process.ipynb</strong> of ada/trees" in row
    assert "main: A first version" in row
    assert "later=echo ünder way" in row
    assert "secret" not in row
    assert "threshold" not in row
    assert f'href="/ada/toy/-/runs/{run}">#{run}</a>' in session.get(package, timeout=60).text
    shown = session.get(f"{service.url}/ada/toy/-/pipelines/{run}", timeout=60).text
    assert f'href="{package.removeprefix(service.url)}?repeat={run}#run">Repeat with changes</a>' in shown


def test_a_phone_has_status_and_number_of_a_pipeline_in_one_line(
    browser: Browser, service: Service, built: int, session: requests.Session
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    context.add_cookies(
        [{"name": one.name, "value": str(one.value), "url": f"{service.url}/"} for one in session.cookies]
    )
    page = context.new_page()
    page.goto(f"{service.url}/ada/toy/-/pipelines")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=f"#{built}", exact=True))
    status, number = (row.locator("td").nth(place).bounding_box() for place in (0, 1))
    context.close()

    assert status is not None
    assert number is not None
    assert status["y"] < number["y"] + number["height"] / 2 < status["y"] + status["height"]


def test_lists_show_a_duration_without_the_time_between_jobs(
    service: Service, built: int, package: str, session: requests.Session
) -> None:
    run = service.trigger(package=str(service.jobs(built)["build"]["id"]), inputs="{threshold: 1}")
    service.wait(run)
    with closing(sqlite3.connect(service.data / "packmill.sqlite3", timeout=60)) as stored, stored:
        stored.execute("UPDATE pipelines SET finished_at = finished_at + 7200 WHERE id = ?", (run,))

    assert service.get(f"/pipelines/{run}")["duration"] < 7200
    for address in (f"{service.url}/ada/toy/-/pipelines", f"{service.url}/ada/toy/-/runs", package):
        assert not re.search(r"\d+ h \d+ min", session.get(address, timeout=60).text), address


def test_results_begin_with_each_picture_once_and_the_first_rows_of_tables(
    service: Service, session: requests.Session
) -> None:
    steps = [
        "mkdir -p out/more",
        "echo '<svg xmlns=\"http://www.w3.org/2000/svg\"/>' | tee out/map.svg > out/more/copy.svg",
        "printf 'name;level\\n<b>;3\\n' > out/levels.csv",
        "printf 'a\\0b' > out/binary.csv",
        "seq 60 > out/long.tsv",
        "python3 -c 'print(\"x\" * 200_000)' > out/wide.csv",
        "echo '{\"area\": 3}' > out/scraps.json",
    ]
    number = service.trigger(script="; ".join(steps))
    assert service.wait(number) == "success"
    job = service.jobs(number)["build"]["id"]
    shown = session.get(f"{service.url}/ada/toy/-/jobs/{job}", timeout=60).text
    results = shown.partition("<h2>Results</h2>")[2].partition("</section>")[0]

    assert re.findall(r"<img src=[^>]*files/([^\"]*)", results) == ["out/map.svg"]
    assert re.findall(r'aria-label="Table ([^"]*)"', results) == ["out/levels.csv", "out/long.tsv"]
    assert '<th scope="col">level</th>' in results
    assert "<td>&lt;b&gt;</td><td>3</td>" in results
    assert "<td>51</td>" in results
    assert "<td>52</td>" not in results
    assert results.index("<img") < results.index("<td>3</td>") < results.index("<code>area</code>")


def test_a_pipeline_is_repeated_with_its_values_but_secret_ones(service: Service, session: requests.Session) -> None:
    number = service.trigger(repository="https://example.org/a b&c", later="echo 'ü'", upload_token="sesame")
    shown = session.get(f"{service.url}/ada/toy/-/pipelines/{number}", timeout=60).text
    address = html.unescape(re.findall(r'href="([^"]*)">Repeat with changes', shown)[0])
    form = html.unescape(session.get(service.url + address, timeout=60).text)

    assert 'name="repository" value="https://example.org/a b&c"' in form
    assert "value=\"echo 'ü'\"" in form
    assert "token=" not in address


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("TREES.git", True),
        ("trees example", True),
        ("trees rivers", False),
        ("env_var", False),
        ("%", False),
        ("'", False),
    ],
)
def test_a_search_finds_the_words_of_a_request(
    service: Service, built: int, session: requests.Session, text: str, found: bool
) -> None:
    assert (built in _rows(session, service, search=text)) is found


def test_a_search_finds_a_number_and_letters_with_accents(service: Service, session: requests.Session) -> None:
    number = service.trigger(repository="https://example.org/ada/Flüsse")

    assert number in _rows(session, service, search="Flüsse")
    assert list(_rows(session, service, search=f"#{number}")) == [number]
    assert _rows(session, service, search=f"#{number}", status="canceled") == {}
    assert _rows(session, service, search="\ud800 " + "9" * 300) == {}


def _rows(session: requests.Session, service: Service, **query: str) -> dict[int, str]:
    """The rows of the page with pipelines, by number."""
    encoded = urlencode(query, errors="surrogatepass")
    answer = session.get(f"{service.url}/ada/toy/-/pipelines?{encoded}", timeout=60)
    assert answer.status_code == 200
    listed = re.findall(r'pipelines/(\d+)">#\d+</a>(.*?)</tr>', answer.text, re.DOTALL)
    return {int(number): row for number, row in listed}


def test_an_executed_notebook_has_a_dark_page_for_those_who_prefer_it(browser: Browser) -> None:
    page = render(json.dumps(notebook("1")).encode(), {"cells": 9, "text": 999, "output": 999}).decode()
    grounds = []
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
        opened = context.new_page()
        opened.set_content(page)
        grounds.append(opened.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()

    assert grounds == ["rgb(255, 255, 255)", "rgb(17, 17, 17)"]
