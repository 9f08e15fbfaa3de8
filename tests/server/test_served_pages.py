"""The pages of the server in a real browser, and what notebooks and values could try on them."""

from __future__ import annotations

import asyncio
import re
import resource
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from notebook_server import NotebookServer
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support import write_notebook
from tiny_arrays import write_raster

from generator.runner.server.pages.description import describe
from generator.runner.server.pages.executed import NotShownError, executed_page
from generator.runner.server.pages.negotiation import accepts_page

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_EVIL = "<img src=x onerror=document.title='broken'><script>document.title='broken'</script>"
_AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
expect.set_options(timeout=60_000)  # milliseconds, for a busy machine
in_a_browser = pytest.mark.skipif(_CHROMIUM is None, reason="no Chromium is installed")

_GLUE = "from packmill import glue\n"
_PARAMETERS = """\
from typing import Literal, Optional
region: str = "Léman"  # Name of the basin
year: int = 2025
method: Literal["ndwi", "otsu"] = "ndwi"
satellite: Literal["S1", "S2", "L7", "L8", "L9"] = "S2"
bands: list[int] = [3, 8]
plot: bool = True
cutoff: Optional[float] = None
options: dict = {"scale": 10}
note: str
api_key: str = ""  # type: secret
"""
_RESULTS = """\
from packmill import glue
glue("area", year * 2)
glue("levels", [{"month": 1, "mean": 372.5}, {"month": 2, "mean": 373.5}])
glue("given", [region, year, method, satellite, bands, plot, cutoff, options, note, len(api_key)])
open("stations.csv", "w").write("station,level\\n" + "".join(f"CH{n},{n}\\n" for n in range(200)))
open("map.svg", "w").write("<svg xmlns='http://www.w3.org/2000/svg' width='80' height='40'/>")
print("printed")
"""
_HOSTILE = f"""\
from IPython.display import HTML, display
from packmill import glue
class Page:
    def _repr_html_(self): return {_EVIL + "<b>shown</b>"!r}
glue("value", {_EVIL!r})
glue({_EVIL!r}, 1)
glue("view", Page())
display(HTML({_EVIL + "<b>shown</b>"!r}))
open("a.svg", "w").write("<svg xmlns='http://www.w3.org/2000/svg'><script>document.title='broken'</script></svg>")
open({"<b>'x'.csv"!r}, "w").write("a," + {_EVIL!r} + "\\n1,2\\n")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("pages")
    root = folder / "root"
    write_notebook(root / "water.ipynb", _PARAMETERS, _RESULTS)
    write_notebook(root / "deep" / "slow.ipynb", "seconds: float = 60", "import time", "time.sleep(seconds)", "1")
    write_notebook(root / "fails.ipynb", "x: int = 1", "print('before')", "1 / (x - x)")
    shutil.copytree(Path(__file__).parent / "parquet", root / "made")
    write_raster(root / "made" / "height.tif", 32633, tie=(393000, 5820000), scale=10, rows=[[1, 2, 3]])
    write_notebook(
        root / "parquet.ipynb",
        "x: int = 1",
        "import shutil\nfor name in ('snappy', 'zstd'): shutil.copy(f'made/{name}.parquet', f'{name}.parquet')\n"
        "open('broken.parquet', 'wb').write(b'PAR1' * 9)\n"
        "shutil.copy('made/height.tif', 'height.tif')\n"
        "open('place.geojson', 'w').write('{\"type\": \"Point\", \"coordinates\": [13, 52]}')\n"
        "for name in 'ab': open(f'{name}.svg', 'w').write('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')",
    )
    write_notebook(
        root / "files.ipynb",
        "table = 'table.csv'  # type: stage-in\nfolder = 'folder/'  # type: stage-in\nx: int = 1",
        f"import os\n{_GLUE}glue('table', open(table).read())\nglue('folder', sorted(os.listdir(folder)))",
    )
    write_notebook(root / "evil.ipynb", f"x: str = {_EVIL!r}  # {_EVIL}", _HOSTILE)
    (root / "broken.ipynb").write_text("{")
    running = NotebookServer(root, folder / "data").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=_CHROMIUM, args=_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page; an error of a script fails the test."""
    context = browser.new_context()
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert not errors


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (_HTML["Accept"], True),
        ("text/html", True),
        ("text/html, */*", True),
        ("application/xhtml+xml", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/html;q=0.9", False),
        ("text/html, application/json", False),
        ("text/html;q=0.5, */*", False),
        ("text/html;q=broken", False),
        ("text/event-stream", False),
    ],
)
def test_only_clients_that_prefer_html_get_pages(accept: str, is_page: bool) -> None:
    assert accepts_page(accept) is is_page


