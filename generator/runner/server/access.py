"""Who may do what: tokens with the roles run, read and admin, and sessions of browsers.

A role ``run`` starts runs and sees its own; ``read`` sees the runs of all and starts none; ``admin`` may everything.
Without any token the server is for the users of its own machine, and each of them may everything.
"""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict
from collections.abc import Collection, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response

from generator.runner.server.browsers import check_host, check_origin
from generator.runner.server.problems import ProblemError, too_many_requests
from generator.runner.server.runs.model import Run
from generator.runner.server.tokens.role import Role
from generator.runner.server.tokens.store import TokenStore
from generator.runner.server.tokens.token import Token, digest
from generator.shared.rate_limits import RateLimit

_INCLUDED: dict[Role, tuple[Role, ...]] = {"read": ("read",), "run": ("read", "run"), "admin": ("read", "run", "admin")}
_SESSION_LIFETIME = 12 * 3600
_COOKIE = "packmill_runner_session"
_FAILURES_PER_MINUTE = 60
_MOST_KNOWN = 10_000
_ACTIVE = "active_token"


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of a request: the name of its token, and its role."""

    name: str
    role: Role
    token: str = field(default="", repr=False, compare=False)
    """The digest of the token; empty on a server without tokens."""

    def may(self, role: Role) -> bool:
        """Whether the identity may do what a role may; ``read`` includes only the runs that it `sees`."""
        return role in _INCLUDED[self.role]

    @property
    def owner(self) -> str | None:
        """The owner whose runs alone the identity sees; None if it sees all."""
        return self.name if self.role == "run" else None

    def sees(self, run: Run) -> bool:
        """Whether the identity may know of a run."""
        return self.owner is None or run.owner == self.owner


class Access:
    """Checks the callers of requests."""

    def __init__(
        self,
        store: TokenStore,
        *,
        loopback: bool,
        per_minute: int | None = None,
        at_once: int | None = None,
        allowed_hosts: Collection[str] | None = (),
        path: str = "/",
    ) -> None:
        """``loopback``: only this machine reaches the server; ``per_minute`` and ``at_once`` limit a token.

        A server without tokens answers by the names of loopback and ``allowed_hosts``; None: by any, for programs that
        no web page can call. ``path`` is that of cookies.
        """
        self._store = store
        self._open = loopback and store.is_unused()
        self._allowed_hosts = None if allowed_hosts is None else {host.lower() for host in allowed_hosts}
        self._path = path
        self._limit = RateLimit(per_minute=per_minute) if per_minute else None
        self._at_once = at_once
        self._active: Counter[str] = Counter()
        self._failures = RateLimit(per_minute=_FAILURES_PER_MINUTE)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    @property
    def open(self) -> bool:
        """Whether there have never been tokens; once there was one, the server and later ones stay closed."""
        if self._open and not self._store.is_unused():
            self._open = False
        return self._open

    def require(self, request: Request, role: Role) -> Identity:
        """Return the caller of a request that needs a role; one that is not only ``read`` has to be same-origin.

        Raises:
            ProblemError: 401 without a valid token, 403 without the role or from a page of another site, 421 for a name
                that is not this machine's, or 429 over a limit.
        """
        identity = self.identify(request)
        if identity is None:
            raise _token_needed()
        _check_role(identity, role)
        if role != "read" and not _header_token(request):
            check_origin(request)
        return identity

    def identify(self, request: Request) -> Identity | None:
        """Return the caller of a request; None without a token or session. A request counts once.

        Raises:
            ProblemError: 421 or 429, as `require`.
        """
        if "identity" not in request.scope:
            request.scope["identity"] = self._identify(request)
        identity: Identity | None = request.scope["identity"]
        return identity

    def confirm(self, identity: Identity, role: Role) -> None:
        """Check again that a caller may what a role may: the body of its request may have taken minutes to arrive.

        Raises:
            ProblemError: 401, the token was revoked or has expired since, or the server got its first one; 403, it has
                another role now.
        """
        if not identity.token:
            if not self.open:
                raise _token_needed()
            return
        token = self._store.find_by_digest(identity.token)
        if token is None:
            raise _token_needed()
        _check_role(_identity_of(token), role)

    def check_owner(self, name: str) -> None:
        """Check that a token may still start runs, for a run that it asked for earlier; no name is always valid.

        Raises:
            ProblemError: 403, the token is revoked or expired, or has another role now.
        """
        token = self._store.valid(name) if name else None
        if name and (token is None or "run" not in _INCLUDED[token.role]):
            raise ProblemError(403, f"token {name!r}: revoked or expired, or it may not start runs")

    def sign_in(self, request: Request, response: Response, token: str) -> Identity:
        """Begin a session of a browser: check a token, and set the session's cookie in a response.

        Raises:
            ProblemError: 401, the token is not valid; 403, from a page of another site; 429, over a limit.
        """
        check_origin(request)
        found = self._check(request, token.strip())
        if found is None:
            raise ProblemError(401, "this token is not valid")
        secret = secrets.token_urlsafe(32)
        self._store.begin_session(found, secret, lifetime=_SESSION_LIFETIME)
        response.set_cookie(
            self._cookie(request),
            secret,
            max_age=_SESSION_LIFETIME,
            path=self._path,
            secure=_is_https(request),
            httponly=True,
            samesite="strict",
        )
        return _identity_of(found)

    def sign_out(self, request: Request, response: Response) -> None:
        """End the session of a request, and delete its cookie in a response.

        Raises:
            ProblemError: 403, the request comes from a page of another site.
        """
        check_origin(request)
        if secret := request.cookies.get(self._cookie(request)):
            self._store.end_session(secret)
        response.delete_cookie(
            self._cookie(request), path=self._path, secure=_is_https(request), httponly=True, samesite="strict"
        )

    def finish(self, scope: MutableMapping[str, Any]) -> None:
        """Note that a request has been answered."""
        if active := scope.pop(_ACTIVE, None):
            self._active[active] -= 1
            if not self._active[active]:
                del self._active[active]

    def _identify(self, request: Request) -> Identity | None:
        if self.open:
            if self._allowed_hosts is not None:
                check_host(request, self._allowed_hosts)
            return Identity("", "admin")
        if token := _header_token(request):
            found = self._check(request, token)
        elif secret := request.cookies.get(self._cookie(request)):
            found = self._store.find_by_session(secret)
        else:
            found = None
        if found is None:
            return None
        self._count(request, found)
        return _identity_of(found)

    def _check(self, request: Request, secret: str) -> Token | None:
        """Return the token of a secret. An address that has guessed too often is known by its earlier tokens alone."""
        address = request.client.host if request.client else ""
        key = (address, digest(secret))
        wait = self._failures.wait(address)
        if wait and key not in self._known:
            raise too_many_requests("too many invalid tokens from this address", wait)
        found = self._store.find(secret)
        if found is None:
            self._failures.take(address)
            return None
        self._known[key] = None
        self._known.move_to_end(key)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return found

    def _cookie(self, request: Request) -> str:
        """Return the cookie's name; with https, its prefix rules out other hosts (RFC 6265bis, section 4.1.3.2)."""
        if not _is_https(request):
            return _COOKIE
        return f"__Host-{_COOKIE}" if self._path == "/" else f"__Secure-{_COOKIE}"

    def _count(self, request: Request, token: Token) -> None:
        if self._at_once and self._active[token.digest] >= self._at_once:
            raise too_many_requests(f"token {token.name!r}: more than {self._at_once} requests at once", 0)
        self._active[token.digest] += 1
        request.scope[_ACTIVE] = token.digest
        wait = self._limit.take(token.digest) if self._limit else 0.0
        if self._limit and wait:
            raise too_many_requests(f"token {token.name!r}: more than {self._limit.per_minute} requests a minute", wait)


def _identity_of(token: Token) -> Identity:
    return Identity(token.name, token.role, token.digest)


def _token_needed() -> ProblemError:
    return ProblemError(
        401,
        "a valid token is needed, as 'Authorization: Bearer TOKEN'",
        headers={"WWW-Authenticate": 'Bearer realm="packmill-runner"'},
    )


def _check_role(identity: Identity, role: Role) -> None:
    if not identity.may(role):
        raise ProblemError(403, f"the token's role is {identity.role!r}, but {role!r} is needed")


def _header_token(request: Request) -> str:
    """Return the token of ``Authorization: Bearer …`` (RFC 6750) or ``token …`` (Jupyter's clients)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "token") else ""


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"
