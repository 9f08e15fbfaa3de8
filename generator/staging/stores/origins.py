"""Origins: what a secret is for, and where a redirect may lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from generator.shared.failures import StagingError
from generator.staging import urls

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


def followed(url: str, target: str, asked: str) -> str:
    """Where a redirect of ``url`` leads; ``asked`` is what messages name.

    Raises:
        StagingError: to no web address, or out of TLS.
    """
    try:
        following = urljoin(url, target)
    except ValueError:
        raise StagingError(f"{urls.shown(asked)}: redirects to what is no URL") from None
    before, after = urlsplit(url), urlsplit(following)
    if after.scheme not in ("http", "https") or not after.hostname or not _has_port(after):
        raise StagingError(f"{urls.shown(asked)}: redirects to {urls.shown(following)!r}, which is not followed")
    if before.scheme == "https" and after.scheme != "https":
        raise StagingError(f"{urls.shown(asked)}: redirects from https to {urls.shown(following)}: not followed")
    return following


def _has_port(parts: Any) -> bool:
    """Whether a port is a number, or not there."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def userinfo(url: str) -> tuple[str, str] | None:
    """User and password of a URL that a person gave."""
    parts = urlsplit(url)
    return (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def without_userinfo(url: str) -> str:
    """The same URL without them."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
