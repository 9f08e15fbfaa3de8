"""URLs without credentials and signatures, for messages, storage and comparison."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

_SIGNED_BY = {"x-amz-signature", "signature", "sig", "x-goog-signature"}
"""Parameters that mark those of `_OF_SIGNATURES` as parts of a signature."""
_OF_SIGNATURES = _SIGNED_BY | set("awsaccesskeyid expires key-pair-id policy googleaccessid".split())
_OF_SIGNATURES |= set("se sip ske skoid sks skt sktid skv sp spr sr st sv".split())
_PASSING = set("access_token id_token token api_key apikey api-key subscription-key jwt hdnts hdnea".split())
"""Parameters that identify the user, not the file."""
_SECRET = re.compile(r"key|token|secret|pass|pwd|cred|sig|auth|jwt|hmac|hdn|ticket|code|session|policy", re.IGNORECASE)
"""Names of parameters whose values are never shown."""

_WITHOUT_QUERY = set("ftp sftp ssh gs gcs abfs abfss az s3".split())
"""Schemes of stores in which ``?`` and ``#`` are characters of names, as their own tools have it."""


def scheme(url: str) -> str:
    """Return the scheme in lower case, '' for a path."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
    return match[1].lower() if match else ""


def split(url: str) -> SplitResult:
    """Split a URL; those of files on servers and in buckets have neither a query nor a fragment.

    Raises:
        ValueError: the URL is invalid.
    """
    parts = urlsplit(url)
    if parts.scheme not in _WITHOUT_QUERY:
        return parts
    return parts._replace(path=url.partition("://")[2].removeprefix(parts.netloc), query="", fragment="")


def redact(url: str) -> str:
    """Remove user, password and possibly secret query parameters from a URL, for messages."""
    try:
        parts = urlsplit(url)
        if not any(_SECRET.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
            parts = split(url)
        query = urlencode([pair for pair in _remove_signature(parts.query) if not _SECRET.search(pair[0])])
        place = parts.netloc.rpartition("@")[2]
    except ValueError:
        return f"{scheme(url) or 'a'}://…"
    return urlunsplit((parts.scheme, place, parts.path, query, ""))


def canonical(url: str) -> str:
    """Return a URL without its signature, to identify its file. It may contain secrets: store only its digest."""
    parts = split(url)
    place = parts.netloc.rpartition("@")[2].lower()
    default = {"http": ":80", "https": ":443"}.get(parts.scheme.lower(), "")
    place = place.removesuffix(default) if default else place
    query = urlencode([pair for pair in _remove_signature(parts.query) if pair[0].lower() not in _PASSING])
    return urlunsplit((parts.scheme.lower(), place, parts.path or "/", query, ""))


def _remove_signature(query: str) -> list[tuple[str, str]]:
    """Return the query parameters that are not part of a signature."""
    pairs = parse_qsl(query, keep_blank_values=True)
    signed = any(name.lower() in _SIGNED_BY for name, _ in pairs)
    return [
        (name, value)
        for name, value in pairs
        if not name.lower().startswith(("x-amz-", "x-goog-")) and not (signed and name.lower() in _OF_SIGNATURES)
    ]


def find_problem(url: str) -> str | None:
    """Describe what is invalid in a URL, without repeating it, since it may contain a password; None if valid."""
    try:
        parts = urlsplit(url)
        if parts.scheme and "://" in url:
            parts.port  # noqa: B018 - raises ValueError when it is not a number
    except ValueError:
        return "invalid URL; %-encode special characters in user and password"
    if any(ord(character) < 32 or ord(character) == 127 for character in url):
        return "invalid URL: it contains control characters"
    if scheme(url) == "s3" and "@" in parts.netloc:
        return "an s3 URL cannot have a user; give keys in the record"
    return None


def file_name(url: str) -> str:
    """Return the last component of a URL's path, decoded; '' without one."""
    path = split(url).path if scheme(url) else url
    return unquote(path.rstrip("/").rpartition("/")[2])


def redact_text(text: str) -> str:
    """Redact all URLs in a text."""
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>)]+", lambda match: redact(match[0]), text)
