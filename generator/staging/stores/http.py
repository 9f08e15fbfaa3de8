"""HTTP and HTTPS, with requests; redirects are followed one by one, so that each host gets only its own credentials."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from generator.shared.failures import StagingError
from generator.shared.retry_after import read_retry_after
from generator.staging import checksums, urls
from generator.staging.checksums import Checksum
from generator.staging.file_names import disposition_name
from generator.staging.network.credentials import Credentials
from generator.staging.network.guard import ForbiddenAddressError, find_forbidden_address
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location
from generator.staging.stores import (
    ChangedError,
    Download,
    NotModifiedError,
    TransientError,
    UrlSource,
    Validator,
    no_validator,
    parse_content_range,
    parse_number,
)
from generator.staging.stores.http_bodies import BodyStream
from generator.staging.stores.http_failures import BROKEN_CONNECTIONS, describe_certificate_problem, describe_failure
from generator.staging.stores.origins import (
    Origin,
    origin_of,
    read_userinfo,
    remove_userinfo,
    resolve_redirect,
    trusted_origins,
)

_REDIRECTS = 20
_MAAP = ".maap-project.org"
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


def open_store(network: NetworkSettings, credentials: Credentials, location: Location) -> HttpStore:
    """Return the store of a location's web servers."""
    return HttpStore(
        network,
        credentials,
        trusted=trusted_origins(location),
        token=bool(location.record.get("token")),
        ticket=bool(location.record.get("maap_pgt")) or location.kind == "MAAP",
    )


