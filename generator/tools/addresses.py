"""Whether a URL may be fetched from on behalf of strangers."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from generator import public_addresses


def is_public(url: str) -> bool:
    """Whether every address that the URL's host has now is a public one."""
    try:
        host = urlsplit(url).hostname or ""
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except (OSError, ValueError):
        return False
    return bool(found) and all(public_addresses.is_public(public_addresses.read_address(one)) for one in found)