@pytest.mark.parametrize("path", ["/notebooks", "/runs", "/runs/unknown", "/unknown"])
def test_the_api_stays_json_at_the_same_addresses(server: NotebookServer, path: str) -> None:
    assert "json" in server.ask("GET", path).headers["Content-Type"]
    assert server.ask("GET", path, headers=_HTML).headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("plot=0", 'name="plot" value="true">'),
        ("plot=1", 'name="plot" value="true" checked>'),
        ("bands=[1,2]", ">\n1\n2</textarea>"),
        ("year=five", 'value="five"'),
        ("api_key=x", 'type="password" id="field-api_key" name="api_key" autocomplete'),
    ],
)
def test_an_address_fills_in_values(server: NotebookServer, query: str, expected: str) -> None:
    text = server.ask("GET", f"/notebooks/water.ipynb?{query}", headers=_HTML).text

    assert expected in text


def test_an_address_chooses_the_format_of_a_run(server: NotebookServer) -> None:
    run = f"/runs/{server.run('fails.ipynb')['run']['id']}"

    assert "html" in server.ask("GET", f"{run}?format=html").headers["Content-Type"]
    for path in (f"{run}?format=json", f"{run}/notebook?format=ipynb"):
        assert "json" in server.ask("GET", path, headers=_HTML).headers["Content-Type"]


def test_the_text_of_a_notebook_is_shown_without_its_html() -> None:
    text = describe(
        f"# Title\n\nSome *text* {_EVIL}\n\n## More\n\n[a](javascript:alert(1)) ![b](https://x/y.png)", "Title"
    )

    assert "<em>text</em>" in text
    assert "Title" not in text
    assert not re.search("<img|<script|<h2|href=.javascript", text)
    assert describe("a\n\n" * 5000, "Title").count("<p>") < 1000


def test_every_page_forbids_what_it_does_not_need(server: NotebookServer) -> None:
    for path in ("/", "/notebooks/water.ipynb", "/runs", "/unknown"):
        answer = server.ask("GET", path, headers=_HTML)
        policy = answer.headers["Content-Security-Policy"]

        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert " style=" not in answer.text
        nonce = re.findall(r"'nonce-([\w-]+)'", policy)
        assert all(f'nonce="{nonce[0]}"' in script for script in re.findall(r"<script[^>]*>", answer.text))


def _fill(page: Page, server: NotebookServer) -> None:
    page.goto(f"{server.url}/notebooks/water.ipynb")
    page.get_by_label("region").fill("Rhine")
    page.get_by_label("otsu").check()
    page.get_by_label("satellite").select_option("L8")
    page.get_by_label("bands").fill("4\n5\n\n6")
    page.get_by_label("plot").uncheck()
    page.get_by_label("options").fill('{"scale": 20}')
    page.get_by_label("api key").fill("geheim")


@in_a_browser
def test_a_form_starts_a_run_with_values_of_every_kind(page: Page, server: NotebookServer) -> None:
    _fill(page, server)
    page.get_by_label("note").fill("text")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="water")).to_contain_text("succeeded")
    run = page.url.rpartition("/")[2]

    given = ["Rhine", 2025, "otsu", "L8", [4, 5, 6], False, None, {"scale": 20}, "text", 6]
    assert server.get(f"/runs/{run}/result")["scraps"]["given"] == given
    expect(page.get_by_role("region", name="Table levels").get_by_role("cell", name="373.5")).to_be_visible()
    expect(page.get_by_role("region", name="Table stations.csv").get_by_role("row")).to_have_count(51)
    expect(page.get_by_role("img", name="map.svg")).to_be_visible()
    assert page.get_by_role("img", name="map.svg").evaluate("one => one.naturalWidth") == 80
    expect(page.get_by_role("link", name="stations.csv")).to_be_visible()
    assert "geheim" not in page.content()

    page.get_by_role("link", name="Run again").click()
    expect(page.get_by_label("region")).to_have_value("Rhine")
    expect(page.get_by_label("bands")).to_have_value("4\n5\n6")
    expect(page.get_by_label("otsu")).to_be_checked()
    expect(page.get_by_label("plot")).not_to_be_checked()
    expect(page.get_by_label("options")).to_have_value('{"scale": 20}')
    expect(page.get_by_label("api key")).to_have_value("")


