"""Guards against web pages that use a visitor's browser: DNS rebinding and requests from other sites."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from fastapi import Request

from generator.runner.server.problems import ProblemError


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without a port, always means this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(request: Request, allowed: Collection[str]) -> None:
    """Refuse a name for this machine that is not its own, as a page has it that rebinds its name to 127.0.0.1.

    Raises:
        ProblemError: 421, the Host header names neither the loopback interface nor an allowed host.
    """
    host = _host(request.headers.get("host", ""))
    if not is_loopback(host) and host not in allowed:
        raise ProblemError(
            421, f"host {host!r}: this server has no tokens and answers as localhost only; see --allowed-host"
        )


def check_origin(request: Request) -> None:
    """Refuse a request that a page of another site or port makes with the user's browser.

    Browsers send Sec-Fetch-Site with every request (https://www.w3.org/TR/fetch-metadata/), older ones Origin at least
    with those that change something; other programs send neither.

    Raises:
        ProblemError: 403, a page of another origin made the request.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and _netloc(origin) != request.headers.get("host", "")
    if foreign:
        raise ProblemError(403, "the request comes from a page of another site; open this server's own pages")


def _host(header: str) -> str:
    """Return the host of a Host header without its port, in lower case; empty if it is invalid."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str | None:
    """Return the host and port of an origin; None if it is not one."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
