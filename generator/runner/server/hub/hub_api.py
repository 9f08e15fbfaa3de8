"""Questions to JupyterHub: whose token is this, and the exchange of a login's code for a token (OAuth 2)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.services.auth import HubOAuth
from tornado.log import app_log
from tornado.web import HTTPError

from generator.runner.server.hub.environment import HubEnvironment
from generator.runner.server.hub.scopes import Caller, read_caller
from generator.runner.server.operation.logs import log
from generator.runner.server.problems import ProblemError

_TOKEN = re.compile(r"[!-~]{8,512}")
_KNOWN_SECONDS = 2.0
"""How long the person of a session is known without asking the hub: a page makes several requests at once."""
_MOST_KNOWN = 10_000
_PATIENCE = 10.0
_TIMEOUT = aiohttp.ClientTimeout(total=_PATIENCE)
_LARGEST = 4 << 20
"""Bytes of an answer, which describes one person or service with its scopes."""
_UNAVAILABLE = "JupyterHub does not answer; try again later"
_NAMES = {"list:users", "read:users", "read:users:name", "admin:users"}
_ODD_ANSWER = (aiohttp.ClientError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What its client and ours raise for an answer that breaks off, is not JSON, or has another form than the hub's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """A login that has begun: the address of the hub's page, and the state that the browser has to bring back."""

    address: str
    state: str


class HubApi:
    """The hub, as this service sees it."""

    def __init__(self, environment: HubEnvironment) -> None:
        app_log.setLevel(logging.CRITICAL)  # its warnings repeat answers of the hub, and this log has the failures
        self._environment = environment
        self._oauth = HubOAuth(
            api_token=environment.api_token,
            api_url=environment.api_url,
            base_url=f"{environment.base_url}/",
            cache_max_age=0,
        )
        self._known: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    @property
    def home_address(self) -> str:
        """The address of the hub's own first page."""
        return f"{self._oauth.hub_host}{self._oauth.hub_prefix}home"

    @property
    def access_scopes(self) -> frozenset[str]:
        """The scopes of which a caller needs one, for any request."""
        return frozenset(self._oauth.access_scopes)

    async def identify(self, token: str, *, fresh: bool) -> Caller | None:
        """Return whose token this is; None if it is nobody's. ``fresh``: ask the hub again.

        Raises:
            ProblemError: 503, the hub does not answer.
        """
        if not _TOKEN.fullmatch(token):
            return None
        key, now = hashlib.sha256(token.encode()).hexdigest(), time.monotonic()
        since, known = self._known.get(key, (0.0, None))
        if known and not fresh and now - since < _KNOWN_SECONDS:
            return known
        self._known.pop(key, None)
        try:
            model = await self._answer(self._oauth.user_for_token(token, use_cache=False, sync=False))
        except HTTPError as error:
            raise _unavailable(error.log_message) from None
        if model is None:
            return None
        try:
            caller = read_caller(model)
        except ValueError as error:
            raise _unavailable(error) from None
        self._known[key] = (now, caller)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return caller

    def begin_login(self, target: str) -> Login:
        """Begin the login of a browser that then goes on to a page of this service."""
        verifier, challenge, method = self._oauth.generate_pkce_code_challenge()
        state = self._oauth.generate_state(target, code_verifier=verifier)
        query = urlencode({"state": state, "code_challenge": challenge, "code_challenge_method": method})
        return Login(address=f"{self._oauth.login_url}&{query}", state=state)

    async def finish_login(self, code: str, state: str) -> tuple[str, str]:
        """Return the token of a person who has logged in, and the page that this person asked for.

        Raises:
            ProblemError: 403, the login is unknown, too old, or the hub refuses its code.
        """
        verifier = self._oauth.get_code_verifier(state)
        target = self._oauth.get_next_url(state)
        self._oauth.clear_oauth_state(state)
        if not verifier:
            raise ProblemError(403, "this login has expired; open the page again")
        try:
            token = await self._answer(self._oauth.token_for_code(code, code_verifier=verifier, sync=False))
        except HTTPError as error:
            log("login refused", level=logging.WARNING, reason=error.log_message)
            raise ProblemError(403, "JupyterHub refuses this login; open the page again") from None
        return str(token), str(target)

    async def is_available(self) -> bool:
        """Whether the hub answers, and knows this service."""
        try:
            return await self._own_scopes() is not None
        except (*_ODD_ANSWER, asyncio.TimeoutError):
            return False

    async def has_user(self, name: str) -> bool | None:
        """Whether the hub has a user; None if it does not answer, or if this service may not see the users."""
        try:
            scopes = await self._own_scopes()
            if not scopes or not _NAMES & scopes:
                return None
            async with self._get(f"/users/{quote(name, safe='')}") as response:
                return {200: True, 404: False}.get(response.status)
        except (*_ODD_ANSWER, asyncio.TimeoutError):
            return None

    async def _answer(self, question: Awaitable[Any]) -> Any:
        """Wait for the hub's answer, which its own client does for minutes, and however large it is.

        Raises:
            ProblemError: 503, the hub does not answer in time, or not in its own form.
            HTTPError: it refuses, or cannot be reached.
        """
        JupyterHubHTTPClient.instance().session_options = {"response_class": _BoundedResponse}
        try:
            return await asyncio.wait_for(question, _PATIENCE)
        except asyncio.TimeoutError:
            raise _unavailable("timeout") from None
        except _ODD_ANSWER as error:
            raise _unavailable(f"{type(error).__name__}: {error}") from None

    async def _own_scopes(self) -> set[str] | None:
        async with self._get("/user") as response:
            if response.status != 200:
                return None
            return set(read_caller(await response.json()).scopes)

    def _get(self, path: str) -> _Reply:
        return _Reply(f"{self._environment.api_url}{path}", self._environment.api_token)


class _BoundedResponse(aiohttp.ClientResponse):
    """A response that is read into memory up to a limit."""

    async def read(self) -> bytes:
        """Return the body.

        Raises:
            ClientPayloadError: it is too large.
        """
        if self._body is None:
            try:
                self._body = await self._bounded()
            except BaseException:
                self.close()
                raise
        return self._body

    async def _bounded(self) -> bytes:
        body = bytearray()
        async for part in self.content.iter_any():
            body += part
            if len(body) > _LARGEST:
                raise aiohttp.ClientPayloadError(f"more than {_LARGEST} bytes")
        return bytes(body)


class _Reply:
    """The response to a request with this service's own token."""

    def __init__(self, address: str, token: str) -> None:
        self._address, self._token = address, token
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT, response_class=_BoundedResponse)

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            headers = {"Authorization": f"token {self._token}"}
            return await self._session.get(self._address, headers=headers, allow_redirects=False)
        except BaseException:
            await self._session.close()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()


def _unavailable(reason: object) -> ProblemError:
    log("the hub does not answer", level=logging.WARNING, reason=reason)
    return ProblemError(503, _UNAVAILABLE, headers={"Retry-After": "5"})