@in_a_browser
def test_wrong_values_are_shown_beside_their_fields_and_kept(page: Page, server: NotebookServer) -> None:
    _fill(page, server)
    page.get_by_label("year").fill("five")
    page.get_by_label("bands").fill("1\nx")
    before = len(server.get("/runs")["runs"])
    page.get_by_role("button", name="Run").click()

    expect(page.get_by_role("alert")).to_be_focused()
    for name, error in (
        ("year", "This value is 'five', but an int is needed."),
        ("bands", "This value is 'x', but an int is needed."),
        ("note", "This value is required."),
    ):
        field = page.get_by_label(name)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(re.escape(error)))
    expect(page.get_by_label("year")).to_have_value("five")
    expect(page.get_by_label("bands")).to_have_value("1\nx")
    expect(page.get_by_label("region")).to_have_value("Rhine")
    expect(page.get_by_label("api key")).to_have_value("")
    page.get_by_role("alert").get_by_role("link", name="note").click()
    expect(page.get_by_label("note")).to_be_focused()
    assert len(server.get("/runs")["runs"]) == before


@in_a_browser
def test_files_are_uploaded(page: Page, server: NotebookServer, tmp_path: Path) -> None:
    for name in ("my table.csv", "a.txt", "b.txt"):
        (tmp_path / name).write_text(f"content of {name}")
    page.goto(f"{server.url}/notebooks/files.ipynb")
    page.get_by_label("table").set_input_files(tmp_path / "my table.csv")
    page.get_by_label("folder").set_input_files([tmp_path / "a.txt", tmp_path / "b.txt"])
    page.locator("#field-x").fill("y")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#field-x")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("table").set_input_files(tmp_path / "my table.csv")
    page.get_by_label("folder").set_input_files([tmp_path / "a.txt", tmp_path / "b.txt"])
    page.locator("#field-x").fill("1")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="files", exact=False).first).to_contain_text("succeeded")

    scraps = server.get(f"/runs/{page.url.rpartition('/')[2]}/result")["scraps"]
    assert scraps == {"table": "content of my table.csv", "folder": ["a.txt", "b.txt"]}
    assert not list(server.data.rglob("uploads"))


@in_a_browser
def test_a_run_is_followed_live_and_dismissed(page: Page, server: NotebookServer) -> None:
    page.goto(f"{server.url}/notebooks/deep/slow.ipynb")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Cell 3 of 4")).to_be_visible()
    assert page.get_by_role("progressbar").evaluate("one => one.value") == 2
    page.get_by_role("button", name="Dismiss").click()

    expect(page.get_by_role("heading", name="slow")).to_contain_text("dismissed")
    expect(page.get_by_role("link", name="Run again")).to_be_visible()


@in_a_browser
def test_the_end_of_a_run_is_shown_and_spoken(page: Page, server: NotebookServer) -> None:
    page.goto(f"{server.url}/runs/{server.begin('deep/slow.ipynb', seconds=1.5)}")

    expect(page.get_by_role("status")).to_have_text("The run has succeeded.")
    expect(page.get_by_role("heading", name="Executed notebook")).to_be_visible()


@in_a_browser
def test_a_failed_run_names_its_cell(page: Page, server: NotebookServer) -> None:
    page.goto(f"{server.url}/runs/{server.run('fails.ipynb')['run']['id']}.html")

    expect(page.get_by_text("cell 3 failed: ZeroDivisionError")).to_be_visible()


