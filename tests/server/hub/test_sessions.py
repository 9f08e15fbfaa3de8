"""Sessions of browsers with the service of JupyterHub, without a hub."""

from __future__ import annotations

import pytest
from fastapi import Request, Response

from generator.runner.server.hub import sessions as sessions_module
from generator.runner.server.hub.sessions import Sessions


def request(cookie: str = "") -> Request:
    headers = [(b"cookie", cookie.encode()), (b"host", b"hub.example")]
    return Request({"type": "http", "method": "GET", "scheme": "http", "path": "/", "headers": headers})


def sign_in(sessions: Sessions, person: str) -> str:
    """Begin a session, and return its cookie; the token is the person's name."""
    response = Response()
    sessions.begin(request(), response, person, person=person)
    return response.headers["set-cookie"].partition(";")[0]


def test_somebody_who_signs_in_again_and_again_ends_no_session_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "_MOST", 300)
    sessions = Sessions("/services/packmill/")
    of_bob = sign_in(sessions, "bob")
    of_ada = [sign_in(sessions, "ada") for _ in range(400)]

    assert sessions.token(request(of_bob)) == "bob"
    assert [bool(sessions.token(request(one))) for one in of_ada] == [False] * 300 + [True] * 100


def test_expired_sessions_take_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "_LIFETIME", -1.0)
    sessions = Sessions("/services/packmill/")
    assert sessions.token(request(sign_in(sessions, "ada"))) is None
    monkeypatch.setattr(sessions_module, "_LIFETIME", 60.0)
    cookie = sign_in(sessions, "bob")

    assert sessions.token(request(cookie)) == "bob"
    assert len(sessions._tokens) == 1
