"""Read why an import failed, and whether it fails in every run."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LIBRARY = re.compile(r"([\w.+-]+\.so[\w.]*)\S*: cannot open shared object file")
_SHARED_OBJECT = re.compile(r"\.so\b|shared (object|library)|cannot load library", re.IGNORECASE)
_INCOMPATIBLE = re.compile(
    r"binary incompatib|compiled (against|using)|ABI version|undefined symbol|multiarray failed to import|_ARRAY_API",
    re.IGNORECASE,
)
_NAME_REMOVED = re.compile(r"(partially initialized )?module '[^']+' has no attribute|.* was removed in the NumPy")
_TELLING = re.compile(
    rf"{_LIBRARY.pattern}|{_INCOMPATIBLE.pattern}|No module named|cannot import name|has no attribute", re.IGNORECASE
)
_OF_THE_MACHINE = re.compile(
    r"libcuda\.so|libnvidia|nvidia driver|cuda driver|\bgpus?\b|\bdisplay\b|\bX (server|connection)\b|\bnetwork\b"
    r"|credentials|Illegal instruction",
    re.IGNORECASE,
)
"""The driver of a GPU is mounted into a container, and a run may have a display, a network and credentials."""
_NETWORK = {"ConnectionError", "TimeoutError", "gaierror", "URLError", "HTTPError", "RequestException"}
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportFailure:
    """Why an import failed.

    ``summary`` is the exception's type and the line of its message that explains most. ``certain`` is true if the
    import fails in every run, ``needs_a_run`` if it failed only because the check runs in folders that are read-only.
    ``missing`` is the dotted name of a missing module, ``library`` that of a missing shared library.
    """

    summary: str
    certain: bool
    needs_a_run: bool = False
    missing: str = ""
    library: str = ""
    incompatible: bool = False


def read_failure(errors: Sequence[Mapping[str, Any]]) -> ImportFailure:
    """Read the exceptions that ``packmill_imports.py`` reports: the one that ended the import, then its causes."""
    told = next((error for error in errors if _TELLING.search(error["text"])), errors[0])
    lines = [line.strip() for line in told["text"].splitlines() if line.strip()] or [""]
    line = next((line for line in lines if _TELLING.search(line)), lines[-1])
    library = _LIBRARY.search(line)
    certain = _is_certain(errors)
    return ImportFailure(
        summary=f"{told['kinds'][0]}: {line[:300]}".removesuffix(": "),
        certain=certain,
        needs_a_run=not certain and any(error["errno"] in _NOT_WRITABLE for error in errors),
        missing=told["name"] if "ModuleNotFoundError" in told["kinds"] else "",
        library=library[1] if library else "",
        incompatible=bool(_INCOMPATIBLE.search(line)),
    )


def _is_certain(errors: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the exception is about modules and libraries, and not about the machine that runs the check."""
    if any(_is_of_the_check(error) for error in errors):
        return False
    kinds, text = set(errors[0]["kinds"]), errors[0]["text"]
    return (
        "ImportError" in kinds
        or ("OSError" in kinds and bool(_SHARED_OBJECT.search(text)))
        or ("ValueError" in kinds and bool(_INCOMPATIBLE.search(text)))
        or ("AttributeError" in kinds and bool(_NAME_REMOVED.match(text)))
    )


def _is_of_the_check(error: Mapping[str, Any]) -> bool:
    """Return whether the exception is about the machine or the read-only folders of the check."""
    on_machine = bool(_OF_THE_MACHINE.search(error["text"]) or _NETWORK & set(error["kinds"]))
    return on_machine or error["errno"] in _NOT_WRITABLE
