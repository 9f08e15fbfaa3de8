"""Advice for a process that wants the network in a run that has none, as CWL runs have by default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generator.runner.document.document import Document

_UNREACHABLE = re.compile(
    r"name resolution|name or service not known|failed to resolve|could ?n.t resolve|could not resolve"
    r"|unable to resolve host|NameResolutionError|UnknownHost|ENOTFOUND|EAI_AGAIN|no address associated"
    r"|network is unreachable|ENETUNREACH|getaddrinfo",
    re.IGNORECASE,
)
"""What programs and libraries print when a name cannot be resolved, or no address reached."""
_REACHES_OUT = re.compile(
    r"^[^#\n]*\b(?:(?:https?|s?ftp|s3|gs|ssh)://|(?:curl|wget|aria2c|scp|aws|gsutil|git (?:clone|fetch|pull))\s)",
    re.MULTILINE,
)
"""Addresses, and programs that connect to servers, in a script's text without comments."""
_ADVICE = (
    "\n  this run has no network; if the process needs it, declare so: 'packmill build --network' (CWL's NetworkAccess)"
)
_ROUTES, _ROUTES_6 = Path("/proc/net/route"), Path("/proc/net/ipv6_route")
_LONGEST = 20_000
"""Characters of an output that are searched."""


def advise_on_network(failure: str, document: Document) -> str:
    """Return advice to declare the network if a failed run had none and the failure is about it, else ''."""
    if _has_network() or not any(_UNREACHABLE.search(text) for text in (failure, *_last_texts(document))):
        return ""
    return _ADVICE


def advise_script_on_network(source: str) -> str:
    """Return the same advice for a failed script that names a server or a program that needs one, else ''.

    What a script prints goes straight to the log, so its failure itself is not known.
    """
    return _ADVICE if _REACHES_OUT.search(source) and not _has_network() else ""


def _has_network() -> bool:
    """Check for a route that leaves this machine or container (proc(5); IPv6 lists the loopback device too)."""
    try:
        if len(_ROUTES.read_text(encoding="ascii").splitlines()) > 1:
            return True
        if not _ROUTES_6.exists():  # IPv6 is disabled
            return False
        return any(line.split()[-1] != "lo" for line in _ROUTES_6.read_text(encoding="ascii").splitlines())
    except (OSError, ValueError, IndexError):
        return True  # unknown


def _last_texts(document: Document) -> Iterator[str]:
    """Yield the texts that the last executed cell printed, and its traceback."""
    cells = (document.cell(index) for index in reversed(range(len(document))))
    outputs: list[dict[str, Any]] = next((cell["outputs"] for cell in cells if cell.get("outputs")), [])
    for output in outputs:
        yield str(output.get("text", ""))[-_LONGEST:]
        yield "\n".join(map(str, output.get("traceback") or ()))[-_LONGEST:]