@in_a_browser
def test_parquet_files_are_shown_as_tables(page: Page, server: NotebookServer) -> None:
    page.goto(f"{server.url}/runs/{server.run('parquet.ipynb')['run']['id']}")

    for name in ("snappy", "zstd"):
        table = page.get_by_role("region", name=f"Table {name}.parquet")
        expect(table.get_by_role("row")).to_have_count(51)
        expect(table.get_by_role("cell", name="CH49")).to_be_attached()
    tables = page.get_by_role("region", name="Tables")
    expect(
        tables.get_by_text("broken.parquet is not shown: it is damaged, or of a kind that cannot be read.")
    ).to_be_visible()
    expect(tables.get_by_role("link", name="broken.parquet")).to_be_visible()


@in_a_browser
def test_places_are_shown_as_maps_and_each_picture_once(page: Page, server: NotebookServer) -> None:
    page.goto(f"{server.url}/runs/{server.run('parquet.ipynb')['run']['id']}")
    page.get_by_role("heading", name="Maps").scroll_into_view_if_needed()

    expect(page.get_by_role("img", name="Map of place.geojson: 13° E")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("img", name="Picture of height.tif")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("img", name="Map of height.tif: 13.423° E")).to_be_visible()
    assert page.locator(".pictures img").evaluate_all("all => all.map((one) => one.alt)") == ["a.svg"]


@in_a_browser
def test_what_a_notebook_says_is_shown_and_not_run(page: Page, server: NotebookServer) -> None:
    run = server.run("evil.ipynb")["run"]["id"]
    page.goto(f"{server.url}/notebooks/evil.ipynb")
    expect(page.locator("#field-x")).to_have_value(_EVIL)
    page.goto(f"{server.url}/runs/{run}")
    page.get_by_text("Show here").click()
    for frame in ("evil.ipynb", "view"):
        expect(page.frame_locator(f"iframe[title='{frame}']").locator("b", has_text="shown").first).to_be_visible()
    expect(page.get_by_text(_EVIL).first).to_be_visible()
    assert "broken" not in page.title()
    for path in ("outputs/a.svg", "outputs/scraps/view.html", "notebook?format=html"):
        answer = server.ask("GET", f"/runs/{run}/{path}", headers=_HTML)
        assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        page.goto(f"{server.url}/runs/{run}/{path}")
        assert "broken" not in page.title()


@in_a_browser
def test_everything_is_reached_by_keyboard(page: Page, server: NotebookServer) -> None:
    page.goto(f"{server.url}/notebooks/fails.ipynb")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for name in ("runs", "API"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("main").get_by_role("link", name=name)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#field-x")).to_be_focused()
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="fails")).to_contain_text("failed")


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_have_no_barriers(browser: Browser, server: NotebookServer, scheme: str) -> None:
    run = server.run("water.ipynb", note="long" * 100)["run"]["id"]
    failed = server.run("fails.ipynb")["run"]["id"]
    context = browser.new_context(viewport={"width": 390, "height": 740}, color_scheme=scheme)  # type: ignore[arg-type]
    opened = context.new_page()
    form = "notebooks/water.ipynb"
    for path in ("", form, "runs", f"runs/{run}", f"runs/{failed}", "schedules", "sign-in", "unknown"):
        opened.goto(f"{server.url}/{path}")
        if path == form:
            opened.get_by_role("button", name="Run").click()
            expect(opened.get_by_role("alert")).to_be_visible()
        assert opened.evaluate("document.documentElement.scrollWidth") <= 390, path
        rules = _AXE_RULES if scheme == "light" else {"type": "rule", "values": ["color-contrast"]}
        found = Axe().run(opened, options={"runOnly": rules})
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
    ground = opened.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    context.close()

    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) is (scheme == "dark")


@in_a_browser
def test_the_pages_work_without_scripts(browser: Browser, server: NotebookServer) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(f"{server.url}/notebooks/deep/slow.ipynb")
    opened.get_by_label("seconds").fill("1")
    opened.get_by_role("button", name="Run").click()

    expect(opened.get_by_role("heading", name="slow")).to_contain_text("succeeded")
    context.close()


