"""Names of files that every file system, shell and CWL engine accepts."""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 180
"""Maximum length in bytes: file systems allow 255, and a number and the suffix of unfinished files are added."""


def safe_name(name: str, *, otherwise: str = "file", longest: int = _LONGEST) -> str:
    """Return a path component that every file system, shell and CWL engine accepts.

    cwltool refuses names with other characters than these, spaces included, so letters lose their accents.
    """
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    plain = unicodedata.normalize("NFKD", last)
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", plain)
    plain = plain.lstrip(".") if plain.strip(".") else ""
    return _shorten(plain, longest) or otherwise


def _shorten(name: str, longest: int) -> str:
    """Shorten a name to at most ``longest`` bytes; keep its extension."""
    if len(name.encode()) <= longest:
        return name
    stem, dot, ending = name.rpartition(".")
    ending = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
    return name.encode()[: longest - len(ending.encode())].decode(errors="ignore") + ending
