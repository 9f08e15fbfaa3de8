"""Every door of ``packmill serve``: the routes come from the application, so a new one without a guard fails here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path

import pytest
import requests
from ci_service import ACCESS, TRIGGER, Service, make_project
from routes import LEADING_ELSEWHERE, WRITING, ask_raw, filled, service_routes, text_parameters

from generator.service.store import tokens
from generator.service.store.opening import open_database

PUBLIC = ("/-/health", "/-/liveness", "/-/readiness", "/-/sign-in", "/-/api", "/-/openapi.json", "/")
"""Health, the page to sign in, and the description of the API; ``/`` leads to a page."""
MARKER = "text-of-a-file-that-no-request-may-read"
ROUTES = service_routes()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a pipeline that has ended, and files with the marker around its data."""
    folder = tmp_path_factory.mktemp("doors")
    project = make_project(folder / "ada" / "toy")
    running = Service(project, folder / "data", "--jobs", "2", "--rate-limit", "1000000").start()
    try:
        pipeline = running.trigger(script="mkdir out; echo '<script>alert(1)</script>' > 'out/<b>.txt'; cat out/*")
        assert running.wait(pipeline) == "success"
        for place in (folder, *(one for one in (folder / "data").iterdir() if one.is_dir())):
            (place / "marker.txt").write_text(MARKER)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def reader(service: Service) -> str:
    """A token that may only read."""
    database = open_database(service.data, None)
    try:
        return tokens.create(database, name="reader", scopes=["read_api"])
    finally:
        database.close()


def _session(service: Service, token: str) -> dict[str, str]:
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": token}, timeout=60)
    return {"Cookie": "; ".join(f"{one.name}={one.value}" for one in session.cookies)}


def _is_page(path: str) -> bool:
    return not path.startswith(("/api/", "/metrics", "/-/metrics"))


def test_every_other_route_needs_a_token(service: Service) -> None:
    for headers in ({}, {"PRIVATE-TOKEN": "of-nobody", "Cookie": "packmill_session=1.9999999999.x.y"}):
        answers = {
            (method, path): ask_raw(service.port, method, filled(path, {}), headers)
            for method, path in ROUTES
            if path not in PUBLIC
        }
        # these have secrets of their own; an address that guesses is refused with 429 for a minute
        own_secret = re.compile("/trigger/pipeline|/-/shared/|/report/")
        allowed = {key: (400, 404) for key in answers if own_secret.search(key[1])}
        open_doors = {
            key: status
            for key, (status, found, _) in answers.items()
            if status not in (401, 429, *allowed.get(key, ())) and "/-/sign-in" not in found.get("Location", "")
        }

        assert len(answers) > 90
        assert open_doors == {}


@pytest.mark.parametrize("who", ["trigger", "reader"])
def test_a_token_changes_nothing_that_its_scope_does_not_allow(service: Service, reader: str, who: str) -> None:
    token = TRIGGER if who == "trigger" else reader
    cookie = _session(service, token)
    before = service.get("/pipelines"), service.get("/jobs"), service.get("/hooks")
    for method, path in ROUTES:
        if method not in WRITING or path in ("/-/sign-in", "/-/sign-out") or path.endswith("/trigger/pipeline"):
            continue
        headers = cookie if _is_page(path) else {"PRIVATE-TOKEN": token}
        status, found, _ = ask_raw(service.port, method, filled(path, {}), headers)

        assert status == 403 or "/-/sign-in" in found.get("Location", ""), (method, path, status)
    assert (service.get("/pipelines"), service.get("/jobs"), service.get("/hooks")) == before


def test_no_parameter_of_a_path_leads_elsewhere(service: Service) -> None:
    cookie, secret = _session(service, ACCESS), {"PRIVATE-TOKEN": ACCESS}
    around = sorted(service.data.parent.rglob("marker.txt"))
    tried = 0
    for method, path in ROUTES:
        for parameter in text_parameters(path):
            for text in LEADING_ELSEWHERE:
                value = text.replace("/MARKER", str(around[0])).replace("%2fMARKER", str(around[0]).replace("/", "%2f"))
                target = filled(path, {parameter: value, "folder": "out"})
                headers = cookie if _is_page(path) else secret
                status, found, body = ask_raw(service.port, method, f"{target}?job=one", headers, b"")

                assert status < 500, (method, target)
                assert MARKER.encode() not in body, (method, target)
                assert "X-Injected" not in found, (method, target)
                tried += 1
    assert tried > 200
    assert sorted(service.data.parent.rglob("marker.txt")) == around
    assert {one.read_text() for one in around} == {MARKER}
    assert not list(Path("/").glob("*MARKER*"))


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_a_body_of_a_terabyte_is_refused_before_it_arrives(service: Service, kind: str) -> None:
    cookie = _session(service, ACCESS)
    for method, path in ROUTES:
        if method in WRITING and path != "/-/sign-out":
            headers = {**(cookie if _is_page(path) else {"PRIVATE-TOKEN": ACCESS}), "Content-Type": kind}
            target = filled(path, {}, "999")
            status, _, _ = ask_raw(service.port, method, target, {**headers, "Content-Length": str(1 << 40)})

            assert status in (400, 403, 404, 413), (method, path, status)


def test_a_body_without_a_length_is_read_up_to_the_limit(service: Service) -> None:
    cookie = _session(service, ACCESS)
    for method, path in ROUTES:
        if method not in WRITING or "/packages/generic/" in path or path == "/-/sign-out":
            continue
        headers = cookie if _is_page(path) else {"PRIVATE-TOKEN": ACCESS}
        body = (b"x" * (1 << 16) for _ in range(32))
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, _ = ask_raw(service.port, method, filled(path, {}, "999"), {**headers, **kind}, body)

        assert status in (400, 403, 404, 413), (method, path, status)


def test_every_answer_has_the_headers_that_browsers_obey(service: Service) -> None:
    cookie = _session(service, ACCESS)
    targets = [(method, filled(path, {"path": "out/<b>.txt", "folder": "out"})) for method, path in ROUTES]
    targets += [("GET", one) for one in ("/static/style.css", "/nowhere", "/api/v4/projects/9", "/api/v4/x?%00")]
    for method, target in targets:
        if "/notebook/" in target:  # rendered for seconds; tests/service/test_notebook_pages.py has it
            continue
        for headers in ({}, {"PRIVATE-TOKEN": ACCESS} if not _is_page(target) else cookie):
            if headers and method in WRITING:
                continue
            status, found, _ = ask_raw(service.port, method, target.replace("<b>", "%3Cb%3E"), headers)

            _check_headers(status, found, f"{method} {target} {status}")


def _check_headers(status: int, found: HTTPMessage, what: str) -> None:
    assert found["X-Content-Type-Options"] == "nosniff", what
    assert found["Referrer-Policy"] in ("same-origin", "no-referrer"), what
    assert "Server" not in found, what
    assert "public" not in found["Cache-Control"], what
    if "/static/" in what:
        return
    policy = found["Content-Security-Policy"] or ""
    assert re.search(r"default-src 'none'", policy), what
    assert re.search(r"frame-ancestors '(none|self)'", policy), what