@in_a_browser
def test_a_form_creates_a_schedule_that_is_paused_and_deleted(page: Page, server: NotebookServer) -> None:
    page.goto(f"{server.url}/notebooks/fails.ipynb?x=5")
    page.get_by_text("Run at certain times").click()
    expect(page.get_by_label("Time zone")).not_to_have_value("")
    page.get_by_label("Title").fill(_EVIL)
    page.get_by_label("Times").fill("30 6 *")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("does not have five fields")
    expect(page.locator("#field-x")).to_have_value("5")
    page.get_by_label("Times").fill("30 6 1 1 *")
    page.get_by_label("Parameters with the time of the run").fill("x")
    page.get_by_role("button", name="Schedule").click()
    expect(page.get_by_role("alert")).to_contain_text("write NAME=FORMAT")
    page.get_by_label("Parameters with the time of the run").fill("x = %Y\n")
    page.get_by_role("button", name="Schedule").click()
    expect(page.get_by_text("x=%Y")).to_be_visible()
    expect(page.get_by_role("heading", name=_EVIL)).to_be_visible()
    expect(page.get_by_text(re.compile(r"Next: \w{3} \d{4}-01-01 06:30"))).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert [one["paused"] for one in server.get("/schedules")["schedules"]] == [True]
    page.get_by_text("Delete …").click()
    page.get_by_role("button", name="Delete").click()

    expect(page.get_by_text("No schedules yet")).to_be_visible()
    assert server.get("/schedules")["schedules"] == []


@in_a_browser
def test_the_api_is_shown_and_tried_without_another_server(page: Page, server: NotebookServer) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda one: problems.append(one.url) if not one.url.startswith((server.url, "data:")) else None)
    page.goto(f"{server.url}/notebooks/water.ipynb")
    page.get_by_role("main").get_by_role("link", name="API").click()
    expect(page.get_by_role("heading", name="water")).to_be_visible()
    expect(page.get_by_text("/notebooks/water.ipynb/runs").first).to_be_visible()
    assert Axe().run(page, options={"runOnly": {"type": "rule", "values": ["color-contrast"]}}).violations_count == 0
    page.get_by_label("Document").select_option("ogc")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_role("button", name="GET /conformance conformance").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute", exact=True).click()

    expect(page.get_by_text("conformsTo").first).to_be_visible()
    assert not problems


def test_a_notebook_that_cannot_run_says_why(server: NotebookServer) -> None:
    answer = server.ask("GET", "/notebooks/broken.ipynb", headers=_HTML)

    assert "This notebook cannot run: broken.ipynb:1:2" in answer.text
    assert "<form" not in answer.text


@pytest.mark.parametrize("path", ["/static/..%2Frendering.py", "/static/none.css", "/static/"])
def test_only_static_files_are_static(server: NotebookServer, path: str) -> None:
    assert server.ask("GET", path).status_code == 404


def test_a_page_of_a_large_notebook_is_not_rendered(server: NotebookServer, tmp_path: Path) -> None:
    run = server.run("fails.ipynb")["run"]["id"]
    file = next(server.data.rglob(f"{run}/output/fails.ipynb"))
    with file.open("ab") as stream:
        stream.truncate(60_000_000)
    answer = server.ask("GET", f"/runs/{run}/notebook", headers=_HTML)

    assert "too large to be shown" in answer.text


def test_a_page_that_cannot_be_written_leaves_no_part_of_it(tmp_path: Path) -> None:
    """As on a full disk, which each reload of the page would fill further; a limit on the size of files stands in."""
    written = write_notebook(tmp_path / "run.ipynb", "1", tags=())
    folder: Any = SimpleNamespace(path=tmp_path, notebook=lambda: written)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, before[1]))
    try:
        with pytest.raises(NotShownError, match="cannot be rendered"), ThreadPoolExecutor() as thread:
            thread.submit(lambda: asyncio.run(executed_page(folder))).result()  # this one may have the browser's loop
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list(tmp_path.iterdir()) == [written]


