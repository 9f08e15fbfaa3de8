"""Tokens: shown once, kept as digests, good for what their scopes say and as long as they last."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests
from ci_service import Service
from support import Finished


@pytest.fixture
def token(service: Service, packmill: Callable[..., Finished]) -> Callable[..., Finished]:
    """Runs ``packmill token`` on the data of the running service."""

    def run(*words: str) -> Finished:
        return packmill("token", *words, "--data", service.data)

    return run


def _status(service: Service, token: str, method: str = "GET", path: str = "/pipelines") -> int:
    return service.ask(method, path, token=token).status_code


def test_a_token_is_shown_once_and_kept_as_a_digest(service: Service, token: Callable[..., Finished]) -> None:
    made = token("create", "ada").out.strip()

    assert made.startswith("glpat-")
    assert len(made) > 40
    assert _status(service, made) == 200
    listed = token("list").out
    assert "ada" in listed
    assert made not in listed
    for file in service.data.glob("packmill.sqlite3*"):
        assert made.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("scope", "reads", "writes", "triggers"),
    [("api", 200, 404, 404), ("read_api", 200, 403, 404), ("trigger", 403, 403, 201)],
)
def test_a_scope_is_all_that_a_token_may_do(
    service: Service, token: Callable[..., Finished], scope: str, reads: int, writes: int, triggers: int
) -> None:
    made = token("create", f"one-{scope}", "--scope", scope).out.strip()

    assert _status(service, made) == reads
    assert _status(service, made, "POST", "/pipelines/999999/cancel") == writes
    form = {"token": made, "ref": "main"}
    assert requests.post(f"{service.root}/trigger/pipeline", data=form, timeout=9).status_code == triggers


def test_a_token_ends_with_its_time(service: Service, token: Callable[..., Finished]) -> None:
    made = token("create", "brief", "--expires", "1 second").out.strip()

    assert _status(service, made) == 200
    time.sleep(1.1)
    assert _status(service, made) == 401


def test_a_revoked_token_opens_nothing_and_ends_its_sessions(service: Service, token: Callable[..., Finished]) -> None:
    made = token("create", "leaver").out.strip()
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": made}, timeout=9)
    page = f"{service.url}/ada/toy/-/pipelines"
    assert session.get(page, timeout=9, allow_redirects=False).status_code == 200

    assert token("revoke", "leaver").code == 0
    assert _status(service, made) == 401
    assert session.get(page, timeout=9, allow_redirects=False).status_code == 303
    assert "revoked" in token("list").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("create",), "needs a name"),
        (("create", "x", "--scope", "root"), "there are api, read_api, trigger"),
        (("create", "x", "--expires", "soon"), "no duration"),
        (("revoke", "nobody"), "no valid token"),
    ],
)
def test_what_cannot_be_meant_is_refused(token: Callable[..., Finished], words: tuple[str, ...], message: str) -> None:
    refused = token(*words)

    assert refused.code == 2
    assert message in refused.err
