"""Sessions of browsers: a cookie that stands for a token of the hub, which stays in this process."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass

from fastapi import Request, Response

_LIFETIME = 12 * 3600.0
_LOGIN_LIFETIME = 600
_MOST, _MOST_OF_ONE = 10_000, 100
"""Sessions of all, and of one person: those of others must not end because somebody signs in again and again."""
_STATE = re.compile(r"[A-Za-z0-9_-]{8,100}")
_SESSION, _LOGIN = "packmill_hub_session", "packmill_hub_login"


@dataclass(frozen=True, slots=True)
class _Session:
    until: float
    token: str
    person: str


class Sessions:
    """The sessions of one service; they end with it, and then the hub signs people in again without asking."""

    def __init__(self, path: str) -> None:
        """Take the path that the cookies are for."""
        self._path = path
        self._tokens: OrderedDict[str, _Session] = OrderedDict()

    def begin(self, request: Request, response: Response, token: str, *, person: str) -> None:
        """Begin a session of a person, and set its cookie in a response; the oldest of too many ends."""
        self._forget_expired()
        own = [key for key, session in self._tokens.items() if session.person == person]
        for key in own[: max(0, len(own) - _MOST_OF_ONE + 1)]:
            del self._tokens[key]
        secret = secrets.token_urlsafe(32)
        self._tokens[_digest(secret)] = _Session(time.monotonic() + _LIFETIME, token, person)
        while len(self._tokens) > _MOST:
            self._tokens.popitem(last=False)
        self._set(request, response, _SESSION, secret, int(_LIFETIME))

    def token(self, request: Request) -> str | None:
        """Return the token of a request's session; None without one."""
        secret = request.cookies.get(_name(request, _SESSION))
        session = self._tokens.get(_digest(secret)) if secret else None
        return session.token if session and time.monotonic() < session.until else None

    def end(self, request: Request, response: Response) -> None:
        """End the session of a request, and delete its cookie in a response."""
        if secret := request.cookies.get(_name(request, _SESSION)):
            self._tokens.pop(_digest(secret), None)
        self._set(request, response, _SESSION, "", 0)

    def note_login(self, request: Request, response: Response, state: str) -> None:
        """Bind a login to the browser that begins it, so that nobody can be signed in with another one's."""
        self._set(request, response, f"{_LOGIN}_{state[:8]}", state, _LOGIN_LIFETIME)

    def take_login(self, request: Request, response: Response, state: str) -> bool:
        """Return whether this browser began a login, and delete the login's cookie in a response."""
        if not _STATE.fullmatch(state):  # it would be part of a cookie's name
            return False
        name = f"{_LOGIN}_{state[:8]}"
        noted = request.cookies.get(_name(request, name), "")
        self._set(request, response, name, "", 0)
        return secrets.compare_digest(noted.encode(), state.encode())

    def _forget_expired(self) -> None:
        """Forget the sessions that have expired, which are the oldest."""
        while self._tokens and next(iter(self._tokens.values())).until <= time.monotonic():
            self._tokens.popitem(last=False)

    def _set(self, request: Request, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            _name(request, name),
            value,
            max_age=seconds,
            path=self._path,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",  # a login comes back from the hub, which may have another host than the service
        )


def _name(request: Request, name: str) -> str:
    """Return a cookie's name; with https, only a page that was reached so can set it (RFC 6265bis, section 4.1.3.1)."""
    return f"__Secure-{name}" if request.url.scheme == "https" else name


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
