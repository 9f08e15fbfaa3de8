"""URLs as they may be told, kept and compared: without credentials and signatures."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

_SIGNED_BY = {"x-amz-signature", "signature", "sig", "x-goog-signature"}
"""Parameters that say that the others of `_OF_SIGNATURES` belong to a signature."""
_OF_SIGNATURES = _SIGNED_BY | set("awsaccesskeyid expires key-pair-id policy googleaccessid".split())
_OF_SIGNATURES |= set("se sip ske skoid sks skt sktid skv sp spr sr st sv".split())
_SECRET = re.compile(r"token|secret|passw|api_?key|credential|signature|auth|^key$|^sig$", re.IGNORECASE)


def scheme(url: str) -> str:
    """The scheme in lower case; '' for a path."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
    return match[1].lower() if match else ""


def shown(url: str) -> str:
    """A URL for people: no user, no password, and a query only as far as it cannot be a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return re.sub(r"//[^/@]*@", "//", url.partition("?")[0])
    query = _public_query(parts.query)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, query, ""))


def canonical(url: str) -> str:
    """What names the same file however it is signed: the key of a cache, never a secret in it."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2].lower()
    default = {"http": ":80", "https": ":443"}.get(parts.scheme.lower(), "")
    place = place.removesuffix(default) if default else place
    return urlunsplit((parts.scheme.lower(), place, parts.path or "/", _public_query(parts.query), ""))


def _public_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    signed = any(name.lower() in _SIGNED_BY for name, _ in pairs)
    kept = [
        (name, value)
        for name, value in pairs
        if not _SECRET.search(name)
        and not name.lower().startswith(("x-amz-", "x-goog-"))
        and not (signed and name.lower() in _OF_SIGNATURES)
    ]
    return urlencode(kept)


def file_name(url: str) -> str:
    """The last part of a URL's path, decoded; '' when it has none."""
    path = urlsplit(url).path if scheme(url) else url
    return unquote(path.rstrip("/").rpartition("/")[2])


def hidden(text: str) -> str:
    """A message with the URLs in it as `shown` has them."""
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>)]+", lambda match: shown(match[0]), text)
