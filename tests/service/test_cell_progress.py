"""The progress bar of a run: cell by cell, on the job's page, in its pipeline and in the list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from ci_service import ACCESS, Service
from playwright.sync_api import Browser, Page, expect

from generator.service.jobs.cell_progress import CellProgress, cell_progress

expect.set_options(timeout=60_000)  # milliseconds, for a busy machine


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    opened = context.new_page()
    opened.goto(f"{service.url}/ada/toy/-/pipelines")
    opened.get_by_label("Access token").fill(ACCESS)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="Pipelines")).to_be_visible()
    yield opened
    context.close()


def test_a_run_shows_its_cells_while_it_runs(page: Page, service: Service, marks: Path) -> None:
    go = marks / "next cell"
    wait = f"while [ ! -e '{go}' ]; do sleep 0.1; done"
    number = service.trigger(
        script=f"echo '    cell 2 of 8: load()'; {wait}; echo '    cell 7 of 8: plot()'; sleep 600"
    )
    service.wait(number, "running")
    bar = page.get_by_role("progressbar", name="Progress of the notebook")
    try:
        page.goto(f"{service.url}/ada/toy/-/jobs/{service.jobs(number)['one']['id']}")
        expect(page.get_by_text("cell 2 of 8", exact=True)).to_be_visible()
        go.touch()
        expect(page.get_by_text("cell 7 of 8", exact=True)).to_be_visible()
        assert bar.evaluate("bar => [bar.value, bar.max]") == [6, 8]
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        for path in (f"pipelines/{number}", "pipelines"):
            page.goto(f"{service.url}/ada/toy/-/{path}")
            expect(bar).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        service.ask("POST", f"/pipelines/{number}/cancel")
    expect(bar).to_have_count(0)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("cell 1 of 4: a\n    cell 3 of 4: b\nprinted", CellProgress(3, 4)),
        ("my cell 3 of 4: b", None),
        ("cell 9 of 4: b", None),
        ("", None),
    ],
)
def test_the_last_cell_of_a_log_counts(tmp_path: Path, log: str, expected: CellProgress | None) -> None:
    (tmp_path / "trace").write_text(log)

    assert cell_progress(tmp_path / "trace") == expected
    assert cell_progress(tmp_path / "none") is None
