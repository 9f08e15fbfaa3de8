"""What people wait for: the list of 10,000 pipelines, the end of a log of 100 MB, and the first paint of a package.

A real service and a real Chromium; each figure has a reference of the same service. ``make bench`` runs it, or
``python tests/bench/service_pages.py``.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
sys.path.insert(0, str(Path(__file__).parents[2]))

from ci_service import ACCESS, Service, make_project
from playwright.sync_api import Browser, Page, sync_playwright

_FILE = """\
stages: [one]
variables: {script: {value: "true"}}
build: {stage: one, script: ['bash -c "$script"'], artifacts: {paths: [packages/], reports: {dotenv: made.env}}}
"""
_PACKAGE = Path(__file__).parents[1] / "cases" / "packages" / "everything" / "expected"
_PLACE = "packages/ada/trees/main"
_LOG, _PART = 100 * 10**6, 10**5


def open_page(browser: Browser, service: Service) -> Page:
    """A page of someone who is signed in."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(f"{service.url}/")
    page.get_by_label("Access token").fill(ACCESS)
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Pipelines')")
    return page


def log_end(page: Page, service: Service) -> None:
    """A finished log of 100 MB at its end, and a static page with the last 100 kB of it."""
    number = service.trigger(script="echo begun")
    service.wait(number)
    job = service.jobs(number)["build"]["id"]
    line = b"a line of the log, of a hundred characters, as a program prints many of them while it computes much\n"
    trace = service.data / "jobs" / str(job) / "trace"
    trace.write_bytes(line * (_LOG // len(line)) + b"the very last line\n")
    text = trace.read_bytes()[-_PART:].decode()
    reference = service.data.parent / "reference.html"
    reference.write_text(f"<!doctype html><title>x</title><pre>{text}</pre>")

    def opened(address: str) -> float:
        began = time.perf_counter()
        page.goto(address)
        page.get_by_text("the very last line").last.wait_for(state="visible")
        at_end = page.evaluate(
            "() => { const log = document.getElementById('log');"
            " return !log || log.scrollTop + log.clientHeight >= log.scrollHeight - 5 }"
        )
        assert at_end, "the log is not at its end"
        return time.perf_counter() - began

    took = statistics.median(opened(f"{service.url}/ada/bench/-/jobs/{job}") for _ in range(5))
    least = statistics.median(opened(reference.as_uri()) for _ in range(5))
    print(
        f"a log of 100 MB opens at its end in {took:.2f} s, {took / least:.1f} times a static file of its last 100 kB"
    )


def first_paint(page: Page, service: Service) -> None:
    """What a package's page loads until it is painted."""
    copy = f"mkdir -p {_PLACE}; cp -r {_PACKAGE}/. {_PLACE}; echo PACKMILL_PACKAGE={_PLACE} > made.env"
    number = service.trigger(script=copy)
    assert service.wait(number) == "success"
    job = service.jobs(number)["build"]["id"]
    context = page.context.browser.new_context(storage_state=page.context.storage_state())  # type: ignore[union-attr]
    fresh, loaded = context.new_page(), dict[str, int]()

    def note(response: Any) -> None:
        loaded[response.url] = response.request.sizes()["responseBodySize"]

    fresh.on("requestfinished", lambda request: note(request.response()))
    fresh.goto(f"{service.url}/ada/bench/-/jobs/{job}/package/{_PLACE}", wait_until="load")
    painted = fresh.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    foreign = [url for url in loaded if not url.startswith(service.url) and not url.startswith("data:")]
    context.close()
    print(
        f"the page of a package: {sum(loaded.values()) / 1000:.0f} kB in {len(loaded)} requests, first paint after "
        f"{painted:.0f} ms, {len(foreign)} foreign hosts"
    )
    for url, size in sorted(loaded.items(), key=lambda one: -one[1])[:4]:
        print(f"  {size / 1000:6.1f} kB  {url.removeprefix(service.url)}")


def main() -> None:
    """Print the figures."""
    with TemporaryDirectory() as temporary, sync_playwright() as playwright:
        project = make_project(Path(temporary) / "ada" / "bench", _FILE)
        service = Service(project, Path(temporary) / "data", "--rate-limit", "1000000", path="ada/bench").start()
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = open_page(browser, service)
            log_end(page, service)
            first_paint(page, service)
        finally:
            browser.close()
            service.stop()


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    main()
