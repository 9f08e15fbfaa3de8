"""Origins: what a secret is for, and where a redirect may lead."""

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
    """Scheme, host and port (RFC 6454): what a secret is for."""

    scheme: str
    host: str
    port: int | None

    @property
    def is_private(self) -> bool:
        """Whether no one on the way can read along."""
        return self.scheme == "https" or self.host in _LOOPBACK


def origin_of(url: str) -> Origin:
    """The origin of a URL."""
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
    """Where a redirect of ``url`` leads; ``asked`` is what messages name.

    Raises:
        StagingError: to no web address, or out of TLS.
    """
    try:
        following = urljoin(url, target)
    except ValueError:
        raise StagingError(f"{urls.redact(requested)}: redirects to what is no URL") from None
    before, after = urlsplit(url), urlsplit(following)
    if after.scheme not in ("http", "https") or not after.hostname or not _has_port(after):
        raise StagingError(f"{urls.redact(requested)}: redirects to {urls.redact(following)!r}, which is not followed")
    if before.scheme == "https" and after.scheme != "https":
        raise StagingError(f"{urls.redact(requested)}: redirects from https to {urls.redact(following)}: not followed")
    return following


def _has_port(parts: Any) -> bool:
    """Whether a port is a number, or not there."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def read_userinfo(url: str) -> tuple[str, str] | None:
    """User and password of a URL that a person gave."""
    parts = urlsplit(url)
    return (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def remove_userinfo(url: str) -> str:
    """The same URL without them."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
