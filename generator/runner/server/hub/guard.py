"""Who makes a request: a token of the hub in a header, or the session of a browser; and whether it may go on."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, OrderedDict
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from fastapi import Request

from generator.runner.server.browsers import check_origin
from generator.runner.server.hub.hub_api import HubApi
from generator.runner.server.hub.scopes import Action, Caller, all_users, prefix
from generator.runner.server.hub.sessions import Sessions
from generator.runner.server.problems import ProblemError, too_many_requests
from generator.shared.rate_limits import RateLimit

_SAFE = ("GET", "HEAD", "OPTIONS")
_FAILURES_PER_MINUTE, _LOGINS_PER_MINUTE = 60, 600
_MOST_KNOWN = 10_000
_ACTIVE, _BY_BROWSER = "active_caller", "caller_is_browser"


class Guard:
    """Checks the callers of requests."""

    def __init__(self, hub: HubApi, sessions: Sessions, *, base_url: str, per_minute: int, at_once: int) -> None:
        """``per_minute`` (0: any number) and ``at_once`` limit the requests of a caller."""
        self._hub, self._sessions, self._base_url = hub, sessions, base_url
        self._limit = RateLimit(per_minute=per_minute) if per_minute else None
        self._failures = RateLimit(per_minute=_FAILURES_PER_MINUTE)
        self._logins = RateLimit(per_minute=_LOGINS_PER_MINUTE)
        self._known: OrderedDict[str, None] = OrderedDict()
        self._at_once = at_once
        self._active: Counter[str] = Counter()

    async def require(self, request: Request) -> Caller:
        """Return the caller of a request, which may use the service.

        Raises:
            ProblemError: 401 without a valid token or session, 403 without the right to use the service or from a page
                of another site, 429 over a limit, or 503 if the hub does not answer.
        """
        caller = await self._identify(request)
        self._check_access(caller)
        self._count(request, caller)
        return caller

    async def require_for(self, request: Request, username: str, action: Action) -> Caller:
        """Return the caller of a request, which may do something in the home of a user.

        Raises:
            ProblemError: as `require`, and 403 without the right.
        """
        caller = await self.require(request)
        self.check(caller, username, action)
        return caller

    async def confirm(self, request: Request, username: str, action: Action) -> None:
        """Check the caller again once the body of a request has arrived, which may have taken minutes.

        The hub's answer of the last two seconds is used again.

        Raises:
            ProblemError: as `require_for`.
        """
        caller = await self._identify(request, fresh=False)
        self._check_access(caller)
        self.check(caller, username, action)

    def check(self, caller: Caller, username: str, action: Action) -> None:
        """Check that a caller may do something in the home of a user.

        Raises:
            ProblemError: 403, it may not.
        """
        if caller.may(action, username):
            return
        scope = f"{prefix}{action}!user={username}"
        if not caller.is_user(username) and caller.kind == "user":
            scope = f"{scope} or {all_users}"
        raise ProblemError(
            403,
            f"{caller.kind} {caller.name!r} may not {action} the notebooks of user {username!r}; needed is {scope}",
        )

    def count_login(self, request: Request) -> None:
        """Count the begin of a login.

        Raises:
            ProblemError: 429, an address begins too many.
        """
        if wait := self._logins.take(_address(request)):
            raise too_many_requests("too many logins from this address", wait)

    def check_page(self, request: Request) -> None:
        """Refuse a request that a page makes with the user's browser, unless it is a page of this service.

        Pages of the hub and of users' own servers have the same origin, so their path counts, too.

        Raises:
            ProblemError: 403, it is a page of another site or of another part of the hub.
        """
        if not request.scope.get(_BY_BROWSER):
            return
        check_origin(request)
        own = unquote(f"{self._base_url}/")
        first, _, rest = request.scope["path"].removeprefix(own).partition("/")
        if first == "user":  # a user's server is a program of this user, so its pages count for this user alone
            own += f"user/{rest.partition('/')[0]}/"
        referrer = request.headers.get("referer")
        if referrer is None:  # pages of this service send it, and another page of its host can leave it out
            is_foreign = request.headers.get("sec-fetch-site") == "same-origin"
        else:
            is_foreign = not _path(referrer).startswith(own)
        if is_foreign:
            raise ProblemError(
                403, "the request comes from a page of another part of JupyterHub; use the pages of packmill"
            )

    def finish(self, scope: MutableMapping[str, Any]) -> None:
        """Note that a request has been answered."""
        if key := scope.pop(_ACTIVE, None):
            self._active[key] -= 1
            if not self._active[key]:
                del self._active[key]

    def _check_access(self, caller: Caller) -> None:
        if not caller.has(self._hub.access_scopes):
            scopes = " or ".join(sorted(self._hub.access_scopes))
            raise ProblemError(403, f"{caller.kind} {caller.name!r}: the scope {scopes} is needed for this service")

    async def _identify(self, request: Request, *, fresh: bool = True) -> Caller:
        given = _header_token(request)
        if given is None:
            token, by_browser = self._sessions.token(request), True
            caller = await self._hub.identify(token, fresh=fresh and request.method not in _SAFE) if token else None
        else:
            caller, by_browser = await self._check_token(request, given[0], fresh=fresh), given[1] == "basic"
        if caller is None:
            raise ProblemError(
                401,
                "a token of JupyterHub is needed, as 'Authorization: token TOKEN' or as the password of Basic "
                "authentication; the hub's page 'Token' creates one",
                headers={"WWW-Authenticate": 'Bearer realm="packmill"'},
            )
        request.scope["identity"] = caller
        request.scope[_BY_BROWSER] = by_browser
        if request.method not in _SAFE:
            self.check_page(request)
        return caller

    async def _check_token(self, request: Request, token: str, *, fresh: bool) -> Caller | None:
        """Return whose token this is. An address that has guessed too often is known by its earlier tokens alone.

        Raises:
            ProblemError: 429, too many guesses; 503, the hub does not answer.
        """
        digest = hashlib.sha256(token.encode()).hexdigest()
        wait = self._failures.wait(_address(request))
        if wait and digest not in self._known:
            raise too_many_requests("too many invalid tokens from this address", wait)
        caller = await self._hub.identify(token, fresh=fresh)
        if caller is None:
            self._failures.take(_address(request))
            return None
        self._known[digest] = None
        self._known.move_to_end(digest)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return caller

    def _count(self, request: Request, caller: Caller) -> None:
        if _ACTIVE in request.scope:
            return
        if self._active[caller.key] >= self._at_once:
            raise too_many_requests(f"{caller.kind} {caller.name!r}: more than {self._at_once} requests at once", 0)
        self._active[caller.key] += 1
        request.scope[_ACTIVE] = caller.key
        wait = self._limit.take(caller.key) if self._limit else 0.0
        if self._limit and wait:
            what = f"{caller.kind} {caller.name!r}: more than {self._limit.per_minute} requests a minute"
            raise too_many_requests(what, wait)


def _header_token(request: Request) -> tuple[str, str] | None:
    """Return the token of the header Authorization, and its scheme; that of Basic is its password (RFC 7617).

    So programs that read ``.netrc``, such as curl and Python's requests, need no change.
    """
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, rest = header.partition(" ")
    scheme, rest = scheme.lower(), rest.strip()
    if scheme == "basic":
        try:
            rest = base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except ValueError:  # not base64 (binascii.Error), or not UTF-8
            rest = ""
    return (rest if scheme in ("bearer", "token", "basic") else "", scheme)


def _path(address: str) -> str:
    """Return the decoded path of an address; empty if it is not one."""
    try:
        return unquote(urlsplit(address).path)
    except ValueError:
        return ""


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
