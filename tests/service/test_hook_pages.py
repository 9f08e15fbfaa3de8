"""The pages of hooks: with the keyboard alone, on every width, and only for those who may change something."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from ci_service import ACCESS, Service
from playwright.sync_api import Browser, Page, expect

from generator.service.store import tokens
from generator.service.store.database import Database, sqlite_url

expect.set_options(timeout=60_000)  # milliseconds, for a busy machine


@pytest.fixture
def received() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a receiver that refuses its second event, and what it got."""
    bodies: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(403 if len(bodies) == 2 else 200)
            self.end_headers()
            self.wfile.write(b"<b>thanks</b>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", bodies
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    opened = context.new_page()
    opened.goto(f"{service.url}/ada/toy/-/hooks")
    opened.get_by_label("Access token").fill(ACCESS)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="Hooks", exact=True)).to_be_visible()
    yield opened
    context.close()


def test_a_hook_is_added_tested_read_and_deleted_by_keyboard(
    page: Page, service: Service, received: tuple[str, list[dict[str, Any]]]
) -> None:
    url, bodies = received
    service.wait(service.trigger())
    page.get_by_label("Address").focus()
    page.keyboard.type(f"{url}/hook?key=secret")
    page.keyboard.press("Tab")
    page.keyboard.type("Chat of the team")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Chat of the team")).to_be_visible()

    for result in ("delivered", "failed"):
        page.get_by_role("button", name="Send a test").press("Enter")
        expect(page.locator("tbody .status").first).to_have_text(result)
    expect(page.locator("tbody tr").first).to_contain_text("status 403")
    page.get_by_text("Request and response").first.press("Enter")
    expect(page.get_by_role("region", name="Response of delivery").first).to_have_text("<b>thanks</b>")
    page.get_by_role("button", name="Resend").first.press("Enter")
    expect(page.locator("tbody .status")).to_have_count(3)
    assert [body["object_kind"] for body in bodies] == ["pipeline"] * 3
    assert "secret" not in page.content()

    _check(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="light")
    _check(page)
    page.goto(f"{service.url}/ada/toy/-/hooks")
    expect(page.get_by_role("link", name="Chat of the team")).to_be_visible()
    _check(page)
    page.get_by_role("link", name="Chat of the team").press("Enter")
    page.get_by_text("Delete this hook").press("Enter")
    page.get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_text("No hooks yet.")).to_be_visible()


def _check(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_wrong_address_is_explained_and_the_form_kept(page: Page) -> None:
    page.get_by_label("Address").fill("ftp://example.org")
    page.get_by_label("Name").fill("kept")
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_have_text("url is invalid; give an address such as https://example.org/hook")
    expect(page.get_by_label("Name")).to_have_value("kept")


def test_hooks_are_not_shown_to_those_who_may_only_read(service: Service) -> None:
    database = Database(sqlite_url(service.data / "packmill.sqlite3"))
    reader = tokens.create(database, name="reader", scopes=("read_api",))
    database.close()
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": reader}, timeout=60).raise_for_status()

    assert session.get(f"{service.url}/ada/toy/-/hooks", timeout=60).status_code == 403
    assert "/-/hooks" not in session.get(f"{service.url}/ada/toy/-/pipelines", timeout=60).text
