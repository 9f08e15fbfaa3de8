"""HTTP and HTTPS, by requests: redirects one by one, and each host told no more than is meant for it."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from io import BytesIO
from time import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from generator.runner.failures import StagingError
from generator.runner.staging import checksums, urls
from generator.runner.staging.checksums import Checksum
from generator.runner.staging.credentials import Credentials
from generator.runner.staging.guard import ForbiddenAddressError, NoGuard, forbidden_below
from generator.runner.staging.names import disposition_name
from generator.runner.staging.network import Network
from generator.runner.staging.stores import NotModifiedError, Opened, TransientError, Validator, unknown

_REDIRECTS = 20
_MAAP = ".maap-project.org"
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
    OSError,
)


class HttpStore:
    """All HTTP of one record: its connections, its cookies, its credentials."""

    def __init__(self, network: Network, credentials: Credentials, *, ticket_for: str | None = None) -> None:
        """``ticket_for`` is the host that gets MAAP's proxy granting ticket, '' for the one of each URL."""
        self._network, self._credentials = network, credentials
        self._ticket_for = ticket_for
        self._adapter = HTTPAdapter(pool_connections=16, pool_maxsize=network.parallel)
        self._cookies = requests.cookies.RequestsCookieJar()
        self._local = threading.local()
        self._login = threading.Lock()

    def source(self, url: str, *, checksum: Checksum | None = None, size: int | None = None) -> HttpSource:
        """The file at a URL."""
        return HttpSource(store=self, address=url, checksum=checksum, size=size)

    def get(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """The answer at the end of all redirects, its body not yet read.

        Raises:
            TransientError, StagingError: there is none.
        """
        origin, asked = urlsplit(url), url
        for _ in range(_REDIRECTS):
            response = self._ask(url, headers, origin=origin.hostname or "")
            target = response.headers.get("Location")
            if response.status_code not in (301, 302, 303, 307, 308) or not target:
                return response
            response.close()
            url = _followed(url, target, asked)
        raise StagingError(f"{urls.shown(asked)}: more than {_REDIRECTS} redirects")

    def _ask(self, url: str, headers: Mapping[str, str], *, origin: str) -> requests.Response:
        session, parts = self._session(), urlsplit(url)
        host = parts.hostname or ""
        request = requests.Request("GET", url, headers={**headers, **self._secret_headers(host, origin)})
        login = self._credentials.login(host)
        if login or "Authorization" in request.headers or "proxy-ticket" in request.headers:
            self._check_privacy(parts.scheme, host)
        if login or "Authorization" in request.headers:
            request.auth = login if "Authorization" not in request.headers else _unchanged
        settings = session.merge_environment_settings(url, {}, True, self._network.verify, None)  # noqa: FBT003
        if settings["proxies"] and not isinstance(self._network.guard, NoGuard):
            self._network.guard.check_name(host)
        try:
            return session.send(
                session.prepare_request(request),
                timeout=(self._network.connect_timeout, self._network.timeout),
                allow_redirects=False,
                **settings,
            )
        except ForbiddenAddressError as error:
            raise StagingError(f"{urls.shown(url)}: {error}") from None
        except requests.exceptions.SSLError as error:
            raise StagingError(f"{urls.shown(url)}: {_tls_problem(error)}") from None
        except _BROKEN as error:
            if forbidden := forbidden_below(error):
                raise StagingError(f"{urls.shown(url)}: {forbidden}") from None
            raise TransientError(_plain(error)) from None
        except (requests.RequestException, ValueError) as error:
            raise StagingError(f"{urls.shown(url)}: {urls.hidden(str(error))}") from None

    def _secret_headers(self, host: str, origin: str) -> dict[str, str]:
        """A bearer token and a ticket go to the host that was asked for, a token to the login host as well."""
        found = {}
        if self._credentials.token and host in (origin, self._credentials.login_host):
            found["Authorization"] = f"Bearer {self._credentials.token}"
        if self._is_for_ticket(host, origin):
            ticket = str(self._credentials.maap_pgt)
            found |= {"proxy-ticket": ticket, "maap_pgt": ticket}
        return found

    def _is_for_ticket(self, host: str, origin: str) -> bool:
        """The host that a record names gets the ticket; of those that a search finds, MAAP's own alone."""
        if self._ticket_for is None or not self._credentials.maap_pgt:
            return False
        if not self._ticket_for:
            return host == origin
        return host == self._ticket_for or (host == origin and host.endswith(_MAAP))

    @staticmethod
    def _check_privacy(scheme: str, host: str) -> None:
        if scheme != "https" and host not in _LOOPBACK:
            raise StagingError(f"{scheme}://{host}: credentials are sent over https alone")

    def _session(self) -> requests.Session:
        """One for each thread, over the same connections and cookies."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.mount("https://", self._adapter)
            session.mount("http://", self._adapter)
            session.cookies = self._cookies
            session.headers.update({"User-Agent": "packmill", "Accept": "*/*", "Accept-Encoding": "identity"})
            self._local.session = session
        return session


@dataclass(frozen=True, kw_only=True)
class HttpSource:
    """A file at an http or https URL; user and password may stand in it."""

    store: HttpStore
    address: str = field(repr=False)
    checksum: Checksum | None = None
    size: int | None = None

    @property
    def url(self) -> str:
        """Without user, password and signature."""
        return urls.shown(self.address)

    @property
    def key(self) -> str:
        """The same however it is signed."""
        return urls.canonical(self.address)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return urls.file_name(self.address)

    def open(self, offset: int = 0, *, expected: Validator = unknown, known: Validator = unknown) -> Opened:
        """See `Source.open`: a range with If-Range, or a conditional request."""
        response = self.store.get(self.address, _conditions(offset, expected, known))
        try:
            return self._opened(response, offset, expected)
        except BaseException:
            response.close()
            raise

    def _opened(self, response: requests.Response, offset: int, expected: Validator) -> Opened:
        status = response.status_code
        if status == 304:
            raise NotModifiedError
        if status == 416 and offset:
            response.close()
            whole = response.headers.get("Content-Range", "").rpartition("/")[2]
            if whole == str(offset):  # nothing is left to send: what is here is all of it
                return Opened(stream=BytesIO(), offset=offset, size=offset, validator=expected)
            return self.open()
        if status in _TRANSIENT:
            raise TransientError(f"the server answers {_status(response)}", wait=_retry_after(response))
        if status not in (200, 203, 206):
            raise StagingError(f"{self.url}: {self._refusal(response)}")
        start, size = _extent(response)
        validator = _validator(response)
        if start != offset or (offset and expected and validator and validator != expected):
            if start:
                response.close()
                return self.open()
            offset = 0
        encoded = response.headers.get("Content-Encoding", "identity") not in ("identity", "")
        decoded = encoded and not self.name.endswith((".gz", ".tgz", ".z", ".Z", ".bz2", ".zst"))
        return Opened(
            stream=_Body(response, decoded=decoded),
            offset=offset,
            size=None if decoded else size,
            validator=validator,
            checksums=() if decoded else checksums.of_headers(_lower(response.headers)),
            name=disposition_name(response.headers.get("Content-Disposition")),
        )

    def _refusal(self, response: requests.Response) -> str:
        said = f"{urlsplit(response.url).hostname} answers {_status(response)}"
        if response.status_code in (401, 403):
            return f"{said}: it wants other credentials, or the user has no right to this file"
        return said


class _Body:
    """The bytes of an answer; what breaks on the way is told as transient."""

    def __init__(self, response: requests.Response, *, decoded: bool) -> None:
        self._response, self._decoded = response, decoded

    def read(self, size: int, /) -> bytes:
        try:
            return bytes(self._response.raw.read(size, decode_content=self._decoded))
        except _BROKEN as error:
            raise TransientError(_plain(error)) from None

    def close(self) -> None:
        self._response.close()


def _conditions(offset: int, expected: Validator, known: Validator) -> dict[str, str]:
    headers = {}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if expected.is_strong or (expected.modified and not expected.etag):
            headers["If-Range"] = expected.etag if expected.is_strong else expected.modified
    if known.etag:
        headers["If-None-Match"] = known.etag
    if known.modified:
        headers["If-Modified-Since"] = known.modified
    return headers


def _followed(url: str, target: str, asked: str) -> str:
    following = urljoin(url, target)
    before, after = urlsplit(url), urlsplit(following)
    if after.scheme not in ("http", "https") or not after.hostname:
        raise StagingError(f"{urls.shown(asked)}: redirects to {urls.shown(following)!r}, which is not followed")
    if before.scheme == "https" and after.scheme != "https":
        raise StagingError(f"{urls.shown(asked)}: redirects from https to {urls.shown(following)}: not followed")
    return following


def _unchanged(request: Any) -> Any:
    """An auth of requests that keeps it from looking for one in ~/.netrc."""
    return request


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """First byte and whole size of an answer."""
    length = response.headers.get("Content-Length", "")
    if response.status_code != 206:
        return 0, int(length) if length.isdigit() else None
    words = response.headers.get("Content-Range", "").removeprefix("bytes ").strip()
    span, _, whole = words.partition("/")
    first = span.partition("-")[0]
    if not first.isdigit():
        raise TransientError(f"the server answers with a range that it does not name: {words!r}")
    return int(first), int(whole) if whole.isdigit() else None


def _validator(response: requests.Response) -> Validator:
    return Validator(etag=response.headers.get("ETag", ""), modified=response.headers.get("Last-Modified", ""))


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _status(response: requests.Response) -> str:
    return f"{response.status_code} {response.reason or ''}".strip()


def _retry_after(response: requests.Response) -> float | None:
    """Seconds, from either form of the header (RFC 9110, "Retry-After")."""
    text = response.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time(), 0.0)
    except (TypeError, ValueError):
        return None


def _plain(error: BaseException) -> str:
    text = str(error)
    for words, meaning in (
        ("timed out", "it does not answer in time"),
        ("Name or service not known", "no such host"),
        ("Temporary failure in name resolution", "its host's name cannot be looked up"),
        ("No address associated", "no such host"),
        ("Connection refused", "the connection is refused"),
        ("IncompleteRead", "the connection was cut"),
        ("Connection reset", "the connection was cut"),
        ("Connection aborted", "the connection was cut"),
        ("Connection broken", "the connection was cut"),
    ):
        if words in text:
            return meaning
    return urls.hidden(text) or type(error).__name__


def _tls_problem(error: BaseException) -> str:
    found = re.search(r"certificate verify failed: ([^(]+)", str(error))
    why = found[1].strip() if found else urls.hidden(str(error))
    return f"its certificate cannot be verified ({why}): name your company's certificates with --ca-bundle"
