"""Who may call: the token, guessing, and web pages of other sites."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import contextmanager

from starlette.requests import Request

from generator.runner.server.browsers import check_host, check_origin
from generator.runner.server.problems import ProblemError
from generator.shared.rate_limits import RateLimit

_FAILURES_PER_MINUTE = 60
_MOST_KNOWN = 10_000
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Guard:
    """Checks the callers of requests."""

    def __init__(self, token: str, *, loopback: bool, allowed_hosts: Collection[str], allow_origin: str) -> None:
        """``loopback``: only this machine reaches the server; without a token, pages of other sites must not."""
        self._token = token
        self._checks_sites = loopback and not token
        self._allowed_hosts = {host.lower() for host in allowed_hosts}
        self._allow_origin = allow_origin
        self._failures = RateLimit(per_minute=_FAILURES_PER_MINUTE)
        self._known: OrderedDict[str, None] = OrderedDict()
        """Addresses that have used the token."""

    def check_site(self, request: Request) -> None:
        """Check that no web page of another site makes the request with the browser of this machine's user.

        Raises:
            ProblemError: 421 or 403, as `generator.runner.server.browsers`.
        """
        if not self._checks_sites:
            return
        check_host(request, self._allowed_hosts)
        allowed = ("*", request.headers.get("origin", "*"))
        if request.method != "OPTIONS" and self._allow_origin not in allowed:
            check_origin(request)

    def check_token(self, request: Request) -> bool:
        """Check the parameter ``token`` of the query, else that of the header ``Authorization``.

        Return whether the token is still to be checked, because a form may have it.

        Raises:
            ProblemError: 401, it is wrong or missing; 429, this address sent too many wrong ones.
        """
        if not self._token:
            return False
        given = request.query_params.getlist("token")[-1:] or _header_token(request)
        if not given and request.headers.get("content-type", "").startswith(_FORMS):
            return True
        self._check(request, given)
        return False

    def check_form(self, request: Request, given: Sequence[str]) -> None:
        """Check the values of a form's field ``token``, of which the last counts; raises as `check_token`."""
        self._check(request, list(given)[-1:])

    def _check(self, request: Request, given: list[str]) -> None:
        """Check a token. An address that has guessed too often is known by having used the right one before alone."""
        address = request.client.host if request.client else ""
        is_right = bool(given) and secrets.compare_digest(given[0].encode("utf-8", "replace"), self._token.encode())
        wait = self._failures.wait(address) if given else 0.0
        if wait and not (is_right and address in self._known):
            raise ProblemError(429, "too many wrong tokens", headers={"Retry-After": str(int(wait) + 1)})
        if is_right:
            self._know(address)
            return
        if given:
            self._failures.take(address)
        raise ProblemError(
            401,
            "a valid token is needed, as 'Authorization: token TOKEN' or '?token=TOKEN'",
            headers={"WWW-Authenticate": "token"},
        )

    def _know(self, address: str) -> None:
        self._known[address] = None
        self._known.move_to_end(address)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)


class UncheckedForms:
    """The bytes of forms whose token is not checked yet, since it may be anywhere in them: so many at once."""

    def __init__(self, most: int) -> None:
        """Allow ``most`` bytes in memory or in uploaded files."""
        self._most, self._held = most, 0

    @contextmanager
    def hold(self, chunks: AsyncIterator[bytes]) -> Iterator[AsyncIterator[bytes]]:
        """Give the chunks of a form, which count until the end of the block.

        Raises:
            ProblemError: 503, from the chunks: there are too many bytes of other forms.
        """
        held = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal held
            is_full = False
            async for chunk in chunks:
                is_full = is_full or self._held + len(chunk) > self._most
                if not is_full:  # the rest is read and dropped: clients read no answer before they have sent all
                    held += len(chunk)
                    self._held += len(chunk)
                    yield chunk
            if is_full:
                detail = "too many forms at once whose token is not checked; send it as 'Authorization: token TOKEN'"
                raise ProblemError(503, detail, headers={"Retry-After": "1"})

        try:
            yield counted()
        finally:
            self._held -= held


def _header_token(request: Request) -> list[str]:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return [token.strip()] if scheme.lower() in ("token", "bearer") else []
