"""Whether an address may be fetched from on behalf of strangers."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

_SERVICES = ("168.63.129.16", "192.0.0.192")
"""Clouds' own services at addresses that count as public."""


def is_public(url: str) -> bool:
    """Whether every address that the URL's host has now is a public one."""
    try:
        host = urlsplit(url).hostname or ""
        found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, ValueError):
        return False
    addresses = [ipaddress.ip_address(one) for one in found]
    inner = [getattr(one, "ipv4_mapped", None) or one for one in addresses]
    return bool(inner) and all(one.is_global and not one.is_multicast and str(one) not in _SERVICES for one in inner)
