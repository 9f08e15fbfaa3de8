"""Names of result files that every program after a run can carry: UTF-8, no control characters."""

from __future__ import annotations

import os
import posixpath
import re
from hashlib import sha256
from pathlib import Path

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, changes of the writing direction, and bytes that are not UTF-8."""
_LONGEST = 200
"""Bytes of a changed name: file systems take 255, and engines append to names."""


def is_portable(name: str) -> bool:
    """Check whether a name needs no change."""
    return _UNSAFE.search(name) is None


def shortened(name: str) -> str:
    """Return a name of at most 200 bytes; a digest keeps different ones apart."""
    if len(name.encode()) <= _LONGEST:
        return name
    return f"{name.encode()[: _LONGEST - 9].decode(errors='ignore')}-{sha256(name.encode()).hexdigest()[:8]}"


def portable_name(name: str) -> str:
    """Percent-encode the bytes of a file name that are not portable: ``gr%FCn.txt``."""
    if is_portable(name):
        return name
    encoded = _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in _bytes(match[0])), name)
    return encoded if len(encoded.encode()) <= _LONGEST else _shorten(encoded, name)


def shown_name(name: str) -> str:
    r"""Return a name or path for messages, with ``\xfc`` for a byte that is not UTF-8."""
    text = _bytes(name).decode("utf-8", "backslashreplace")
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def free_portable_path(path: Path) -> Path:
    """Return a path in the same folder with a portable name that no file has."""
    name = portable_name(path.name)
    stem, ending = posixpath.splitext(name)
    number = 1
    while os.path.lexists(path.with_name(name)):
        number += 1
        name = portable_name(f"{stem}-{number}{ending}")
    return path.with_name(name)


def _bytes(name: str) -> bytes:
    try:
        return os.fsencode(name)
    except UnicodeEncodeError:  # a lone surrogate, which no file name of the system has
        return name.encode("utf-8", "surrogatepass")


def _shorten(encoded: str, name: str) -> str:
    """Cut a name before its ending; a digest keeps names with the same beginning apart."""
    stem, ending = posixpath.splitext(encoded)
    if len(ending.encode()) > 32:
        stem, ending = encoded, ""
    ending = f"~{sha256(_bytes(name)).hexdigest()[:8]}{ending}"
    return stem.encode()[: _LONGEST - len(ending.encode())].decode("utf-8", "ignore") + ending
