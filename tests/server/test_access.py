"""Access to the runner's server: tokens, roles, sessions of browsers, and pages of other sites."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sqlite3
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import forked_programs
import pytest
import requests
from notebook_server import NotebookServer, serve_command, write_notebooks
from support import here

from generator.runner.server import serve
from generator.runner.server.gateway.websocket import serve as websocket_serve
from generator.runner.server.operation.errors import unexpected_problem
from generator.runner.server.options import add_serve
from generator.runner.server.runs import sqlite_failures
from generator.runner.server.runs.store import StoreMisfitError, StoreUnavailableError
from generator.runner.server.tokens.command import manage_tokens
from generator.runner.server.tokens.store import TokenStore
from generator.runner.server.tokens.token import read_token_file
from generator.shared.failures import BadInputsError, DiskFullError

READER, RUNNER, OTHER, ADMIN = (f"{name}-0123456789abcdefghij" for name in ("reader", "runner", "other", "admin"))
SPARE = [f"spare{number}-0123456789abcdefghij" for number in range(10)]
GIVEN = f"reader:read:{READER}, runner:run:{RUNNER}\nother:run:{OTHER} admin:admin:{ADMIN}" + "".join(
    f" {token.partition('-')[0]}:read:{token}" for token in SPARE
)
BODY = {"notebook": "double.ipynb"}


def bearer(token: str = ADMIN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("closed")
    write_notebooks(folder / "root")
    options = ("--workers", "1", "--trusted-proxy", "127.0.0.1")
    running = NotebookServer(folder / "root", folder / "data", *options, PACKMILL_SERVE_TOKENS=GIVEN).start()
    yield running
    running.stop()


def token_command(data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return forked_programs.run(forked_programs.RUNNER, "token", *words, "--data", data, cwd=here.parent)


def start(server: NotebookServer, token: str) -> str:
    answer = server.ask("POST", "/runs?wait=60", json=BODY, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["run"]["id"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (bearer("wrong"), 401),
        ({"Authorization": f"Basic {ADMIN}"}, 401),
        ({"Authorization": f"token {READER}"}, 200),
        ({"Authorization": f"bearer  {READER}"}, 200),
        (bearer(READER), 200),
    ],
)
def test_a_request_needs_a_valid_token(closed: NotebookServer, headers: dict[str, str], status: int) -> None:
    answer = closed.ask("GET", "/runs", headers=headers)

    assert answer.status_code == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert closed.ask("GET", f"/runs?token={ADMIN}").status_code == 401


def test_each_role_may_do_its_own(closed: NotebookServer) -> None:
    mine = start(closed, RUNNER)

    assert closed.ask("POST", "/runs", json=BODY, headers=bearer(READER)).status_code == 403
    assert closed.ask("DELETE", f"/runs/{mine}", headers=bearer(READER)).status_code == 403
    for seeing in (RUNNER, READER, ADMIN):
        assert closed.ask("GET", f"/runs/{mine}/result", headers=bearer(seeing)).status_code == 200
    assert closed.ask("DELETE", f"/runs/{mine}", headers=bearer(ADMIN)).status_code == 200


@pytest.mark.parametrize("what", ["", "/result", "/notebook", "/outputs/result.json", "/events"])
def test_the_role_run_does_not_learn_of_the_runs_of_others(closed: NotebookServer, what: str) -> None:
    theirs = start(closed, OTHER)
    missing = "0" * 32

    refused = closed.ask("GET", f"/runs/{theirs}{what}", headers=bearer(RUNNER))
    unknown = closed.ask("GET", f"/runs/{missing}{what}", headers=bearer(RUNNER))
    assert refused.status_code == unknown.status_code == 404
    assert refused.text.replace(theirs, missing) == unknown.text


def test_the_role_run_neither_lists_nor_dismisses_the_runs_of_others(closed: NotebookServer) -> None:
    mine, theirs = start(closed, RUNNER), start(closed, OTHER)

    def listed(token: str) -> list[str]:
        return [run["id"] for run in closed.ask("GET", "/runs", headers=bearer(token)).json()["runs"]]

    assert mine in listed(RUNNER)
    assert theirs not in listed(RUNNER)
    assert {mine, theirs} <= set(listed(READER)) & set(listed(ADMIN))
    assert closed.ask("DELETE", f"/runs/{theirs}", headers=bearer(RUNNER)).status_code == 404


def test_an_idempotency_key_is_its_tokens_own(closed: NotebookServer) -> None:
    ids = {
        closed.ask("POST", "/runs", json=BODY, headers={**bearer(token), "Idempotency-Key": "k"}).headers["Location"]
        for token in (RUNNER, OTHER)
    }

    assert len(ids) == 2


def test_an_address_that_guesses_is_slowed_down_but_its_users_are_not(closed: NotebookServer) -> None:
    def ask(token: str, address: str = "192.0.2.7") -> requests.Response:
        return closed.ask("GET", "/runs", headers={**bearer(token), "X-Forwarded-For": address})

    assert ask(READER).status_code == 200
    guesses = [ask(f"guess-{number}") for number in range(70)]

    assert guesses[0].status_code == 401
    assert guesses[-1].status_code == 429
    assert int(guesses[-1].headers["Retry-After"]) >= 1
    assert ask(READER).status_code == 200, "a token that was valid here before"
    # A slow machine may answer after a second, when the address may guess once more.
    assert any(ask("guess").status_code == ask(token).status_code == 429 for token in SPARE), "a right guess is refused"
    assert ask(ADMIN, "192.0.2.8").status_code == 200


@pytest.mark.parametrize(("action", "name"), [("create", "ci"), ("list", None), ("revoke", "ci")])
def test_the_command_names_a_file_of_tokens_that_cannot_be_used(
    action: str, name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Namespace(action=action, name=name, role="run", expires=None, data=str(tmp_path))
    for problem, kind in (("database or disk is full", DiskFullError), ("database is locked", BadInputsError)):

        def fail(*_: object, problem: str = problem) -> NoReturn:
            raise StoreUnavailableError(problem)

        monkeypatch.setattr(TokenStore, "_query", fail)
        with pytest.raises(kind, match=rf"the file of tokens cannot be used: {problem}$"):
            manage_tokens(options, print)


def test_a_token_that_cannot_be_shown_is_not_created(tmp_path: Path) -> None:
    """Such as with ``> token.txt`` on a full disk: nobody knows it, and its name would be taken."""

    def fail(_secret: str) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with closing(TokenStore(tmp_path)) as store:
        with pytest.raises(OSError, match="No space left"):
            store.create("ci", "run", show=fail)
        assert store.is_unused()
        store.create("ci", "run")


def test_a_file_of_tokens_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(b"\xff")

    for file, problem in (("tokens", "not text in UTF-8"), ("missing", "No such file or directory")):
        with pytest.raises(BadInputsError, match=f"^--token-file {tmp_path / file}: {problem}$"):
            read_token_file(str(tmp_path / file))


def test_a_token_is_shown_once_and_known_by_its_digest(tmp_path: Path) -> None:
    created = token_command(tmp_path, "create", "ci", "--role", "read", "--expires", "1h")

    token = created.stdout.strip()
    assert created.returncode == 0, created.stderr
    assert len(token) > 40
    assert token not in created.stderr
    assert token_command(tmp_path, "list").stdout.startswith("ci  read  created ")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(token.encode() in path.read_bytes() for path in files)
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    never = token_command(tmp_path, "create", "brief", "--expires", "0s")
    assert (never.returncode, never.stdout) == (2, ""), "0 looks like no end"
    again = token_command(tmp_path, "create", "ci")
    assert again.returncode == 2
    assert "already in use" in again.stderr
    assert token_command(tmp_path, "revoke", "nobody").returncode == 2


def test_a_running_server_accepts_new_tokens_and_refuses_revoked_ones(tmp_path: Path) -> None:
    write_notebooks(tmp_path / "root")
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers", "1").start()
    try:
        assert server.ask("GET", "/runs").status_code == 200, "without tokens this machine's users may everything"
        token = token_command(tmp_path / "data", "create", "ci").stdout.strip()
        assert server.ask("GET", "/runs").status_code == 401
        assert server.ask("GET", "/runs", headers=bearer(token)).status_code == 200
        token_command(tmp_path / "data", "revoke", "ci")
        assert server.ask("GET", "/runs", headers=bearer(token)).status_code == 401
        assert server.ask("GET", "/runs").status_code == 401, "revoking the last token opens nothing"
    finally:
        server.stop()


def test_revoking_the_last_token_opens_no_later_start(tmp_path: Path) -> None:
    """A leaked token is revoked first, and replaced later: a restart between serves nobody."""
    parser = argparse.ArgumentParser()
    add_serve(parser)
    options = parser.parse_args([])
    said: list[str] = []
    manage_tokens(Namespace(action="create", name="ada", role="run", expires=None, data=str(tmp_path)), said.append)
    for name in ("ada", "nobody"):
        with suppress(BadInputsError):
            manage_tokens(Namespace(action="revoke", name=name, data=str(tmp_path)), said.append)
    said.clear()

    later = serve._access(options, tmp_path, "", said.append)

    assert not later.open
    create = f"packmill-runner token create NAME --role admin --data {tmp_path}"
    assert said == [f"warning: all tokens were revoked, and requests are refused; create one with '{create}'"]
    app: Any = SimpleNamespace(ip="127.0.0.1", auth_token="", allow_origin="")
    gateway = Namespace(token_file=None, rate_limit=None, allowed_host=None)
    assert not websocket_serve._access(gateway, tmp_path, said.append, app).open
    assert said[0] == said[1]
    with closing(TokenStore(tmp_path)) as store:
        store.create("ben", "run")
    assert not serve._access(options, tmp_path, "", said.append).open
    assert len(said) == 2, "no advice while there is a token"


def test_revoking_an_unknown_token_closes_no_server_without_tokens(tmp_path: Path) -> None:
    with closing(TokenStore(tmp_path)) as store:
        assert not store.revoke("nobody")

        assert store.is_unused()


@pytest.mark.parametrize("text", ["", "# ada:run:revoked-revoked-revoked\n"])
def test_a_given_file_without_tokens_opens_no_server(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens").write_text(text)
    parser = argparse.ArgumentParser()
    add_serve(parser)
    options = parser.parse_args(["--token-file", str(tmp_path / "tokens")])

    with pytest.raises(BadInputsError, match="tokens: no tokens; write NAME:ROLE:TOKEN"):
        serve._access(options, tmp_path, "", print)


def test_others_reach_no_server_without_a_token(tmp_path: Path) -> None:
    write_notebooks(tmp_path / "root")
    refused = serve_command(tmp_path / "root", tmp_path / "data", "--host", "0.0.0.0", "--port", "0")

    assert refused.returncode == 2
    assert "packmill-runner token create" in refused.stderr
    assert "PACKMILL_SERVE_TOKENS" in refused.stderr


@pytest.mark.parametrize(
    "given",
    [
        "secret-secret-secret-secret",
        "ci:owner:secret-secret-secret",
        "ci:run:short",
        "a:run:secret-secret-secret,a:read:secret-secret-other",
    ],
)
def test_given_tokens_that_cannot_be_used_are_named_without_their_secret(tmp_path: Path, given: str) -> None:
    write_notebooks(tmp_path / "root")
    refused = serve_command(tmp_path / "root", tmp_path / "data", PACKMILL_SERVE_TOKENS=given)

    assert refused.returncode == 2
    assert "PACKMILL_SERVE_TOKENS: entry" in refused.stderr
    assert "secret-" not in refused.stderr


def test_notebooks_do_not_get_the_servers_tokens(closed: NotebookServer) -> None:
    from support import write_notebook

    write_notebook(closed.root / "environment.ipynb", "", "import os\nprint(sorted(os.environ))")
    body = {"notebook": "environment.ipynb"}
    run = closed.ask("POST", "/runs?wait=60", json=body, headers=bearer(ADMIN)).json()["run"]["id"]
    notebook = closed.ask("GET", f"/runs/{run}/notebook", headers=bearer(ADMIN))

    assert notebook.status_code == 200
    assert "PATH" in notebook.text
    assert "PACKMILL_SERVE_TOKENS" not in notebook.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "127.0.0.1.attacker.example:8000"},
        {"Host": "[::1"},
        {"Host": ""},
    ],
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(server: NotebookServer, headers: dict[str, str]) -> None:
    answer = server.ask("GET", "/runs", headers=headers)

    assert answer.status_code in (400, 421)


def test_pages_of_other_sites_start_no_runs_by_links(server: NotebookServer) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

    assert server.ask("GET", "/run/double.ipynb", headers=link).status_code == 403
    assert server.ask("GET", "/runs", headers=link).status_code == 200


def test_another_name_of_this_machine_can_be_allowed(tmp_path: Path) -> None:
    write_notebooks(tmp_path / "root")
    options = ("--workers", "1", "--allowed-host", "Notebooks.test")
    server = NotebookServer(tmp_path / "root", tmp_path / "data", *options).start()
    try:
        answers = [server.ask("GET", "/runs", headers={"Host": host}) for host in ("notebooks.test:8000", "other.test")]
    finally:
        server.stop()

    assert [answer.status_code for answer in answers] == [200, 421]


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_the_names_of_this_machine_are_answered(server: NotebookServer, host: str) -> None:
    assert server.ask("GET", "/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8000"}, 202),
        ({"Sec-Fetch-Site": "none"}, 202),
        ({}, 202),
    ],
)
def test_pages_of_other_sites_start_no_runs(server: NotebookServer, headers: dict[str, str], status: int) -> None:
    answer = server.ask("POST", "/runs", json=BODY, headers=headers)

    assert answer.status_code == status


def test_an_idempotency_key_is_for_one_request(server: NotebookServer) -> None:
    headers = {"Idempotency-Key": "one-request"}
    first = server.ask("POST", "/runs", json=BODY, headers=headers)
    again = server.ask("POST", "/runs", json=BODY | {"parameters": {}}, headers=headers)
    other = server.ask("POST", "/runs", json=BODY | {"parameters": {"x": 5}}, headers=headers)

    assert again.headers["Location"] == first.headers["Location"]
    assert other.status_code == 422
    assert "idempotency key" in other.json()["detail"]


def _routes(router: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Methods and paths of a router and of those that it includes."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield from ((method, prefix + route.path) for method in route.methods or ())
        else:
            yield from _routes(inner, prefix + route.include_context.prefix)


_PUBLIC = ("/sign-in", "/sign-out", "/static/{name}", "/health", "/health/live")


def test_every_other_route_needs_a_token(closed: NotebookServer) -> None:
    from generator.runner.server.app import _routers

    routes = {one for router in _routers for one in _routes(router)}
    answers = {
        (method, path): closed.ask(method, re.sub(r"[{][^}]*[}]", "double.ipynb", path), headers={"Accept": kind})
        for method, path in sorted(routes)
        for kind in ("application/json", "text/html")
        if path not in _PUBLIC
    }

    assert len(answers) > 40
    assert {key: one.status_code for key, one in answers.items() if one.status_code not in (401, 303)} == {}
    assert all("/sign-in" in one.headers["Location"] for one in answers.values() if one.status_code == 303)


def test_reading_starts_and_changes_nothing(closed: NotebookServer) -> None:
    from generator.runner.server.app import _routers

    mine = start(closed, RUNNER)
    before = [closed.ask("GET", path, headers=bearer()).json() for path in ("/runs", "/schedules")]
    routes = {one for router in _routers for one in _routes(router)}
    changing = {
        (method, path, kind): closed.ask(
            method, re.sub(r"[{][^}]*[}]", mine, path), headers={**bearer(READER), "Accept": kind}, json=BODY
        )
        for method, path in sorted(routes)
        for kind in ("application/json", "text/html")
        if method not in ("GET", "HEAD", "OPTIONS") and path not in _PUBLIC
    }
    starting = [
        closed.ask("GET", path, headers=bearer(READER))
        for path in ("/run/double.ipynb", "/run/?location=local&notebook=double.ipynb")
    ]

    assert len(changing) > 20
    assert {key: one.status_code for key, one in changing.items() if one.status_code not in (403, 404, 405)} == {}
    assert [one.status_code for one in starting] == [403, 403]
    assert [closed.ask("GET", path, headers=bearer()).json() for path in ("/runs", "/schedules")] == before


def test_a_file_of_tokens_without_its_tables_does_not_count_as_unavailable_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_failures, "_logged", {})
    with closing(TokenStore(tmp_path)) as store:
        with closing(sqlite3.connect(tmp_path / "access.sqlite")) as database:
            database.executescript("DROP TABLE token; DROP TABLE session")
        for call in (store.is_empty, store.all, lambda: store.find("a"), lambda: store.find_by_session("a")):
            with pytest.raises(StoreMisfitError) as failure:
                call()
            assert unexpected_problem(failure.value, "1").status == 500
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 2  # each once a minute
    assert "no such table: token" in caplog.text


def test_a_file_of_tokens_that_is_locked_for_too_long_is_a_database_that_is_unavailable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_failures, "_logged", {})
    with closing(TokenStore(tmp_path)) as store:
        store._database.execute("PRAGMA busy_timeout = 1")
        with closing(sqlite3.connect(tmp_path / "access.sqlite", isolation_level=None)) as database:
            database.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreUnavailableError) as failure:
                store.create("ada", "read")
    assert unexpected_problem(failure.value, "1").status == 503
    assert "the database is unavailable: database is locked" in caplog.text


def test_signing_in_again_and_again_ends_the_oldest_sessions_of_that_token_alone(tmp_path: Path) -> None:
    with closing(TokenStore(tmp_path)) as store:
        ada, bob = (store.find(store.create(name, "read")) for name in ("ada", "bob"))
        assert ada
        assert bob
        store.begin_session(bob, "bob's", lifetime=60)
        for number in range(103):
            store.begin_session(ada, f"{number}", lifetime=3600 + number)

        assert [n for n in range(103) if store.find_by_session(f"{n}")] == list(range(3, 103))
        assert store.find_by_session("bob's") == bob


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_session_is_a_cookie_of_this_site_alone(closed: NotebookServer, scheme: str) -> None:
    proxy = {"X-Forwarded-Proto": scheme}
    answer = closed.ask("POST", "/sign-in", data={"token": RUNNER}, headers=proxy)
    name, _, value = answer.headers["Set-Cookie"].partition(";")[0].partition("=")
    attributes = {one.strip().lower() for one in answer.headers["Set-Cookie"].split(";")[1:]}

    assert {"httponly", "samesite=strict", "path=/"} <= attributes
    assert ("secure" in attributes) is name.startswith("__Host-") is (scheme == "https")
    assert RUNNER not in value
    cookie = {**proxy, "Cookie": f"{name}={value}", "Accept": "application/json"}
    assert closed.ask("GET", "/runs", headers=cookie).status_code == 200
    assert closed.ask("POST", "/runs", json=BODY, headers={**cookie, "Sec-Fetch-Site": "same-site"}).status_code == 403
    closed.ask("POST", "/sign-out", headers=cookie)
    assert closed.ask("GET", "/runs", headers=cookie).status_code == 401, "the session has ended, not only its cookie"
