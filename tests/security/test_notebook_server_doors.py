"""Every door of ``packmill-runner serve``: the routes come from the application, so a new one is among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from fastapi import FastAPI
from notebook_server import NotebookServer, write_notebooks
from routes import LEADING_ELSEWHERE, WRITING, ask_raw, filled, routes_of, status_in_process, text_parameters
from support import write_notebook

from generator.runner.server import app as served
from generator.runner.server.access import Access
from generator.runner.server.pages.errors import error_response
from generator.runner.server.problems import ProblemError
from generator.runner.server.tokens.store import TokenStore

RUNNER, ADMIN = (f"{name}-0123456789abcdefghij" for name in ("runner", "admin"))
GIVEN = f"runner:run:{RUNNER} admin:admin:{ADMIN}"
PUBLIC = ("/sign-in", "/sign-out", "/static/{name}", "/health", "/health/live")
MARKER = "text-of-a-file-that-no-request-may-read"
PAGE = {"Accept": "text/html"}
ROUTES = sorted({one for router in served._routers for one in routes_of(router)})


def _bearer(token: str = ADMIN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("served-doors")
    write_notebooks(folder / "root")
    running = NotebookServer(folder / "root", folder / "data", "--workers", "1", PACKMILL_SERVE_TOKENS=GIVEN).start()
    try:
        for place in (folder, folder / "data", folder / "root" / ".hidden"):
            place.mkdir(exist_ok=True)
            (place / "marker.txt").write_text(MARKER)
            write_notebook(place / "marker.ipynb", f"x = '{MARKER}'")
        (folder / "root" / "marker.ipynb").unlink(missing_ok=True)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def run(server: NotebookServer) -> str:
    """The ID of a run that has ended, with a file."""
    body = {"notebook": "deep/files.ipynb", "parameters": {}}
    return str(server.ask("POST", "/runs?wait=60", json=body, headers=_bearer()).json()["run"]["id"])


def test_every_route_of_a_home_needs_a_token(tmp_path: Path) -> None:
    """Those that a server has for a home alone; tests/server/test_access.py asks for all others."""
    app = FastAPI(openapi_url=None)
    for router in served._home_routers:
        if router not in served._routers:
            app.include_router(router)
    store = TokenStore(tmp_path)
    store.create("ada", "admin")
    app.state.context = MagicMock(access=Access(store, loopback=False))
    app.add_exception_handler(ProblemError, error_response)
    asked = [one for one in routes_of(app) if one[1] not in PUBLIC]
    answers = {(method, path): status_in_process(app, method, filled(path, {})) for method, path in asked}
    store.close()

    assert set(answers.values()) == {401}, answers
    assert {("POST", "/execute"), ("POST", "/run-notebook"), ("GET", "/list-notebooks/{username}")} <= set(answers)


def test_no_parameter_of_a_path_leads_elsewhere(server: NotebookServer, run: str) -> None:
    folder = server.data.parent
    around = sorted(folder.rglob("marker.*"))
    values = {"run_id": run, "identifier": run, "notebook": "double.ipynb"}
    tried = 0
    for method, path in ROUTES:
        for parameter in text_parameters(path):
            for text in LEADING_ELSEWHERE:
                marker = str(folder / "marker.txt")
                value = text.replace("/MARKER", marker).replace("%2fMARKER", marker.replace("/", "%2f"))
                if "notebook" in path:
                    value = value.replace("marker.txt", "marker.ipynb")
                target = filled(path, {**values, parameter: value}, "double.ipynb")
                status, found, body = ask_raw(server.port, method, target, _bearer(), b"")

                assert status < 500, (method, target)
                assert MARKER.encode() not in body, (method, target)
                assert "X-Injected" not in found, (method, target)
                tried += 1
    assert tried > 200
    assert sorted(folder.rglob("marker.*")) == around


def test_every_answer_has_the_headers_that_browsers_obey(server: NotebookServer, run: str) -> None:
    values = {"run_id": run, "identifier": run, "name": "style.css", "path": "double.ipynb"}
    targets = [(method, filled(path, values, "double.ipynb")) for method, path in ROUTES]
    targets += [("GET", one) for one in ("/nowhere", f"/runs/{run}/outputs/a.txt", "/%00", "/" + "a" * 50_000)]
    for method, target in targets:
        if target.endswith(
            ("/events", "/notebook")
        ):  # a stream; a page of seconds, in tests/server/test_served_pages.py
            continue
        for headers in ({}, _bearer(), {**_bearer(), **PAGE}):
            if headers and method in WRITING:
                continue
            status, found, _ = ask_raw(server.port, method, target, headers)
            what = f"{method} {target[:80]} {status}"

            assert found["X-Content-Type-Options"] == "nosniff", what
            assert found["Referrer-Policy"] in ("same-origin", "no-referrer"), what
            assert "Server" not in found, what
            policy = found["Content-Security-Policy"] or ""
            assert "default-src 'none'" in policy, what
            assert re.search("frame-ancestors '(none|self)'", policy), what


def test_a_body_of_a_terabyte_is_refused_before_it_arrives(server: NotebookServer) -> None:
    for method, path in ROUTES:
        if method not in WRITING or path == "/sign-out":
            continue
        for kind in ("application/json", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded"):
            headers = {**_bearer(), "Content-Type": kind, "Content-Length": str(1 << 40)}
            status, _, _ = ask_raw(server.port, method, filled(path, {}, "double.ipynb"), headers)

            assert status == 413, (method, path, status)


def test_nobody_without_a_token_sends_more_than_a_token_to_sign_in(server: NotebookServer) -> None:
    form = "application/x-www-form-urlencoded"
    sent = ((form, b"token=" + b"x" * 40_000, 413), ("multipart/form-data; boundary=b", b"", 415), ("", b"", 415))

    for kind, body, expected in sent:
        headers = {"Content-Type": kind} if kind else {}
        assert server.ask("POST", "/sign-in", data=body, headers=headers).status_code == expected, kind


def test_signing_out_ends_the_session_for_every_copy_of_its_cookie(server: NotebookServer) -> None:
    def cookie() -> dict[str, str]:
        answer = server.ask("POST", "/sign-in", data={"token": RUNNER})
        return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "Accept": "application/json"}

    session, other = cookie(), cookie()
    assert server.ask("GET", "/runs", headers=session).status_code == 200

    assert server.ask("POST", "/sign-out", headers={**session, "Sec-Fetch-Site": "same-origin"}).status_code == 303

    assert server.ask("GET", "/runs", headers=session).status_code == 401
    assert server.ask("GET", "/runs", headers=other).status_code == 200
