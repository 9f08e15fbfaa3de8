"""The page of a map: the table with pictures, sorted and filtered, and a plot; shown without a network."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from generator.package.map.journal import Ended
from generator.package.map.report import write_report
from generator.package.map.results import Result
from generator.package.map.rows import PlannedRow

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_EVIL = "</script><script>document.title='broken'</script><img src=x onerror=document.title='broken'>"
_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10"/></svg>'

pytestmark = [pytest.mark.slow, pytest.mark.skipif(_CHROMIUM is None, reason="no Chromium is installed")]


def result(number: int, **fields: Any) -> Result:
    values = {"year": 2000 + number, "city": "Reykjavik"}
    ended = Ended(**{"state": "succeeded", "seconds": 0.5, **fields})
    return PlannedRow(number=number, values=values, given=values), f"{number:03d}", ended


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(params=[(1280, "light"), (390, "dark")])
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page of 120 rows: the second failed, the first has a picture."""
    width, scheme = request.param
    rows = [result(number, scraps={"mean": number**0.5}) for number in range(1, 121)]
    scraps = {"mean": 1.0, "figure": {"class": "File", "path": "scraps/figure.svg"}, "range": {"low": 1 / 3, "high": 2}}
    rows[0] = result(1, scraps=scraps, outputs={"map": "a map.svg"})
    elsewhere = {"class": "File", "path": "../../picture.svg"}
    rows[2] = result(3, scraps={"range": {"low": 4, "high": 5}, "figure": elsewhere})
    rows[1] = result(2, state="failed", reason="cell-error", message=_EVIL)
    (tmp_path / "rows" / "001" / "scraps").mkdir(parents=True)
    for name in ("a map.svg", "scraps/figure.svg"):
        (tmp_path / "rows" / "001" / name).write_text(_PICTURE)
    report = write_report(tmp_path, rows, package=f"trees {_EVIL}", tables=[tmp_path / "results.csv"])
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 800})
    opened = context.new_page()
    problems: list[str] = []
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(report.as_uri())
    yield opened
    context.close()
    assert not problems


def test_the_page_shows_sorts_and_filters_rows(page: Page) -> None:
    assert page.title() == f"Results of trees {_EVIL}"
    expect(page.get_by_text("120 rows: 119 succeeded, 1 failed")).to_be_visible()
    expect(page.get_by_text("1 × cell-error")).to_be_visible()
    rows = page.locator("tbody tr")
    assert rows.count() == 50
    pictures = page.locator("tbody img")
    pictures.evaluate_all("all => Promise.all(all.map((one) => one.decode()))")
    assert pictures.evaluate_all("all => all.map((one) => one.naturalWidth)") == [20, 20]  # an output and a scrap

    page.get_by_role("button", name="mean").click()
    page.get_by_role("button", name="mean").click()
    assert rows.first.locator("td").first.inner_text() == "120"

    page.get_by_label("State").select_option("failed")
    assert rows.count() == 1
    expect(rows.get_by_text(_EVIL)).to_be_visible()

    page.get_by_label("State").select_option("")
    page.get_by_label("Search").fill("2007")
    expect(page.get_by_text("1 of 120 rows")).to_be_visible()


def test_only_files_of_a_row_are_links(browser: Browser, tmp_path: Path) -> None:
    """Other texts could name hosts, which a browser would contact: on Windows also by file sharing."""
    texts = {1: "rows/001/a.txt", 2: ["rows/002/b.txt", "//files.example/share/x.png"], 3: "rows/003/../../c.txt"}
    rows = [result(number, scraps={"figure": text}) for number, text in texts.items()]
    report = write_report(tmp_path, rows, package="trees", tables=[])
    opened = browser.new_page()

    opened.goto(report.as_uri())

    links = opened.locator("tbody a, tbody img")
    assert [link.get_attribute("href") for link in links.all()] == ["rows/001/a.txt"]
    expect(opened.get_by_role("cell", name="//files.example/share/x.png")).to_be_visible()
    opened.close()


def test_whole_numbers_have_all_their_digits(browser: Browser, tmp_path: Path) -> None:
    """In cells, in objects, and at the points and ticks of the plot; fractions have six digits."""
    long = 2**53 + 1  # a number of JavaScript has it as 2**53
    scraps = {"of": {"id": 1234567, "part": 1 / 3}, "large": long, "list": [long], "area": 1234567.25, "part": 2 / 3}
    rows = [result(number, scraps={"date": 20240114 + number, **scraps}) for number in (1, 2)]
    report = write_report(tmp_path, rows, package="trees", tables=[])
    opened = browser.new_page()

    opened.goto(report.as_uri())

    for text in ("20240115", "20240116", str(long), f'["{long}"]', "1234567.25", "0.666667"):
        expect(opened.get_by_role("cell", name=text, exact=True).first).to_be_visible()
    expect(opened.get_by_text("id: 1234567\npart: 0.333333").first).to_be_visible()
    assert [one.text_content() for one in opened.locator("circle title").all()] == [
        f"row {number}: {2000 + number}, {20240114 + number}" for number in (1, 2)
    ]
    ticks = opened.locator("svg text").all_text_contents()
    assert len(set(ticks)) == len(ticks), ticks
    opened.close()


def test_inputs_that_are_infinite_or_not_a_number_are_shown(browser: Browser, tmp_path: Path) -> None:
    """The others of their column are still in its order and in the plot."""
    cutoffs = [0.5, math.nan, math.inf, -2.0, -math.inf]
    values = [{"cutoff": cutoff, "n": number} for number, cutoff in enumerate(cutoffs, 1)]
    rows = [
        (PlannedRow(number=number, values=one, given=one), str(number), Ended(state="succeeded"))
        for number, one in enumerate(values, 1)
    ]
    report = write_report(tmp_path, rows, package="trees", tables=[])
    opened = browser.new_page()

    opened.goto(report.as_uri())
    opened.get_by_role("button", name="cutoff").click()

    shown = [row.locator("td").nth(1).inner_text() for row in opened.locator("tbody tr").all()]
    assert shown == ["-inf", "-2", "0.5", "inf", "nan"]
    assert opened.locator("circle").count() == 2
    opened.close()


def test_results_come_next_to_the_values_of_a_row(page: Page) -> None:
    heads = " ".join(page.locator("th").all_inner_texts())

    assert heads == "row year city state reason message map mean figure range seconds folder"
    expect(page.get_by_text("Columns in which no row has something to show are left out")).to_be_visible()
    expect(page.get_by_role("cell", name="low: 0.333333")).to_be_visible()
    expect(page.get_by_role("cell", name="path: ../../picture.svg")).to_be_visible()  # of no row, thus no link


def test_words_are_whole_in_a_table_of_many_columns(page: Page) -> None:
    row = page.locator("tbody tr").nth(3).bounding_box()
    long = page.get_by_text(_EVIL).last.bounding_box()

    assert row is not None
    assert row["height"] < 60  # one line
    assert long is not None
    assert 200 < long["width"] < 500


def test_the_plot_shows_a_result_against_an_input(page: Page) -> None:
    plot = page.get_by_role("img", name="mean against year, 118 points")
    assert plot.locator("circle").count() == 118

    page.get_by_label("Up").select_option("seconds")
    expect(page.get_by_role("img", name="seconds against year, 120 points")).to_be_attached()
    page.get_by_label("Up").select_option("range.high")
    expect(page.get_by_role("img", name="range.high against year, 2 points")).to_be_attached()


def test_everyone_can_use_the_page(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= (page.viewport_size or {})["width"]
    found = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    assert found.violations_count == 0, found.generate_report()