class HttpStore:
    """The HTTP connections, cookies and credentials of one record.

    ``trusted`` are the origins that the record itself names. Token and ticket are sent only there and to the login
    host, not to the targets of a redirect, a search or a STAC document.
    """

    has_folders = False

    def __init__(
        self,
        network: NetworkSettings,
        credentials: Credentials,
        *,
        trusted: frozenset[Origin] = frozenset(),
        token: bool = False,
        ticket: bool = False,
    ) -> None:
        """Set up a store; ``token`` and ``ticket`` are sent without a request by the server."""
        self._network, self._credentials, self._trusted = network, credentials, trusted
        self._token, self._ticket = token, ticket
        self._adapter = HTTPAdapter(pool_connections=16, pool_maxsize=network.parallel)
        self._cookies = requests.cookies.RequestsCookieJar()
        self._local = threading.local()
        self._settings: dict[Origin, dict[str, Any]] = {}

    def source(self, url: str, *, checksum: Checksum | None = None, size: int | None = None) -> HttpSource:
        """Return the file at a URL."""
        return HttpSource(store=self, address=url, checksum=checksum, size=size)

    def list_folder(self, url: str) -> list[HttpSource]:
        """Refuse to list a folder: HTTP has none.

        Raises:
            StagingError: always.
        """
        raise StagingError(f"{urls.redact(url)}: a web server's folder cannot be listed; give the URLs of its files")

    def get(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """Send a request and follow redirects; return the response, with its body unread.

        Raises:
            TransientError: another attempt may succeed.
            StagingError: the URL is invalid, refused, or redirected too often.
        """
        requested, login = url, read_userinfo(url)
        with_token = self._token
        for _ in range(_REDIRECTS):
            response = self._send(url, headers, login=login if url == requested else None, with_token=with_token)
            target = response.headers.get("Location")
            if response.status_code not in (301, 302, 303, 307, 308) or not target:
                return response
            response.close()
            following = resolve_redirect(url, target, requested)
            if self._is_login_redirect(url, following) and not with_token:
                with_token = True  # the same URL again
            else:
                url = following
        raise StagingError(f"{urls.redact(requested)}: more than {_REDIRECTS} redirects")

    def _is_login_redirect(self, url: str, following: str) -> bool:
        """Return whether a trusted origin redirects to the login host, and a token can replace the login."""
        to_login = urlsplit(following).hostname == self._credentials.login_host
        return bool(self._credentials.token) and to_login and origin_of(url) in self._trusted

    def _send(
        self, url: str, headers: Mapping[str, str], *, login: tuple[str, str] | None, with_token: bool
    ) -> requests.Response:
        session, origin = self._session(), origin_of(url)
        secret = self._secret_headers(origin, with_token=with_token)
        login = login or (self._credentials.login(origin.host) if "Authorization" not in secret else None)
        if (login or secret) and not origin.is_private:
            raise StagingError(f"{origin.scheme}://{origin.host}: credentials are only sent over https")
        # An explicit auth keeps requests from reading ~/.netrc, which may have a default for all hosts.
        request = requests.Request(
            "GET", remove_userinfo(url), headers={**headers, **secret}, auth=login or _send_no_auth
        )
        settings = self._connection_settings(session, url, origin)
        try:
            if settings["proxies"]:
                self._network.guard.check_name(origin.host)
            return session.send(
                session.prepare_request(request),
                timeout=(self._network.connect_timeout, self._network.timeout),
                allow_redirects=False,
                **settings,
            )
        except ForbiddenAddressError as error:
            raise StagingError(f"{urls.redact(url)}: {error}") from None
        except (ValueError, UnicodeError):  # requests' InvalidURL, InvalidHeader and so on are ValueErrors
            raise StagingError(f"{urls.redact(url)}: invalid URL") from None
        except BROKEN_CONNECTIONS as error:
            if forbidden := find_forbidden_address(error):
                raise StagingError(f"{urls.redact(url)}: {forbidden}") from None
            if problem := describe_certificate_problem(error):
                raise StagingError(f"{urls.redact(url)}: {problem}") from None
            raise TransientError(describe_failure(error)) from None

    def _connection_settings(self, session: requests.Session, url: str, origin: Origin) -> dict[str, Any]:
        """Return proxies and certificates from the environment; cached by origin, because the lookup is slow."""
        if origin not in self._settings:
            settings: Any = session.merge_environment_settings(url, {}, True, self._network.verify, None)  # noqa: FBT003
            self._settings[origin] = settings
        return self._settings[origin]

    def _secret_headers(self, origin: Origin, *, with_token: bool) -> dict[str, str]:
        found = {}
        is_login = origin.host == self._credentials.login_host
        if self._credentials.token and ((with_token and origin in self._trusted) or (is_login and origin.is_private)):
            found["Authorization"] = f"Bearer {self._credentials.token}"
        is_maap = origin.host.endswith(_MAAP) and origin.scheme == "https"
        if self._credentials.maap_pgt and ((self._ticket and origin in self._trusted) or is_maap):
            found |= {"proxy-ticket": self._credentials.maap_pgt, "maap_pgt": self._credentials.maap_pgt}
        return found

    def _session(self) -> requests.Session:
        """Return this thread's session; all share connections and cookies."""
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
class HttpSource(UrlSource):
    """A file at an http or https URL, which may contain user and password."""

    store: HttpStore = field(repr=False)

    def open(self, offset: int = 0, *, expected: Validator = no_validator, known: Validator = no_validator) -> Download:
        """See `Source.open`: a range with If-Range, or a conditional request."""
        response = self.store.get(self.address, _conditional_headers(offset, expected, known))
        try:
            return self._read_response(response, offset, expected, known=known)
        except BaseException:
            response.close()
            raise

    def _read_response(
        self, response: requests.Response, offset: int, expected: Validator, *, known: Validator
    ) -> Download:
        status = response.status_code
        if status == 304 and known:
            raise NotModifiedError
        if status == 416 and offset:
            whole = response.headers.get("Content-Range", "").rpartition("/")[2]
            if whole != str(offset):
                raise ChangedError
            # nothing is left to send: the partial file is complete
            return Download(stream=BytesIO(), offset=offset, size=offset, validator=expected)
        if status in _TRANSIENT:
            raise TransientError(
                f"the server answers {_format_status(response)}",
                wait=read_retry_after(response.headers.get("Retry-After")),
            )
        if status not in (200, 203, 206):
            raise StagingError(f"{self.url}: {self._describe_refusal(response)}")
        start, size = _read_range(response)
        validator = _read_validator(response)
        if start and (start != offset or not validator.agrees(expected)):
            raise ChangedError
        encoded = response.headers.get("Content-Encoding", "identity") not in ("identity", "")
        decoded = encoded and not self.name.endswith((".gz", ".tgz", ".z", ".Z", ".bz2", ".zst"))
        return Download(
            stream=BodyStream(response, decoded=decoded),
            offset=start,
            size=None if decoded else size,
            # decoded bytes cannot be counted in the server's ranges, so such a file is never resumed
            validator=no_validator if decoded else validator,
            checksums=() if decoded else _read_checksums(response),
            name=disposition_name(response.headers.get("Content-Disposition")),
        )

    def _describe_refusal(self, response: requests.Response) -> str:
        answer = f"{urlsplit(response.url).hostname} answers {_format_status(response)}"
        if response.status_code in (401, 403):
            return f"{answer}: it requires other credentials, or the user may not read this file"
        return answer


def _conditional_headers(offset: int, expected: Validator, known: Validator) -> dict[str, str]:
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


def _send_no_auth(request: Any) -> Any:
    """Send a request without credentials."""
    return request


def _read_range(response: requests.Response) -> tuple[int, int | None]:
    """Read the first byte and the whole size of a response."""
    if response.status_code != 206:
        return 0, parse_number(response.headers.get("Content-Length", ""))
    found = parse_content_range(response.headers.get("Content-Range", ""))
    if found is None:
        raise TransientError("the server sent a partial answer without a valid Content-Range")
    return found


def _read_validator(response: requests.Response) -> Validator:
    return Validator(etag=response.headers.get("ETag", ""), modified=response.headers.get("Last-Modified", ""))


def _read_checksums(response: requests.Response) -> tuple[Checksum, ...]:
    """Read the checksums of the whole file; Content-MD5 is that of the bytes in the answer (RFC 2616, 14.15)."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.status_code == 206:
        headers.pop("content-md5", None)
    return checksums.checksums_from_headers(headers)


def _format_status(response: requests.Response) -> str:
    return f"{response.status_code} {response.reason or ''}".strip()
