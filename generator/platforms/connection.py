"""Requests to a platform: deadlines, new attempts, the token, and the messages of refusals."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from generator.network.address_policy import Access, AddressPolicy
from generator.network.addresses import check, is_loopback
from generator.network.sessions import failure_reason, http_session
from generator.platforms.answer import Answer
from generator.platforms.platform import Platform
from generator.shared.errors import PublishError
from generator.shared.retry_after import read_retry_after
from generator.shared.safe_text import printable, redacted

if TYPE_CHECKING:
    import requests

_PAUSES = (2.0, 10.0)
"""Seconds before each new attempt."""
_TEMPORARY = (429, 502, 503, 504)
"""Statuses after which the same request may succeed (RFC 9110, 15.6; RFC 6585)."""
_LONGEST_WAIT = 60.0
"""Seconds that a platform may ask to wait; with more, its refusal is the result."""
_REDIRECTS = (301, 302, 303, 307, 308)
_KEEPS_METHOD = (307, 308)
_MOST_REDIRECTS = 3
_CONNECT, _READ, _DEPLOY = 10.0, 60.0, 300.0
"""Seconds to connect, to read a response, and to wait for a deployment: a platform may pull the image first."""
_LARGEST = 4 << 20
"""Bytes of a response that are read."""
_LONGEST_LOCATION = 2000
_LONGEST = 600
"""Characters of a platform's message that are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """A session with one platform; the token is sent to its scheme, host and port, and nowhere else."""

    platform: Platform
    session: requests.Session
    token: str = field(default="", repr=False)

    def get(self, address: str) -> Answer:
        """Request JSON.

        Raises:
            PublishError: the platform does not answer, or redirects to another server.
        """
        return self._follow("GET", address, {}, b"", _READ)

    def send(self, method: str, address: str, text: str, media_type: str) -> Answer:
        """Send a document by POST or PUT.

        Raises:
            PublishError: the platform does not answer, or redirects to another address.
        """
        return self._follow(method, address, {"Content-Type": media_type}, text.encode(), _DEPLOY)

    def refusal(self, subject: str, answer: Answer) -> PublishError:
        """Return the error about a response that is a failure; its message has the platform's own."""
        problem = (answer.problem.replace(self.token, "***") if self.token else answer.problem)[:_LONGEST]
        message = f"{subject}: status {answer.status}" + (f": {problem}" if problem else "")
        if answer.status in (401, 403):
            message += f"\n  {self._token_advice()}"
        return PublishError(message)

    def _token_advice(self) -> str:
        if self.token:
            return "check that the token in PACKMILL_DEPLOY_TOKEN is valid and may deploy processes"
        return f"set PACKMILL_DEPLOY_TOKEN, and PACKMILL_DEPLOY_HOST={self.platform.host}"

    def _follow(self, method: str, address: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Answer:
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._ask_again(method, address, headers, body, seconds)
            if answer.status not in _REDIRECTS:
                return answer
            target = answer.location
            if not self.platform.serves(target) or (method != "GET" and answer.status not in _KEEPS_METHOD):
                shown = printable(redacted(target)) or "nowhere"
                raise PublishError(
                    f"{address}: the platform redirects to {shown}, which gets neither the token nor the process; "
                    "give the platform's final address"
                )
            address = target
        raise PublishError(f"{address}: the platform redirects too often; give its final address")

    def _ask_again(self, method: str, address: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Answer:
        """Repeat a request whose failure is temporary.

        A repeated deployment does no harm: if the first one succeeded, the platform answers that the process exists.
        """
        import requests

        cause = ""
        for pause in (*_PAUSES, None):
            wait = 0.0
            try:
                answer = self._ask(method, address, headers, body, seconds)
                if answer.status not in _TEMPORARY or pause is None or answer.wait > _LONGEST_WAIT:
                    return answer
                wait = answer.wait
            except requests.ReadTimeout:
                raise PublishError(f"{address}: no response within {seconds:.0f} s; check the platform") from None
            except (requests.RequestException, OSError, ValueError) as error:
                cause = failure_reason(error)
                if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in repr(error):
                    break
            if pause is not None:
                time.sleep(max(pause, wait))
        raise PublishError(f"{address}: no response from the platform: {cause}; check the address")

    def _ask(self, method: str, address: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Answer:
        from generator.network.time_limits import time_limit

        own = {"Accept": "application/json, application/problem+json", **headers}
        if self.token:
            own["Authorization"] = f"Bearer {self.token}"
        with (
            time_limit(self.session, _CONNECT + 2 * seconds),
            self.session.request(
                method,
                address,
                headers=own,
                data=body or None,
                timeout=(_CONNECT, seconds),
                allow_redirects=False,
                stream=True,
                auth=_keep_headers if self.token else None,
            ) as answer,
        ):
            return Answer(
                status=answer.status_code,
                wait=read_retry_after(answer.headers.get("Retry-After")) or 0.0,
                location=_absolute(address, answer.headers.get("Location", "")),
                content=_read(answer, time.monotonic() + seconds),
            )


@contextmanager
def connect(platform: Platform, *, token: str, policy: AddressPolicy) -> Iterator[Connection]:
    """Open a connection to a platform.

    Raises:
        PublishError: the policy refuses the platform, or its connection is not encrypted.
    """
    check_platform_address(platform, policy, has_token=bool(token))
    guarded = policy.access(platform.address) is Access.PUBLIC
    plain = not platform.is_encrypted
    with http_session(guarded=guarded, reachable=policy.reachable, plain=plain) as session:
        yield Connection(platform=platform, session=session, token=token)


def check_platform_address(platform: Platform, policy: AddressPolicy, *, has_token: bool) -> None:
    """Check the address of a platform.

    Raises:
        PublishError: the policy refuses the platform, or its connection is not encrypted, although it gets a token or
            only public addresses may be reached.
    """
    access = check(policy, platform.address)
    if platform.is_encrypted or is_loopback(urlsplit(platform.address).hostname or ""):
        return
    if has_token or access is Access.PUBLIC:
        raise PublishError(f"{platform.address}: the connection is not encrypted; give an https address")


def _absolute(address: str, location: str) -> str:
    """Return a header ``Location`` as an absolute address; empty if it is not one."""
    try:
        return urljoin(address, location) if 0 < len(location) <= _LONGEST_LOCATION else ""
    except ValueError:
        return ""


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep the token; without this, requests replaces it with a password from ``.netrc``."""
    return request


def _read(answer: requests.Response, deadline: float) -> bytes:
    """Read a response up to a size and a time."""
    import requests

    content = b""
    for chunk in answer.iter_content(1 << 16):
        content += chunk
        if len(content) > _LARGEST:
            break
        if time.monotonic() > deadline:
            raise requests.ReadTimeout
    return content[:_LARGEST]
