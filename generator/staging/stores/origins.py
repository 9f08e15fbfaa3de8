"""Origins of URLs: they limit where secrets are sent and where redirects may lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from generator.shared.failures import StagingError
from generator.staging import urls
from generator.staging.cmr import cmr_address
from generator.staging.records import Location

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port (RFC 6454), to which a secret belongs."""

    scheme: str
    host: str
    port: int | None

    @property
    def is_private(self) -> bool:
        """Whether connections are encrypted or local."""
        return self.scheme == "https" or self.host in _LOOPBACK


def origin_of(url: str) -> Origin:
    """Return the origin of a URL."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return Origin(scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(scheme))


def trusted_origins(location: Location) -> frozenset[Origin]:
    """Return the origins that a record itself names, which may receive its secrets."""
    if location.kind == "MAAP":
        named = [cmr_address(location)]
    else:
        named = [address for address in location.addresses if isinstance(address, str)]
    return frozenset(origin_of(one) for one in named if urls.scheme(one) in ("http", "https"))


def resolve_redirect(url: str, target: str, requested: str) -> str:
    """Return the URL that ``url`` redirects to; messages name ``requested``.

    Raises:
        StagingError: the target is not a web address, or leads from https to http.
    """
    try:
        following = urljoin(url, target)
    except ValueError:
        raise StagingError(f"{urls.redact(requested)}: redirects to an invalid URL") from None
    before, after = urlsplit(url), urlsplit(following)
    if after.scheme not in ("http", "https") or not after.hostname or not _has_port(after):
        raise StagingError(f"{urls.redact(requested)}: redirects to {urls.redact(following)!r}, which is not followed")
    if before.scheme == "https" and after.scheme != "https":
        raise StagingError(f"{urls.redact(requested)}: redirects from https to {urls.redact(following)}: not followed")
    return following


def _has_port(parts: Any) -> bool:
    """Return whether a URL has a valid port, or none."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def read_userinfo(url: str) -> tuple[str, str] | None:
    """Return user and password of a URL, None if it has none."""
    parts = urlsplit(url)
    return (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def remove_userinfo(url: str) -> str:
    """Return a URL without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
