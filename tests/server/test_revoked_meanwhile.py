"""Tokens that are revoked, or lose their role, while the body of a request arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from server_parts import Server, server_parts
from support import write_notebook

from generator.runner.server.runs.store import RunFilter
from generator.runner.server.tokens.store import TokenStore

_FILE = b'--x\r\nContent-Disposition: form-data; name="x"; filename="x.csv"\r\n\r\n7\r\n--x--\r\n'
_FORM = _FILE.replace(b'; filename="x.csv"', b"")
_CRON_FORM = _FORM.replace(
    b"7\r\n--x--", b'7\r\n--x\r\nContent-Disposition: form-data; name="schedule-cron"\r\n\r\n@daily\r\n--x--'
)
_PARTS = {"content-type": "multipart/form-data; boundary=x"}
_PAGE = {**_PARTS, "accept": "text/html"}


class _Request(NamedTuple):
    path: str
    body: Mapping[str, Any] | bytes
    headers: Mapping[str, str] = {}
    method: str = "POST"


_REQUESTS = {
    "run": _Request("/runs", {"notebook": "double.ipynb"}),
    "upload": _Request("/notebooks/reads.ipynb/runs", _FILE, _PARTS),
    "form": _Request("/notebooks/double.ipynb/runs", _FORM, _PAGE),
    "ogc": _Request("/ogc/processes/double/execution", {"inputs": {}}, {"prefer": "respond-async"}),
    "papermill-api": _Request("/run/double.ipynb", {"parameters": {}}, {"prefer": "wait=0"}),
    "home": _Request("/execute", {"notebook_name": "double"}, {"prefer": "wait=0"}),
    "schedule": _Request("/schedules", {"notebook": "double.ipynb", "cron": "@daily"}),
    "schedule by a form": _Request("/notebooks/double.ipynb/schedule", _CRON_FORM, _PAGE),
    "change of a schedule": _Request("/schedules/{schedule}", {"cron": "@daily"}, method="PATCH"),
    "template": _Request("/template", {"name": "a", "content": "b"}),
}


def _revoke(tokens: TokenStore) -> None:
    assert tokens.revoke("ada")


def _replace(tokens: TokenStore) -> None:
    """Revoke a token, and give its name to another one."""
    _revoke(tokens)
    tokens.create("ada", "admin")


def _take_role(tokens: TokenStore) -> None:
    tokens._query("UPDATE token SET role = 'read'")


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with server_parts(tmp_path) as made:
        write_notebook(
            made.context.catalogue.root / "reads.ipynb", "x = {'class': 'File'}  # type: stage-in", "open(x)"
        )
        if "home" in request.node.name:
            made.context.home_of, made.context.home = "ada", made.context.catalogue.root
        yield made


@pytest.fixture
def tokens(server: Server) -> Iterator[TokenStore]:
    made = TokenStore(server.context.data)
    yield made
    made.close()


def _state(server: Server) -> tuple[object, ...]:
    """What requests change: rows, files and templates."""
    files = sorted(path for path in server.context.data.rglob("*") if "sqlite" not in path.name)
    return (
        server.context.store.list(RunFilter()),
        server.context.schedules.list(),
        files,
        server.context.templates.all(),
    )


def _ask(server: Server, name: str, token: str, meanwhile: Callable[[], object]) -> int:
    asked = _REQUESTS[name]
    schedule = {"notebook": "double.ipynb", "cron": "0 0 1 1 *"}
    known = {"authorization": f"Bearer {token}"}
    made = server.ask("POST", "/schedules", body=schedule, headers=known).document
    path = asked.path.replace("{schedule}", made["id"])
    before = _state(server)
    status = server.ask(
        asked.method, path, body=asked.body, headers={**known, **asked.headers}, meanwhile=meanwhile
    ).status
    assert (_state(server) == before) == (status in (401, 403))
    return status


@pytest.mark.parametrize("change", [_revoke, _replace, _take_role])
@pytest.mark.parametrize("name", _REQUESTS)
def test_the_request_changes_nothing(
    name: str, change: Callable[[TokenStore], None], server: Server, tokens: TokenStore
) -> None:
    token = tokens.create("ada", "admin")

    assert _ask(server, name, token, lambda: change(tokens)) == (403 if change is _take_role else 401)


@pytest.mark.parametrize("name", _REQUESTS)
def test_the_request_of_a_token_that_stays_valid_is_done(name: str, server: Server, tokens: TokenStore) -> None:
    assert _ask(server, name, tokens.create("ada", "admin"), lambda: None) in (200, 201, 202, 303)


def test_a_server_that_gets_its_first_token_starts_no_run_of_a_request_without_one(
    server: Server, tokens: TokenStore
) -> None:
    before = _state(server)

    answer = server.ask("POST", "/runs", body={"notebook": "double.ipynb"}, meanwhile=lambda: tokens.create("a", "run"))

    assert (answer.status, _state(server)) == (401, before)
