"""Send one event to the address of a hook: only where the policy allows it, without redirects, and within limits."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from generator.network.address_policy import Access, AddressPolicy
from generator.network.addresses import check
from generator.network.sessions import failure_reason, http_session
from generator.service.store.hooks import LONGEST_PAUSE
from generator.service.store.masking import maskable_forms
from generator.shared.errors import UsageError
from generator.shared.retry_after import read_retry_after
from generator.shared.safe_text import printable, redacted

if TYPE_CHECKING:
    import requests

_CONNECT, _READ = 10.0, 10.0
"""Seconds to connect and to get a response, and then to read its body."""
_LARGEST = 8192
"""Bytes of a response that are stored."""
_MOST_HEADERS = 50
_MASK = "[REDACTED]"
_SHORTEST_VALUE = 8
"""Characters of a value in a query that may be a secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The response to an event, or the ``error`` that prevented one; ``status`` 0 without a response."""

    status: int = 0
    headers: Mapping[str, str]
    body: str = ""
    error: str = ""
    seconds: float = 0.0

    @property
    def delivered(self) -> bool:
        """Whether the receiver has accepted the event."""
        return 200 <= self.status < 300

    @property
    def may_succeed_later(self) -> bool:
        """Whether another attempt is useful: not after a redirect or a refusal by the receiver."""
        return self.status == 0 or self.status >= 500 or self.status in (408, 425, 429)

    @property
    def requested_wait(self) -> float:
        """The seconds that the receiver asks to wait before the next attempt, an hour at most."""
        given = next((value for name, value in self.headers.items() if name.lower() == "retry-after"), None)
        return min(read_retry_after(given) or 0.0, LONGEST_PAUSE)

    def without(self, secrets: Iterable[str]) -> Outcome:
        """Return the outcome with secrets masked, which some receivers repeat in their response."""
        masked = self
        for secret in sorted(secrets, key=len, reverse=True):
            headers = {name: value.replace(secret, _MASK) for name, value in masked.headers.items()}
            masked = replace(masked, headers=headers, body=masked.body.replace(secret, _MASK))
        return masked

    def columns(self) -> dict[str, Any]:
        """Return the values for the log of deliveries."""
        return {
            "response_status": self.status,
            "response_headers": dict(self.headers),
            "response_body": self.body,
            "seconds": self.seconds,
            "error": self.error,
        }


def secrets_of(url: str, token: str) -> list[str]:
    """Return the secrets of a request to a hook, in the forms that its receiver can repeat.

    They are its token, the account of its URL, as text and as the header has it, and the query with its longer values.
    """
    parts = urlsplit(url)
    account = [unquote(text or "") for text in (parts.username, parts.password)]
    login = base64.b64encode(":".join(account).encode("latin-1", "replace")).decode()
    values = (value for _, value in parse_qsl(parts.query) if len(value) >= _SHORTEST_VALUE)
    texts = (token, parts.password, account[1], login if parts.username else "", parts.query, *values)
    return maskable_forms(filter(None, texts))


def check_address(policy: AddressPolicy, url: str) -> Access:
    """Return how the address of a hook may be reached.

    Raises:
        UsageError: the URL is invalid, or the policy refuses it.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or not printable(url) == url or " " in url:
        raise UsageError("is invalid; give an address such as https://example.org/hook")
    access = check(policy, url)
    if access is Access.PUBLIC and parts.scheme != "https":
        raise UsageError(policy.refusal(redacted(url), "the connection is not encrypted, and only https is used here"))
    return access


def send(policy: AddressPolicy, url: str, *, headers: Mapping[str, str], body: bytes, verify: bool) -> Outcome:
    """Send an event; every failure is an outcome."""
    import requests
    import urllib3

    begun = time.monotonic()
    try:
        guarded = check_address(policy, url) is Access.PUBLIC
        with http_session(guarded=guarded, reachable=policy.reachable) as session:
            if not verify:
                session.verify = False
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the hook's owner chose it
            return _post(session, url, headers, body, begun)
    except UsageError as error:
        return Outcome(headers={}, error=str(error), seconds=time.monotonic() - begun)
    except (requests.RequestException, OSError, ValueError) as error:
        return Outcome(headers={}, error=failure_reason(error), seconds=time.monotonic() - begun)


def _post(session: requests.Session, url: str, headers: Mapping[str, str], body: bytes, begun: float) -> Outcome:
    from generator.network.time_limits import time_limit

    with time_limit(session, _CONNECT + _READ):
        answer = session.post(
            url,
            data=body,
            headers=dict(headers),
            timeout=(_CONNECT, _READ),
            allow_redirects=False,
            stream=True,
            auth=_account(url),
        )
    with answer:
        text = _read(session, answer).decode("utf-8", errors="replace").replace("\0", " ")
        kept = {name: value[:500] for name, value in list(answer.headers.items())[:_MOST_HEADERS]}
        return Outcome(status=answer.status_code, headers=kept, body=text, seconds=time.monotonic() - begun)


def _account(url: str) -> requests.auth.AuthBase:
    """Return the account in the URL, or none; without this, requests uses one from the operator's ``.netrc``."""
    from requests.auth import AuthBase, HTTPBasicAuth

    class NoAccount(AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            return request

    parts = urlsplit(url)
    if not parts.username:
        return NoAccount()
    return HTTPBasicAuth(unquote(parts.username), unquote(parts.password or ""))


def _read(session: requests.Session, answer: requests.Response) -> bytes:
    """Read the beginning of a response, up to a time; its status counts, however its body ends."""
    import requests

    from generator.network.time_limits import time_limit

    content = b""
    with suppress(requests.RequestException), time_limit(session, _READ):
        for chunk in answer.iter_content(1024):
            content += chunk
            if len(content) >= _LARGEST:
                break
    return content[:_LARGEST]