def test_runs_are_listed_by_state_and_page(server: NotebookServer) -> None:
    for _ in range(26):
        server.begin("fails.ipynb")
    first = server.ask("GET", "/runs?notebook=fails.ipynb", headers=_HTML).text
    older = re.findall(r'href="(/runs\?[^"]*before=[^"]*)"', first)[0].replace("&amp;", "&")
    second = server.ask("GET", older, headers=_HTML).text

    assert len(re.findall(r'href="/runs/[0-9a-f]{32}"', first)) == 25
    assert "water.ipynb" not in re.sub(r"<datalist.*</datalist>", "", second)
    assert re.findall(r'href="/runs/[0-9a-f]{32}"', second)
    assert "No run fits" in server.ask("GET", "/runs?notebook=none.ipynb", headers=_HTML).text
    assert server.ask("GET", "/runs?state=sleeping", headers=_HTML).status_code == 400


READER, RUNNER = (f"{name}-0123456789abcdefghij" for name in ("reader", "runner"))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    """A server with tokens."""
    folder = tmp_path_factory.mktemp("closed")
    write_notebook(folder / "root" / "one.ipynb", "x: int = 1", "print(x)")
    for number in range(119):
        write_notebook(folder / "root" / f"n{number:03d}.ipynb", "x: int = 1")
    tokens = f"reader:read:{READER} runner:run:{RUNNER}"
    running = NotebookServer(folder / "root", folder / "data", "--workers", "1", PACKMILL_SERVE_TOKENS=tokens).start()
    yield running
    running.stop()


def _sign_in(server: NotebookServer, token: str) -> dict[str, str]:
    answer = server.ask("POST", "/sign-in", data={"token": token})
    assert answer.status_code == 303
    return dict(answer.cookies)


@pytest.mark.parametrize("path", ["/", "/notebooks/one.ipynb?x=2", "/runs", "/runs/1/notebook"])
def test_pages_are_for_those_who_are_signed_in(closed: NotebookServer, path: str) -> None:
    answer = closed.ask("GET", path, headers=_HTML)

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/sign-in?next={quote(path, safe='')}"


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(closed: NotebookServer, target: str) -> None:
    answer = closed.ask("POST", "/sign-in", data={"token": READER, "next": target})

    assert answer.headers["Location"] == "/"


@in_a_browser
def test_a_token_signs_in_until_the_user_signs_out(page: Page, closed: NotebookServer) -> None:
    page.goto(f"{closed.url}/notebooks/one.ipynb?x=5")
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This token is not valid.")
    page.get_by_label("Token").fill(RUNNER)
    page.keyboard.press("Enter")
    expect(page.locator("#field-x")).to_have_value("5")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="one")).to_contain_text("succeeded")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(f"{closed.url}/runs")

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_many_notebooks_are_searched(closed: NotebookServer) -> None:
    cookies = _sign_in(closed, READER)
    everything, found, nothing = (
        closed.ask("GET", f"/?search={text}", headers=_HTML, cookies=cookies).text for text in ("", "N11", quote(_EVIL))
    )

    assert "100 of 120 notebooks" in everything
    assert len(re.findall(r'<a href="/notebooks/n11\d.ipynb">', found)) == found.count("<li>") == 9
    assert "No notebook has this text" in nothing


def test_a_token_that_reads_starts_nothing(closed: NotebookServer) -> None:
    cookies = _sign_in(closed, READER)
    form = closed.ask("GET", "/notebooks/one.ipynb", headers=_HTML, cookies=cookies).text
    answer = closed.ask("POST", "/notebooks/one.ipynb", headers=_HTML, cookies=cookies, data={"x": 1})

    assert "Your token can read only" in form
    assert "<button>Run" not in form
    assert answer.status_code == 403


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_form_of_another_site_is_refused(
    server: NotebookServer, closed: NotebookServer, headers: dict[str, str]
) -> None:
    for one, path in ((closed, "/notebooks/one.ipynb"), (server, "/notebooks/fails.ipynb")):
        cookies = _sign_in(one, RUNNER) if one is closed else {}
        answer = one.ask("POST", path, headers=_HTML | headers, cookies=cookies, data={"x": 1})

        assert answer.status_code == 403
        assert "page of another site" in answer.text
