"""URLs as they may be told, kept and compared: without credentials and signatures."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

_SIGNED_BY = {"x-amz-signature", "signature", "sig", "x-goog-signature"}
"""Parameters that say that the others of `_OF_SIGNATURES` belong to a signature."""
_OF_SIGNATURES = _SIGNED_BY | set("awsaccesskeyid expires key-pair-id policy googleaccessid".split())
_OF_SIGNATURES |= set("se sip ske skoid sks skt sktid skv sp spr sr st sv".split())
_PASSING = set("access_token id_token token api_key apikey api-key subscription-key jwt hdnts hdnea".split())
"""Parameters that say who asks, not what for."""
_SECRET = re.compile(r"key|token|secret|pass|pwd|cred|sig|auth|jwt|hmac|hdn|ticket|code|session|policy", re.IGNORECASE)
"""Names of parameters whose values are never shown."""


def scheme(url: str) -> str:
    """The scheme in lower case; '' for a path."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
    return match[1].lower() if match else ""


def redact(url: str) -> str:
    """A URL for people: no user, no password, and a query only as far as it cannot be a secret."""
    try:
        parts = urlsplit(url)
        query = urlencode([pair for pair in _remove_signature(parts.query) if not _SECRET.search(pair[0])])
        place = parts.netloc.rpartition("@")[2]
    except ValueError:
        return f"{scheme(url) or 'a'}://…"
    return urlunsplit((parts.scheme, place, parts.path, query, ""))


def canonical(url: str) -> str:
    """What names the same file however it is signed. It may hold what is secret, so only its digest is kept."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2].lower()
    default = {"http": ":80", "https": ":443"}.get(parts.scheme.lower(), "")
    place = place.removesuffix(default) if default else place
    query = urlencode([pair for pair in _remove_signature(parts.query) if pair[0].lower() not in _PASSING])
    return urlunsplit((parts.scheme.lower(), place, parts.path or "/", query, ""))


def _remove_signature(query: str) -> list[tuple[str, str]]:
    """The parameters that are no part of a signature."""
    pairs = parse_qsl(query, keep_blank_values=True)
    signed = any(name.lower() in _SIGNED_BY for name, _ in pairs)
    return [
        (name, value)
        for name, value in pairs
        if not name.lower().startswith(("x-amz-", "x-goog-")) and not (signed and name.lower() in _OF_SIGNATURES)
    ]


def find_problem(url: str) -> str | None:
    """What is wrong with a URL, in words that repeat nothing of it: a password may stand anywhere in one."""
    try:
        parts = urlsplit(url)
        if parts.scheme and "://" in url:
            parts.port  # noqa: B018 - raises ValueError when it is no number
    except ValueError:
        return "a URL is given that cannot be read: %-encode what is special in user and password"
    if any(ord(character) < 32 or ord(character) == 127 for character in url):
        return "a URL is given that has control characters in it"
    if scheme(url) == "s3" and "@" in parts.netloc:
        return "an s3 URL has no user: give keys in the record"
    return None


def file_name(url: str) -> str:
    """The last part of a URL's path, decoded; '' when it has none."""
    path = urlsplit(url).path if scheme(url) else url
    return unquote(path.rstrip("/").rpartition("/")[2])


def redact_text(text: str) -> str:
    """A message with the URLs in it as `redact` has them."""
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>)]+", lambda match: redact(match[0]), text)
